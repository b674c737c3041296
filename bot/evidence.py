"""Chooses the sentences that answer a question from the hits of a search, and says how sure it is that they do. Pure.

Two small linear models over the features of `bot/clues.py`: one orders the units of the passages, the other judges the best
of them. Both were fitted on JaQuAD's training part (SkelterLabs, CC BY-SA 3.0), the first as `benchmarks/training.py` does
it, the second with half of the articles left out of the index; the weights of what an embedder says of the sentences are
round numbers, set by hand with an eye on `examples/` and XQuAD. Knows no language model, no index and no style of answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.asking import Asked, read_question
from bot.choosing import choose
from bot.clues import Clue, clues
from bot.near_misses import names_another
from bot.untrusted import gives_orders, speaks_of_orders
from retrieval.documents import Hit
from retrieval.found import Found
from retrieval.ranking import UNDECIDED, emphasis, most_words
from retrieval.terms import terms

VERSION = "5"
"""Of features and weights together: another one makes other scores, and a threshold fitted to these says nothing of those."""

UNIT_WEIGHTS = {
    "own": 2.0,
    "behind": 2.2,
    "better": -0.5,
    "local": 2.9,
    "context": 1.5,
    "before": 1.8,
    "after": 1.8,
    "tail": 1.3,
    "focus": 0.5,
    "focus beside": -0.4,
    "kanji": 1.6,
    "kanji around": 1.2,
    "likeness": 5.0,
    "passage": 2.8,
    "relative": 5.1,
    "shows": 0.4,
    "lacks": -1.1,
    "counts": 5.1,
    "numbers": 0.2,
    "names": -0.4,
    "defines": 1.5,
    "new": 1.0,
    "length": -1.0,
}
"""Of the features of a unit; softmax over all units of a question gives their likelihoods. `own` and `behind` together say:
what the best unit of a passage holds counts for all of them. `likeness` could not be fitted, as the starter embedder speaks
no Japanese: it weighs as much as the words themselves."""

SURE_WEIGHTS = {
    "near": 3.0,
    "passage": 3.1,
    "kanji": 1.0,
    "words": 5.7,
    "unnamed": -2.6,
    "rival": -2.5,
    "likeness": 5.0,
}
SURE_BIAS = -2.8
"""Of what is asked of the best unit; the logistic function of the sum is `Evidence.score`."""

ENOUGH = 0.35
"""Below this score the passages do not hold the answer. Even odds would be right for questions worded like their passages,
as in JaQuAD; people word theirs more freely, and on the questions of `examples/` this answers a third more of them."""


@dataclass(frozen=True, slots=True)
class Span:
    """`hit`'s document text from `start` to `end` (characters of the document); `score` is its likelihood, 0..1."""

    hit: Hit
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The chosen spans in reading order, and how likely (0..1) they hold the answer: below `ENOUGH`, refuse."""

    spans: tuple[Span, ...]
    score: float


def weigh(question: str, found: Found, at_most: int = 3) -> Evidence:
    """Choose one to `at_most` units of the hits, verbatim, with what they need to be read alone (`bot/choosing.py`).

    Neighbours become one span.
    `found.rarity` is asked for the question's content terms only, `found.likeness` once, for all units with their
    neighbours. No hit, or a question without a letter or digit: no span, score 0. Nor is there any likelihood where the
    question names one exact thing and the passages another (`bot/near_misses.py`). Where a passage holds a name of the
    question, those without any are passed over. Text that gives orders to whoever answers is not chosen, unless the question
    is about such text.
    """
    asked = read_question(question, found.rarity, found.corrected)
    if not asked.weights:
        return Evidence((), 0.0)
    unwanted = _nothing if speaks_of_orders(question) else gives_orders
    wanted = [hint for hint in clues(asked, found) if not unwanted(_text(hint, found.hits))]
    if not wanted:
        return Evidence((), 0.0)
    hints = _naming(asked, wanted, found)
    likelihoods = _likelihoods(hints)
    best = hints[max(range(len(hints)), key=lambda at: likelihoods[at])]
    pieces = choose(question, hints, likelihoods, found.hits, at_most, unwanted)
    spans = tuple(Span(one.hit, one.hit.start + one.start, one.hit.start + one.end, one.likelihood) for one in pieces)
    passages = ["\n".join((span.hit.title, *span.hit.heading, span.hit.text)) for span in spans]
    return Evidence(spans, 0.0 if names_another(question, passages) else _sureness(asked, best, found))


def _nothing(_: str) -> bool:
    return False


def _naming(asked: Asked, hints: Sequence[Clue], found: Found) -> list[Clue]:
    """The units of passages that hold a name of the question, if any does: elsewhere they speak of another place or thing."""

    def names(hit: Hit) -> bool:
        there = asked.held(found.read(terms("\n".join((hit.title, *hit.heading, hit.text)))))
        return any(there.keys() >= name for name in asked.names)

    naming = {place for place, hit in enumerate(found.hits) if names(hit)} if asked.names else set()
    return [hint for hint in hints if hint.hit in naming] or [*hints]


def _likelihoods(found: Sequence[Clue]) -> list[float]:
    scores = [sum(weight * clue.features[name] for name, weight in UNIT_WEIGHTS.items()) for clue in found]
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def _sureness(asked: Asked, best: Clue, found: Found) -> float:
    """How likely the best unit answers."""
    hit = found.hits[best.hit]
    about = "\n".join((hit.title, *hit.heading))
    passage = found.read(terms(f"{about}\n{hit.text}"))
    unit = found.read(terms(f"{about}\n{hit.text[best.unit.start : best.unit.end]}"))
    scores = sorted((each.score for each in found.hits), reverse=True)
    # Grammar proves even less than it finds: emphasis counts twice.
    proof = replace(asked, weights={term: weight * emphasis(term) for term, weight in asked.weights.items()})
    judged = {
        "near": proof.share(proof.held(unit)),
        "passage": proof.share(proof.held(passage)),
        "kanji": proof.written(f"{about}\n{hit.text}")
        if proof.written_in(hit.text)
        else proof.share(proof.held(passage)),
        "words": hit.words / most_words(asked.total),
        "unnamed": asked.unnamed(passage),
        "rival": scores[1] / scores[0] if len(scores) > 1 and scores[0] > 0 else 0.0,
        "likeness": best.features["likeness"] - UNDECIDED if found.likeness else 0.0,
    }
    return 1 / (1 + math.exp(-SURE_BIAS - sum(weight * judged[name] for name, weight in SURE_WEIGHTS.items())))


def _text(clue: Clue, hits: Sequence[Hit]) -> str:
    return hits[clue.hit].text[clue.unit.start : clue.unit.end]
