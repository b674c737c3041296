"""What each part of the way to a quoted answer adds or costs: everything, then without one part after the other.

    python -m benchmarks.parts --data DIR [--limit N]

DIR as in `benchmarks/question_sets.py`. Answers are never refused here: at most three units, then one, each as it is shown.
Time is CPU time of search, choice and composing together. The last row is the plainest choice there is: the sentences of the
first three passages that hold most of the question's rare words.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bot.evidence
import retrieval.candidates
import retrieval.search
import retrieval.widening
from benchmarks.question_sets import Case, holds, ingest, rank, share, write_articles
from bot import quoting
from bot.finding import PASSAGES
from bot.identity import local_principal
from bot.sentences import units
from bot.settings import load
from bot.wiring import Kura, open_kura
from retrieval.found import Found
from retrieval.terms import content_terms, terms
from retrieval.trust import Trusted

Patch = tuple[Any, str, Any]
_NO_WEIGHT: tuple[Patch, ...] = ((Trusted, "weight", lambda *_, **__: 0.0),)
_NO_SENTENCES: tuple[Patch, ...] = ((Trusted, "understands", lambda *_: False),)


def without(*features: str) -> Patch:
    """The choice of sentences without these features."""
    weights = {name: 0.0 if name in features else weight for name, weight in bot.evidence.UNIT_WEIGHTS.items()}
    return (bot.evidence, "UNIT_WEIGHTS", weights)


WAYS: dict[str, tuple[Patch, ...]] = {
    "everything": (),
    "without vectors": (*_NO_WEIGHT, *_NO_SENTENCES),
    "without what the embedder says of sentences": _NO_SENTENCES,
    "without neighbouring sentences": (without("context", "before", "after", "kanji around"),),
    "without what the question asks for": (without("focus", "focus beside", "shows", "lacks", "counts", "defines"),),
    "without comparing sentences": (without("behind", "better", "local"),),
    "without the order of passages": (without("relative", "passage"),),
    "without folding": ((retrieval.candidates, "fold", tuple),),
    "without joining": ((retrieval.widening, "wanted", lambda _: []),),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder with documents.json and questions.jsonl")
    parser.add_argument("--limit", type=int, default=300, help="questions, chosen evenly")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kura-benchmark-") as work:
        docs = Path(work) / "docs"
        cases = write_articles(arguments.data, docs)
        cases = cases[:: max(1, len(cases) // arguments.limit)][: arguments.limit]
        with open_kura(load(overrides={"data_dir": Path(work) / "data"}), holder="benchmark") as kura:
            ingest(kura, docs, "all")
            print(f"{len(cases)} questions{'':<33} hit@1  hit@5  three    one     ms")
            for name, patches in WAYS.items():
                with patched(patches):
                    tell(name, measure(kura, cases, quoted))
            tell("without headings", measure(kura, cases, unheaded))
            tell("rare words of the first three passages", measure(kura, cases, plainest))
    return 0


@contextmanager
def patched(patches: Sequence[Patch]) -> Iterator[None]:
    """The parts replaced as long as this lasts."""
    former = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
    for owner, name, value in patches:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in former:
            setattr(owner, name, value)


Answering = Callable[[Kura, Case, Found, int], str]


def measure(kura: Kura, cases: Sequence[Case], answering: Answering) -> tuple[float, ...]:
    """hit@1, hit@5, answers of three and of one that hold an accepted string; milliseconds a question."""
    ranks, three, one, times = [], [], [], []
    for case in cases:
        started = time.process_time()
        found = kura.searcher.search(case.question, principal=local_principal(groups=case.groups), k=PASSAGES)
        said = answering(kura, case, found, 3)
        times.append((time.process_time() - started) * 1000)
        ranks.append(rank(found.hits, case))
        three.append(holds([said], case))
        one.append(holds([answering(kura, case, found, 1)], case))
    first = [at == 0 for at in ranks]
    return (
        share(first),
        share([at is not None and at < 5 for at in ranks]),
        share(three),
        share(one),
        statistics.median(times),
    )


def quoted(kura: Kura, case: Case, found: Found, at_most: int) -> str:
    """As the quote style tells it."""
    principal = local_principal(groups=case.groups)
    spans = bot.evidence.weigh(case.question, found, at_most).spans
    return "".join(quoting.answer(spans, lambda id_: kura.searcher.document(id_, principal=principal))[0])


def unheaded(_: Kura, case: Case, found: Found, at_most: int) -> str:
    """The same without titles and headings."""
    return "".join(quoting.compose(bot.evidence.weigh(case.question, found, at_most).spans, {})[0])


def plainest(_: Kura, case: Case, found: Found, at_most: int) -> str:
    """The sentences of the first three passages with the most weight of the question's words."""
    wanted = set(content_terms(case.question))
    texts = [hit.text[unit.start : unit.end] for hit in found.hits[:3] for unit in units(hit.text, hit.language)]
    best = sorted(texts, key=lambda text: -sum(map(found.rarity, wanted.intersection(terms(text)))))
    return "\n".join(best[:at_most])


def tell(name: str, figures: tuple[float, ...]) -> None:
    *shares, milliseconds = figures
    print(f"{name:<47}", *(f"{one:.3f} " for one in shares), f"{milliseconds:5.1f}")


if __name__ == "__main__":
    os.environ.pop("KURA_CONFIG", None)
    sys.exit(main())
