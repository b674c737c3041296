from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.wording import says_less, says_more

UNIT = "The hotel limit is 180 EUR per night in Europe, and breakfast is paid by the company."
JA = "年次有給休暇は入社半年後に10日付与します。"


@pytest.mark.parametrize(
    "claim",
    [
        "In Europe the hotel limit is 180 EUR per night.",
        "The company pays breakfast.",
        "According to the passage, breakfast is paid.",
    ],
)
def test_the_same_words_turned_around_say_no_more(claim: str) -> None:
    assert not says_more(claim, UNIT)


@pytest.mark.parametrize(
    ("claim", "unit"),
    [
        ("The hotel limit is 180 EUR per night in Europe and pets stay free.", UNIT),
        ("The hotel limit for dogs is 180 EUR per night in Europe.", UNIT),
        ("Тhe hotel limit is 180 EUR per night in Europe.", UNIT),
        ("The hotеl limit is 180 EUR.", UNIT),
        ("年次有給休暇は退職半年後に10日付与します。", JA),
        ("年次有給休暇はいきなり10日付与します。", JA),
        ("年次有給休暇はパートに10日付与します。", JA),
    ],
)
def test_another_word_of_meaning_says_more(claim: str, unit: str) -> None:
    assert says_more(claim, unit)


def test_words_may_come_from_what_stands_above() -> None:
    assert not says_more("The travel policy sets a hotel limit.", "It sets a hotel limit.", "Travel policy")
    assert not says_more("年次有給休暇は10日です。", JA)


def test_a_clause_is_taken_up_whole_or_not_at_all() -> None:
    def even(_: str) -> float:
        return 1.0

    assert says_less("The limit is 180 EUR.", UNIT, even)
    assert says_less("Engineers get 30 days.", "Senior engineers in Oslo get 30 days.", even)
    assert not says_less("The hotel limit is 180 EUR per night in Europe.", UNIT, even)
    assert not says_less("Breakfast is paid by the company.", UNIT, even)


@given(st.text(max_size=80))
def test_a_text_says_neither_more_nor_less_than_itself(text: str) -> None:
    assert not says_more(text, text)
    assert not says_less(text, text, lambda _: 1.0)
