"""Chooses the sentences that answer a question from the hits of a search, and says how sure it is that they do. Pure.

Two small linear models over the features of `bot/clues.py`: one orders the units of the passages, one judges the best of them.
Both were fitted on JaQuAD's training part (SkelterLabs, CC BY-SA 3.0), the second with half of the articles left out.
Knows no model of language, no index and no style of answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.clues import Asked, Clue, clues, read_question
from retrieval.documents import Hit

UNIT_WEIGHTS = {
    "own": 17.0, "context": 7.9, "before": 4.4, "after": 3.3, "passage": 5.9, "relative": 4.2, "shows": 0.8, "lacks": -1.3,
    "length": -0.4,
}  # fmt: skip
ENOUGH = 0.5
EARNS = 0.05
"""A further unit must be at least this likely, as a share of the best one's likelihood."""


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
