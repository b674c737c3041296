from __future__ import annotations

import pytest

from bot.amounts import amounts, dates, measures, same_date, without_amounts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It costs €1,200.", [("1200", "eur")]),
        ("five million yen", [("5000000", "jpy")]),
        ("3営業日以内、5日間", [("3", "business day"), ("5", "day")]),
        ("opened in 2019年", [("2019", "")]),
        ("two working days, 30 NOK", [("2", "business day"), ("30", "nok")]),
        ("on 2025-04-01 at 5 °C", [("5", "°c")]),
    ],
)
def test_amounts_come_with_their_measures_and_without_dates(text: str, expected: list[tuple[str, str]]) -> None:
    assert list(amounts(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["2025-04-01", "2025/4/1", "April 1, 2025", "1 April 2025", "1st of Apr. 2025", "2025年4月1日", "令和7年4月1日"],
)
def test_a_date_is_the_same_in_every_form(text: str) -> None:
    assert dates(f"From {text} on") == [(2025, 4, 1)]


def test_parts_of_dates() -> None:
    assert dates("April 2025, 4月1日, 平成元年, 1 May") == [(2025, 4, 0), (0, 4, 1), (1989, 0, 0), (0, 5, 1)]
    assert dates("version 1.2.3, 4/1, room 12-04-20 B") == []
    assert same_date((0, 4, 1), (2025, 4, 1))
    assert not same_date((2025, 4, 1), (0, 4, 1))


def test_the_words_beside_amounts_stay() -> None:
    assert without_amounts("300 dogs for 20 EUR from 1 May").split() == ["dogs", "for", "from"]
    assert measures("limit (EUR) per 泊") == {"eur"}


def test_long_runs_of_numerals_are_one_number() -> None:
    assert list(amounts("1" * 5000 + "年")) == [("1" * 5000, "year")]
    assert list(amounts("一" * 100_000 + "b")) == []
