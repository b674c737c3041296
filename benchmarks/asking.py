"""How long a question takes over an index of some size: the search, what comes after it, and the whole, in quote style.

    python -m benchmarks.asking --data DIR [--chunks 20000] [--questions 300]

DIR as in `benchmarks/question_sets.py`; made-up documents (`benchmarks/ingest.py`) fill the index up to so many chunks, so
that the answers have to be found among them. The first questions are not counted: they warm up.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.ingest import SECTIONS, corpus
from benchmarks.question_sets import ask_all, holds, ingest, share, write_articles
from bot.settings import load
from bot.wiring import open_kura
from retrieval import generations
from retrieval.database import reading

WARM = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder with documents.json and questions.jsonl")
    parser.add_argument("--chunks", type=int, default=20_000, help="chunks in the index, about")
    parser.add_argument("--questions", type=int, default=300, help="questions, chosen evenly")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kura-benchmark-") as work:
        docs = Path(work) / "docs"
        cases = write_articles(arguments.data, docs)
        cases = cases[:: max(1, len(cases) // arguments.questions)][: arguments.questions]
        corpus(docs / "filler", arguments.chunks // SECTIONS)
        with open_kura(load(overrides={"data_dir": Path(work) / "data"}), holder="benchmark") as kura:
            ingest(kura, docs, "all")
            with reading(kura.index.engine) as connection:
                generation = generations.current(connection)
                chunks = generations.counts(connection, generation)[1] if generation else 0
            ask_all(kura, cases[:WARM])
            answers = ask_all(kura, cases)
    print(f"{len(cases)} questions over {chunks} chunks")
    print(f"answers that hold an accepted string: {share([holds([answers[one.id].text], one) for one in cases]):.3f}")
    times = [one.timings for one in answers.values()]
    tell("search", [one.search_ms for one in times])
    tell("after the search", [one.total_ms - one.search_ms for one in times])
    tell("the whole ask", [one.total_ms for one in times])
    return 0


def tell(name: str, taken: list[float]) -> None:
    print(f"{name:<18} median {statistics.median(taken):5.1f} ms, p95 {statistics.quantiles(taken, n=20)[-1]:5.1f} ms")


if __name__ == "__main__":
    os.environ.pop("KURA_CONFIG", None)
    sys.exit(main())
