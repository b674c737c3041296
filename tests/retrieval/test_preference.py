from __future__ import annotations

from datetime import date, timedelta

import pytest

from retrieval.preference import MOST_LOST, NO_PREFERENCE, Preference, weighed

TODAY = date(2026, 6, 1)


@pytest.mark.parametrize(("days", "lost"), [(0, 0.0), (365, MOST_LOST / 2), (730, MOST_LOST * 0.75), (-30, 0.0)])
def test_age_takes_half_of_what_is_left_to_lose_with_each_half_life(days: int, lost: float) -> None:
    factor = Preference(half_life_days=365).factor("a", TODAY - timedelta(days=days), TODAY)
    assert factor == pytest.approx(1 - lost)


def test_the_oldest_document_loses_no_more_than_the_most() -> None:
    assert Preference(half_life_days=1).factor("a", date.min, TODAY) == pytest.approx(1 - MOST_LOST)


def test_a_document_without_a_day_loses_nothing() -> None:
    assert Preference(half_life_days=1).factor("a", None, TODAY) == 1.0


def test_a_source_weighs_what_is_set_and_others_one() -> None:
    preference = Preference(weights={"a": 2.0})
    assert [preference.factor(name, TODAY, TODAY) for name in ("a", "b")] == [2.0, 1.0]


def test_without_settings_nothing_is_preferred() -> None:
    assert not NO_PREFERENCE
    assert not Preference(weights={"a": 1.0})
    assert Preference(half_life_days=1)
    assert Preference(weights={"a": 0.5})


def test_a_smaller_factor_never_makes_a_score_better() -> None:
    assert [weighed(score, 0.5) for score in (2.0, 0.0, -2.0)] == [1.0, 0.0, -4.0]
