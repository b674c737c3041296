"""From scored questions to a threshold: the fit, how sure it is, and whether it helps. Pure arithmetic, no question and no index.

No Platt scaling: it would bend the score without changing its order, and so no decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 300
"""Of the bootstrap; the ends of an interval of nine tenths stand on fifteen of them each."""
INTERVAL = (5.0, 95.0)
"""Percentiles of the thresholds of the resamples."""
NEIGHBOURS = (-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2)
"""Thresholds beside the fitted one that are reported too."""
_SEED = 20

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What a threshold would do: the share (0..1) it refuses of what can be answered, and of what must be refused."""

    threshold: float
    answerable_refused: float
    unanswerable_refused: float


@dataclass(frozen=True, slots=True)
class Fit:
    """`threshold` from which on to answer: of the interval in which the best one lies, what is nearest to the default.

    The default was chosen on questions of people, which made questions only resemble: they move it no further than they
    prove. `helps` says whether `best` errs less than the default on questions that were not fitted on (out of the bag), at
    the costs that were given; if not, the default stays. `before` and `after` are balanced accuracies (0..1) at the default
    and at `threshold`.
    """

    threshold: float
    best: float
    low: float
    high: float
    auc: float
    before: float
    after: float
    helps: bool
    answerable: int
    unanswerable: int
    neighbours: tuple[Neighbour, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def fit(answerable: Sequence[float], unanswerable: Sequence[float], *, default: float, wrong_costs: float = 1.0) -> Fit:
    """The threshold with the least cost: a wrong answer costs `wrong_costs` refusals, both kinds of question weigh the same.

    Neither may be empty. The best threshold is the median over resamples, each of which takes the middle of its best stretch.
    """
    right, wrong = np.asarray(answerable, dtype=np.float64), np.asarray(unanswerable, dtype=np.float64)
    rng = np.random.default_rng(_SEED)
    thresholds, costs = [], []
    for _ in range(RESAMPLES):
        picks = rng.integers(len(right), size=len(right)), rng.integers(len(wrong), size=len(wrong))
        found = _best(right[picks[0]], wrong[picks[1]], wrong_costs)
        thresholds.append(found)
        unseen = np.delete(right, np.unique(picks[0])), np.delete(wrong, np.unique(picks[1]))
        if len(unseen[0]) and len(unseen[1]):
            costs.append(_cost(*unseen, found, wrong_costs) - _cost(*unseen, default, wrong_costs))
    low, high = (round(float(end), 3) for end in np.percentile(thresholds, INTERVAL))
    helps = bool(costs) and float(np.mean(costs)) < 0
    threshold = min(max(default, low), high) if helps else default
    beside = sorted({round(min(max(threshold + step, 0.0), 1.0), 3) for step in NEIGHBOURS})
    return Fit(
        threshold=threshold,
        best=round(float(np.median(thresholds)), 3),
        low=low,
        high=high,
        auc=round(_auc(right, wrong), 4),
        before=round(_accuracy(right, wrong, default), 4),
        after=round(_accuracy(right, wrong, threshold), 4),
        helps=helps,
        answerable=len(right),
        unanswerable=len(wrong),
        neighbours=tuple(
            Neighbour(one, round(float((right < one).mean()), 4), round(float((wrong < one).mean()), 4))
            for one in beside
        ),
    )


def _best(right: Scores, wrong: Scores, wrong_costs: float) -> float:
    """The middle of the stretch of thresholds that cost least."""
    scores = np.unique(np.concatenate([right, wrong, [0.0, 1.0]]))
    cuts = (scores[:-1] + scores[1:]) / 2  # one for each way to part the scores, but for the two that part nothing
    refused = np.searchsorted(np.sort(right), cuts, side="left") / len(right)
    answered = 1 - np.searchsorted(np.sort(wrong), cuts, side="left") / len(wrong)
    costs = refused + wrong_costs * answered
    least = np.flatnonzero(costs <= costs.min() + 1e-12)
    return float((cuts[least[0]] + cuts[least[-1]]) / 2)


def _cost(right: Scores, wrong: Scores, threshold: float, wrong_costs: float) -> float:
    return float((right < threshold).mean() + wrong_costs * (wrong >= threshold).mean())


def _accuracy(right: Scores, wrong: Scores, threshold: float) -> float:
    return float(((right >= threshold).mean() + (wrong < threshold).mean()) / 2)


def _auc(right: Scores, wrong: Scores) -> float:
    """The probability that an answerable question scores higher than another one; a tie is half."""
    ordered = np.sort(wrong)
    below = np.searchsorted(ordered, right, side="left")
    upto = np.searchsorted(ordered, right, side="right")
    return float((below + upto).mean() / 2 / len(wrong))
