from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.counterparts import replaced

HOTEL = "What is the hotel limit in Bergen for one night?"


@pytest.mark.parametrize(
    ("before", "fragment", "made"),
    [
        (HOTEL, "in Oslo", "What is the hotel limit in Oslo for one night?"),
        (HOTEL, "Oslo", "What is the hotel limit in Oslo for one night?"),
        (HOTEL, "for two weeks", "What is the hotel limit in Bergen for two weeks?"),
        (HOTEL, "for South Korea", "What is the hotel limit in South Korea for one night?"),
        ("My VPN says V-17. What is V-17?", "V-22", "My VPN says V-22. What is V-22?"),
        ("How fast is an S1 answered on call?", "for S2", "How fast is an S2 answered on call?"),
        ("When was release 6.1 out?", "6.2", "When was release 6.2 out?"),
        ("What was the revenue in 2024?", "2025", "What was the revenue in 2025?"),
        ("What do I get after 10 years?", "15 years", "What do I get after 15 years?"),
        ("Who works on Monday?", "Friday", "Who works on Friday?"),
        ("How many seats has the room Awaji?", "the room Seto", "How many seats has the room Seto?"),
        ("30万円の机は誰が決裁しますか。", "60万円", "60万円の机は誰が決裁しますか。"),
        ("2024年の休日は何日ですか。", "2025年", "2025年の休日は何日ですか。"),
        ("カレーはいくらですか。", "ラーメン", "ラーメンはいくらですか。"),
        ("ゴミの日は火曜日ですか。", "木曜日", "ゴミの日は木曜日ですか。"),
    ],
)
def test_what_a_fragment_names_takes_the_place_of_its_counterpart(before: str, fragment: str, made: str) -> None:
    found = replaced(before, fragment)
    assert found is not None
    assert found == (made, fragment)


@pytest.mark.parametrize(
    ("before", "fragment", "made", "new"),
    [
        (
            "How many days do I have in Japan?",
            "not in Japan, in Norway",
            "How many days do I have in Norway?",
            "in Norway",
        ),
        ("How many days do I have in Japan?", "not Japan but Norway", "How many days do I have in Norway?", "Norway"),
        ("How many days do I have in Japan?", "Norway, not Japan", "How many days do I have in Norway?", "Norway"),
        ("2024年の休日は何日ですか。", "2024年ではなく2025年", "2025年の休日は何日ですか。", "2025年"),
        ("課長の日当は？", "課長じゃなくて部長", "部長の日当は？", "部長"),
    ],
)
def test_a_correction_may_say_what_it_replaces(before: str, fragment: str, made: str, new: str) -> None:
    assert replaced(before, fragment) == (made, new)


def test_japanese_places_and_cases_are_told_by_their_particle() -> None:
    drill = "津波警報が出たとき坂出ではどこへ逃げますか。"
    assert replaced(drill, "東京", "では") == ("津波警報が出たとき東京ではどこへ逃げますか。", "東京")
    assert replaced(drill, "地震", "とき") == ("地震のとき坂出ではどこへ逃げますか。", "地震")
    assert replaced(drill, "部長", "は") is None


@pytest.mark.parametrize(
    ("before", "fragment"),
    [
        ("What does the Harbour plan of Tideboard cost?", "Ocean"),  # for which of the two names?
        (HOTEL, "managers"),
        (HOTEL, "with breakfast"),
        (HOTEL, "2025"),
        ("Who approves 10 days or 20 days?", "15 days"),
        ("When does it begin?", "in Oslo"),
    ],
)
def test_where_the_counterpart_cannot_be_told_nothing_is_replaced(before: str, fragment: str) -> None:
    assert replaced(before, fragment) is None


@given(st.text(max_size=60), st.text(max_size=30), st.sampled_from(["", "では", "とき", "は"]))
def test_a_replacement_holds_what_is_new_whatever_is_said(before: str, fragment: str, ending: str) -> None:
    if found := replaced(before, fragment, ending):
        assert found.new in fragment
        assert found.question != before
