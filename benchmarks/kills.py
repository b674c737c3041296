"""Kills ingesting processes at named steps and at random moments, and counts what a reader sees and what is left over.

    python -m benchmarks.kills [--random N] [--seed N]

From the repository's root. Each kill is SIGKILL to a process that works on a data folder with two generations; then a reader
looks, the next ordinary run is made, and everything is compared. What is asked of each is in `tests/ingest/killed_child.py`.
Every tenth reader opens Chroma as Kura does after a crash, with a child that looks at the files first; the others do without.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.ingest.killed_child import (
    SCENARIOS,
    Point,
    child,
    prepare,
    set_up,
    trust_chroma,
    wrong_at_once,
    wrong_in_the_end,
)
from tests.ingest.test_killed import POINTS

LOOKED_AT_EVERY = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--random", type=int, default=400, help="kills at random moments")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=9.5, help="after which no kill is begun any more")
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    chance = random.Random(arguments.seed)  # noqa: S311 - moments, no secrets
    base = Path(tempfile.mkdtemp(prefix="kills-"))
    undo = trust_chroma()
    prepare(base / "work", base / "kept")
    undo()
    seconds = {name: unhurt(name, base) for name in SCENARIOS}
    jobs: list[tuple[str, Point | float]] = list(POINTS)
    for _ in range(arguments.random):
        name = chance.choice(list(SCENARIOS))
        jobs.append((name, chance.uniform(0, seconds[name])))
    chance.shuffle(jobs)
    counts: Counter[str] = Counter()
    for number, (name, where) in enumerate(jobs):
        if time.monotonic() < until:
            one(counts, number, name, where, base)
        else:
            counts["not done: out of time"] += 1
    shutil.rmtree(base)
    print(f"{len(SCENARIOS)} kinds of work, {len(POINTS)} named points, seed {arguments.seed}")
    for what, count in sorted(counts.items()):
        print(f"{count:>6}  {what}")


def unhurt(name: str, base: Path) -> float:
    """How long the work takes when nobody kills it."""
    set_up(name, base / "work", base / "kept")
    process, started = child(name, base / "work"), time.perf_counter()
    process.join()
    return time.perf_counter() - started


def one(counts: Counter[str], number: int, name: str, where: Point | float, base: Path) -> None:
    """One kill and what comes of it."""
    folder = base / "work"
    set_up(name, folder, base / "kept")
    process = child(name, folder, where if isinstance(where, Point) else None)
    if not isinstance(where, Point):
        process.join(where)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
    process.join()
    kind = "named" if isinstance(where, Point) else "random"
    if process.exitcode != -signal.SIGKILL:
        counts[f"{kind}: was done before the kill, or failed ({process.exitcode})"] += 1
        return
    counts[f"{kind}: killed in {name}"] += 1
    counts["killed in all"] += 1
    undo = trust_chroma() if number % LOOKED_AT_EVERY else lambda: None
    try:
        for what, wrong in (
            ("a reader right after it", wrong_at_once(name, folder)),
            ("after the next run", wrong_in_the_end(name, folder)),
        ):
            counts[f"wrong, {what}"] += bool(wrong)
            if wrong:
                print(f"{name}, {where}, {what}: {wrong}", flush=True)
    finally:
        undo()


if __name__ == "__main__":
    main()
