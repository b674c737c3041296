from __future__ import annotations

from datetime import date

import pytest

from ingest.dates import day_in, day_of, latest


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-31",
        "2025-1-31",
        "2025/01/31",
        "2025.1.31",
        "20250131",
        "2025-01-31T23:59:59+09:00",
        "2025-01-31 10:00",
        "D:20250131120000+09'00'",
        "$Date: 2025-01-31 $",
        "'2025-01-31'",
        "2025年1月31日",
        "2025年 1月 31日（金）",
    ],
)
def test_days_are_read_as_programs_and_people_write_them(text: str) -> None:
    assert day_in(text) == date(2025, 1, 31)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "01/02/2025",
        "2025-02-31",
        "2025-13-01",
        "2025",
        "1970-01-01",
        "20250131999",
        "2025-01/31",
        "v2025-01-31",
    ],
)
def test_what_is_no_day_or_could_be_two_is_none(text: str) -> None:
    assert day_in(text) is None


def test_of_several_days_the_latest_counts() -> None:
    assert latest(["2024-01-01", "soon", "2025-01-31", "2024-12-31"]) == date(2025, 1, 31)
    assert latest([]) is None


def test_a_time_stamp_is_a_day_unless_the_clock_was_not_set() -> None:
    assert day_of(1738281600.0) == date(2025, 1, 31)
    assert [day_of(seconds) for seconds in (0.0, 1.0, 1e30, float("nan"), 315532800.0)] == [None] * 5
