from __future__ import annotations

import numpy
import pytest

from bot.evaluation.intervals import Interval, interval


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    drawing = numpy.random.default_rng(7)
    covered = 0
    for _ in range(200):
        found = interval(drawing.binomial(1, 0.7, size=60).tolist())
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.7 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_it_is_as_wide_as_the_normal_one_where_that_holds() -> None:
    values = numpy.random.default_rng(1).normal(5.0, 2.0, size=400)
    found = interval(values.tolist())
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    wide = 2 * 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(wide, rel=0.06)


def test_the_same_values_have_the_same_interval() -> None:
    assert interval([0.0, 1.0, 1.0, 0.5]) == interval([0.0, 1.0, 1.0, 0.5])


def test_nothing_and_one_case_tell_no_interval() -> None:
    assert interval([]) is None
    assert interval([0.5]) == Interval(0.5, None, None, 1)


def test_many_cases_are_resampled_piece_by_piece() -> None:
    found = interval([0.0, 1.0] * 5_000)
    assert found is not None
    assert found.low == pytest.approx(0.49, abs=0.002)
    assert found.cases == 10_000
