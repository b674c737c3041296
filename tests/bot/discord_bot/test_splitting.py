from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.discord_bot.splitting import LIMIT, split, units

MIXED = st.lists(
    st.sampled_from(
        [
            "経費は月末までに申請してください。",
            "A night costs at most 180 EUR [1]. ",
            "\n\n",
            "\n",
            "- a point\n",
            "| a | b |\n|---|---|\n| 1 | 2 |\n",
            "が゙ｶﾞ",
            "e\u0301",
            "👩\u200d👩\u200d👧",
            "👍🏽",
            "🇯🇵",
            "`some inline code` ",
            "<https://example.com/a/b?c=d>",
            "\\*\\_",
            "x" * 50,
            "「はい！」",
        ]
    ),
    max_size=120,
).map("".join)

FENCES = st.lists(
    st.sampled_from(["print(1)\n", "    if a:\n", "値 = 2\n", "y" * 70 + "\n"]), min_size=1, max_size=40
).map(lambda lines: "\n```python\n" + "".join(lines) + "```\n")


@settings(deadline=None)
@given(MIXED, st.integers(min_value=40, max_value=400))
def test_pieces_fit_and_joined_are_the_text(text: str, limit: int) -> None:
    pieces = split(text, limit)
    assert all(0 < units(piece) <= limit for piece in pieces)
    joined = "".join(pieces)
    assert "".join(joined.split()) == "".join(text.split())
    if not re.search(r"\s{2}", text):  # a piece that would be blank is left out: nobody sees that
        assert joined.strip() == text.strip()


@settings(deadline=None)
@given(MIXED, FENCES, MIXED, st.integers(min_value=150, max_value=600))
def test_a_fence_is_closed_and_opened_again(before: str, fence: str, after: str, limit: int) -> None:
    text = before + fence + after
    pieces = split(text, limit)
    assert all(0 < units(piece) <= limit for piece in pieces)
    assert all(piece.count("```") % 2 == 0 for piece in pieces)
    if units(fence) <= limit - 10:
        assert any(fence.strip() in piece for piece in pieces)
    marks = re.compile(r"```(?:python)?\n?|\s")
    assert marks.sub("", "".join(pieces)) == marks.sub("", text)
    code = [line for line in fence.splitlines() if line and not line.startswith("```")]
    assert [line for piece in pieces for line in _code(piece)] == code


def _code(piece: str) -> list[str]:
    return [line for body in re.findall(r"```python\n(.*?)```", piece, re.DOTALL) for line in body.splitlines() if line]


@settings(deadline=None)
@given(MIXED, st.integers(min_value=60, max_value=400))
def test_what_is_seen_as_one_sign_is_not_torn_apart(text: str, limit: int) -> None:
    for piece in split(text, limit):
        assert not unicodedata.category(piece[0]).startswith("M")
        assert piece[0] not in "\u200dﾞ🏽"
        assert not piece.endswith("\u200d")
        assert len(re.findall("[🇦-🇿]", piece)) % 2 == 0
        assert piece.count("`") % 2 == 0
        assert piece.count("<https") == len(re.findall(r"<https[^\s>]*>", piece))


def test_a_short_text_is_one_piece() -> None:
    assert split("Hello.") == ["Hello."]
    assert split("x" * LIMIT) == ["x" * LIMIT]


def test_blank_text_has_no_pieces() -> None:
    assert split("") == split("\n" * 5_000) == []


def test_the_limit_counts_utf16_units() -> None:
    pieces = split("😀" * 1_500)
    assert [len(piece) for piece in pieces] == [998, 502]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("one two.\n\nthree four five six", ["one two.\n\n", "three four five six"]),
        ("one two three.\nfour five six", ["one two three.\n", "four five six"]),
        ("これは一つ目の文の例です。これは二つ目の文です。", ["これは一つ目の文の例です。", "これは二つ目の文です。"]),
        ("「はいはいはいはい！」と言われたので言わずにおく", ["「はいはいはいはい！」", "と言われたので言わずにおく"]),
        ("One is three. Two is four.", ["One is three. ", "Two is four."]),
    ],
)
def test_cuts_fall_where_a_reader_pauses(text: str, pieces: list[str]) -> None:
    assert split(text, 22) == pieces


def test_a_line_with_no_place_to_cut_is_cut_by_force() -> None:
    assert split("z" * 5_000) == ["z" * 1_996, "z" * 1_996, "z" * 1_008]


def test_a_block_that_fits_a_message_stays_whole() -> None:
    block = "```\n" + "code\n" * 300 + "```"
    assert split("Word. " * 100 + "\n\n" + block)[1] == block
