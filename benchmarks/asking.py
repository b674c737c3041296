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
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.ingest import SECTIONS, corpus
from benchmarks.question_sets import Case, ask_all, holds, ingest, share, write_articles
from bot import quoting
from bot.evidence import weigh
from bot.finding import PASSAGES
from bot.identity import local_principal
from bot.settings import load
from bot.wiring import Kura, open_kura
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
            searching, answering = apart(kura, cases)
    print(f"{len(cases)} questions over {chunks} chunks")
    print(f"answers that hold an accepted string: {share([holds([answers[one.id].text], one) for one in cases]):.3f}")
    tell("search", searching)
    tell("answering from quotes", answering)
    tell("the whole ask", [one.timings.total_ms for one in answers.values()])
    return 0


def apart(kura: Kura, cases: Sequence[Case]) -> tuple[list[float], list[float]]:
    """Milliseconds of each search, and of choosing and composing the quotes after it."""
    searching, answering = [], []
    for case in cases:
        principal = local_principal(groups=case.groups)
        started = time.perf_counter()
        found = kura.searcher.search(case.question, principal=principal, k=PASSAGES)
        searched = time.perf_counter()
        quoting.answer(weigh(case.question, found).spans, partial(kura.searcher.document, principal=principal))
        searching.append((searched - started) * 1000)
        answering.append((time.perf_counter() - searched) * 1000)
    return searching, answering


def tell(name: str, taken: list[float]) -> None:
    print(f"{name:<23} median {statistics.median(taken):5.1f} ms, p95 {statistics.quantiles(taken, n=20)[-1]:5.1f} ms")


if __name__ == "__main__":
    os.environ.pop("KURA_CONFIG", None)
    sys.exit(main())
