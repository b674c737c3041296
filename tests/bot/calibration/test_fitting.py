from __future__ import annotations

import random

import pytest

from bot.calibration.fitting import fit


def drawn(low: float, high: float, count: int, seed: int = 1) -> list[float]:
    rng = random.Random(seed)  # noqa: S311
    return [rng.uniform(low, high) for _ in range(count)]


def test_scores_that_are_apart_are_parted_in_the_middle_of_the_gap() -> None:
    found = fit([0.8, 0.9, 0.95] * 20, [0.1, 0.2, 0.4] * 20, default=0.85)
    assert found.best == pytest.approx(0.6)
    assert found.auc == 1
    assert found.before == pytest.approx(1 - 1 / 6, abs=1e-4)
    assert found.helps
    assert found.after == 1


def test_the_default_is_left_no_further_than_the_questions_prove() -> None:
    right, wrong = drawn(0.4, 1.0, 60), drawn(0.0, 0.6, 60, seed=2)
    low, high = (found := fit(right, wrong, default=0.0)).low, found.high
    assert found.threshold == low < found.best
    assert fit(right, wrong, default=1.0).threshold == high > found.best


def test_a_default_that_is_as_good_stays() -> None:
    right, wrong = drawn(0.6, 1.0, 60), drawn(0.0, 0.4, 60, seed=2)
    found = fit(right, wrong, default=0.45)
    assert (found.threshold, found.helps, found.after) == (0.45, False, 1.0)


def test_a_dear_wrong_answer_raises_the_threshold_and_a_cheap_one_lowers_it() -> None:
    right, wrong = drawn(0.3, 1.0, 300), drawn(0.0, 0.7, 300, seed=2)
    cheap, even, dear = (fit(right, wrong, default=0.5, wrong_costs=costs).best for costs in (0.2, 1, 5))
    assert cheap < even < dear


def test_scores_that_tell_nothing_promise_nothing() -> None:
    same = drawn(0.0, 1.0, 200)
    found = fit(same, same, default=0.35)
    assert found.auc == pytest.approx(0.5)
    assert found.before == pytest.approx(0.5)
    assert found.after == pytest.approx(0.5, abs=0.05)


def test_the_interval_holds_the_threshold_and_narrows_with_more_questions() -> None:
    few = fit(drawn(0.3, 1.0, 30), drawn(0.0, 0.7, 30, seed=4), default=0.5)
    many = fit(drawn(0.3, 1.0, 3000), drawn(0.0, 0.7, 3000, seed=4), default=0.5)
    assert few.low <= few.best <= few.high
    assert many.high - many.low < few.high - few.low


def test_neighbours_say_what_would_be_refused() -> None:
    found = fit([0.9] * 10, [0.1] * 10, default=0.35)
    assert [one.threshold for one in found.neighbours] == sorted({one.threshold for one in found.neighbours})
    assert {(one.answerable_refused, one.unanswerable_refused) for one in found.neighbours} == {(0.0, 1.0)}


def test_ties_count_half_in_the_auc() -> None:
    assert fit([0.5, 0.9], [0.5, 0.1], default=0.5).auc == pytest.approx(0.875)


def test_the_same_scores_give_the_same_fit() -> None:
    right, wrong = drawn(0.3, 1.0, 50), drawn(0.0, 0.7, 50, seed=5)
    assert fit(right, wrong, default=0.5) == fit(right, wrong, default=0.5)
