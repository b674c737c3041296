"""Bootstrap intervals of means. Pure numpy, seeded: the same values have the same interval. Knows no score and no case.

What is resampled is cases, each with all its trials (a cluster bootstrap): trials of one case are alike, and counting them
as cases would make an interval too narrow. Percentile method, Efron & Tibshirani 1993, chapters 13 and 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

COVERAGE = 0.95
RESAMPLES = 5_000
"""Enough for ends that are steady in the third digit."""
SEED = 20_260_401
_MOST_AT_ONCE = 2**21
"""Numbers drawn at once, to bound memory: 16 MiB."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over `cases` values, and where it lies with 95 % coverage; ends are None where one case tells nothing of that.

    Where all values are the same both ends are that value: of a score that never failed, n cases exclude only about 3/n.
    """

    mean: float
    low: float | None
    high: float | None
    cases: int


def interval(values: Sequence[float]) -> Interval | None:
    """The mean of values, one a case (that of its trials), with its interval; None if there are none."""
    import numpy

    count = len(values)
    if not count:
        return None
    data = numpy.asarray(values, dtype=float)
    mean = float(data.mean())
    if count == 1:
        return Interval(mean, None, None, 1)
    drawing = numpy.random.default_rng(SEED)
    means: list[float] = []
    while len(means) < RESAMPLES:
        rows = min(RESAMPLES - len(means), max(1, _MOST_AT_ONCE // count))
        means += data[drawing.integers(count, size=(rows, count))].mean(axis=1).tolist()
    low, high = numpy.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Interval(mean, float(low), float(high), count)
