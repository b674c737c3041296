"""The weight of a cosine beside a word score, from questions whose passage is known.

Pure arithmetic; knows no index and not where the questions come from (`retrieval/cloze.py`). numpy is imported when a weight
is estimated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Numbers: TypeAlias = "npt.NDArray[np.float64]"

WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4)
"""Those that are tried. Beyond the last the words settle ties: cloze sentences, whose own words are gone, ask for that sooner
than questions do."""
_NOTHING = 1e-9
"""A likelihood that differs by less is the same."""
_MISSING = -1e6
"""The word share of a candidate that a trial does not have."""
SHARPNESS = tuple(2 * 1.25**step for step in range(15))
"""How much a difference of scores says: the one is taken that explains the trials best, anew for each weight."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A question over its candidates: each one's share of the best word score (0..1) and its cosine, and which is right."""

    words: Sequence[float]
    cosines: Sequence[float]
    right: int


@dataclass(frozen=True, slots=True)
class Quality:
    """How well an order finds the right candidate (0..1): the share it puts first, and the mean reciprocal rank."""

    first: float
    reciprocal: float


def estimated(trials: Sequence[Trial]) -> float:
    """The smallest weight in `WEIGHTS` that explains the trials (at least two) as well as the best does.

    A trial is explained by the softmax of its scores. As well: the mean log likelihood is within one standard error of the
    difference (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3), so that an embedder that says
    nothing gets no weight by chance. Where that order finds less than words or cosines alone, the better one's weight is
    taken.
    """
    import numpy as np

    words, cosines = _table(trials)
    explained = [_explained(words + weight * cosines) for weight in WEIGHTS]
    best = max(explained, key=lambda one: float(one.mean()))

    def as_well(one: Numbers) -> bool:
        lost = best - one
        return bool(lost.mean() <= lost.std(ddof=1) / np.sqrt(len(lost)) + _NOTHING)

    chosen = next(weight for weight, one in zip(WEIGHTS, explained, strict=True) if as_well(one))
    parts = {WEIGHTS[0]: _quality(words), WEIGHTS[-1]: _quality(cosines)}
    better = max(parts, key=lambda weight: parts[weight].reciprocal)
    return better if parts[better].reciprocal > _quality(words + chosen * cosines).reciprocal else chosen


def quality(trials: Sequence[Trial], weight: float) -> Quality:
    """Of the order by word score and `weight` times the cosine."""
    words, cosines = _table(trials)
    return _quality(words + weight * cosines)


def _table(trials: Sequence[Trial]) -> tuple[Numbers, Numbers]:
    """Word shares and cosines, shape (trials, candidates) each, the right candidate first and missing ones below all others."""
    import numpy as np

    shape = len(trials), max(len(one.words) for one in trials)
    words, cosines = np.full(shape, _MISSING), np.full(shape, -2.0)
    for row, one in enumerate(trials):
        order = [one.right, *(at for at in range(len(one.words)) if at != one.right)]
        words[row, : len(order)] = [one.words[at] for at in order]
        cosines[row, : len(order)] = [one.cosines[at] for at in order]
    return words, cosines


def _explained(scores: Numbers) -> Numbers:
    """The log likelihood of each trial's right candidate, at the sharpness that explains all of them best."""
    import numpy as np

    def at(sharpness: float) -> Numbers:
        likelihood: Numbers = -np.log(np.exp(sharpness * (scores - scores[:, :1])).sum(axis=1))
        return likelihood

    return max((at(sharpness) for sharpness in SHARPNESS), key=lambda one: float(one.mean()))


def _quality(scores: Numbers) -> Quality:
    right, others = scores[:, :1], scores[:, 1:]
    ranks = 1 + (others > right).sum(axis=1) + (others == right).sum(axis=1) / 2
    return Quality(float((ranks == 1).mean()), float((1 / ranks).mean()))
