"""Where one sentence ends and the next begins."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sentence_ends import sentence_ranges


def sentences(text: str, language: str = "en") -> list[str]:
    return [text[start:end] for start, end in sentence_ranges(text, 0, len(text), language)]


PIECES = st.sampled_from(
    ["A b. ", "c? ", "Dr. ", "e.g. ", "(f. ", "g) ", "\n", "\u0301", "経費です。", "「はい。」", "と", "！", "3.5", "…"]
)


@given(st.lists(PIECES, max_size=20).map("".join), st.sampled_from(["en", "ja"]))
def test_nothing_but_space_is_lost_and_nothing_is_said_twice(text: str, language: str) -> None:
    ranges = list(sentence_ranges(text, 0, len(text), language))
    assert all(first[1] <= second[0] for first, second in pairwise(ranges))
    assert "".join("".join(text[start:end] for start, end in ranges).split()) == "".join(text.split())
    assert all(text[start:end] == text[start:end].strip() for start, end in ranges)


def test_ranges_count_in_the_whole_text_and_stay_in_their_paragraph() -> None:
    text = "Before. One. Two. After."
    found = list(sentence_ranges(text, 8, 17, "en"))
    assert [text[start:end] for start, end in found] == ["One.", "Two."]
    assert found == [(8, 12), (13, 17)]


@pytest.mark.parametrize(
    "text",
    [
        "Prof. Mori and Dr. Sato met.",
        "It costs 3.50 EUR.",
        "Read config.yaml first.",
        "Sign here, e.g. in ink.",
        "See No. 5 of the list.",
        "J. R. Smith signed.",
        "The note (see below. It is long.) is here.",
        "He waited... and left.",
        'Mori asked "Why?" and left.',
        '"Is it open?" Dr. Mori asked.',
        "The firm (Yahoo!) Japan knows it.",
    ],
)
def test_a_full_stop_that_ends_nothing(text: str) -> None:
    assert sentences(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is no. Then go.", ["The answer is no.", "Then go."]),
        ("We moved to the U.S. The rest stayed.", ["We moved to the U.S.", "The rest stayed."]),
        ("Is it? Yes! Good.", ["Is it?", "Yes!", "Good."]),
        ('She said "Stop." He stopped.', ['She said "Stop."', "He stopped."]),
        ("It holds. (It is not new.) Nobody objects.", ["It holds.", "(It is not new.)", "Nobody objects."]),
        ("Ask first (the desk is on floor 2.) Then go.", ["Ask first (the desk is on floor 2.)", "Then go."]),
        ("“Stop.” He stopped.", ["“Stop.”", "He stopped."]),
        ("An open (bracket here. It never closes.", ["An open (bracket here.", "It never closes."]),
    ],
)
def test_a_full_stop_that_ends_a_sentence(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_a_bracket_whose_other_half_is_far_away_hides_no_end() -> None:
    text = "Open (here. " + "Word word. " * 60 + "closed) now."
    assert len(sentences(text)) > 50


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("申請します。承認されます。", ["申請します。", "承認されます。"]),
        ("「申請します。」と言った。", ["「申請します。」と言った。"]),
        ("「申請します。」、そして帰った。", ["「申請します。」、そして帰った。"]),
        ("「申請します。」次に承認を待つ。", ["「申請します。」", "次に承認を待つ。"]),
        ("社長は「来月から始めます。」しかし準備はまだだ。", ["社長は「来月から始めます。」", "しかし準備はまだだ。"]),
        (
            "届け出る（休日は除きます。ご注意ください。）受付は一階。",
            ["届け出る（休日は除きます。ご注意ください。）", "受付は一階。"],
        ),
        ("提出する。（郵送でもよい。）締切は月末。", ["提出する。", "（郵送でもよい。）", "締切は月末。"]),
        (
            "提出する（郵送でもよいものとする。）。締切は月末。",
            ["提出する（郵送でもよいものとする。）。", "締切は月末。"],
        ),
        ("彼は「モーニング娘。」メンバーに会った。", ["彼は「モーニング娘。」メンバーに会った。"]),
        ("「わかりました。」が口癖だ。", ["「わかりました。」が口癖だ。"]),
        ("はい!わかりました", ["はい!", "わかりました"]),
        ("本当？！はい。", ["本当？！", "はい。"]),
    ],
)
def test_japanese_ends(text: str, expected: list[str]) -> None:
    assert sentences(text, "ja") == expected


def test_a_half_width_mark_before_a_wide_character_ends_a_sentence_in_japanese_alone() -> None:
    assert sentences("はい!わかりました", "en") == ["はい!わかりました"]


def test_a_variation_mark_belongs_to_what_stands_before_it() -> None:
    assert sentences("本当！\ufe0f次へ。", "ja") == ["本当！\ufe0f", "次へ。"]


WRAPPED = "The hotel cap is 1,900 kroner for each and every\nnight, breakfast included, from the first of May until\nSeptember."


def test_wrapped_lines_go_on_and_written_lines_stand_alone() -> None:
    assert sentences(WRAPPED) == [WRAPPED]
    assert sentences("Teshima\nNaoshima\nInujima") == ["Teshima", "Naoshima", "Inujima"]


def test_a_line_with_a_label_begins_anew_but_a_web_address_is_no_label() -> None:
    first = "The desk on the second floor is open from nine to five on"
    assert sentences(f"{first}\nPhone: 087-555-0123") == [first, "Phone: 087-555-0123"]
    assert len(sentences(f"{first}\nhttps://kura.example/desk/on/the/second/floor")) == 1
