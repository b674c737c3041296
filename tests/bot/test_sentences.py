"""Passages into answer units."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.sentences import units

BLOCKS = (
    *(
        "# Heading\n",
        "A sentence. ",
        "Another one! ",
        "\n",
        "\n\n",
        "- item\n",
        "1. step\n",
        "| a | b |\n",
        "|---|---|\n",
    ),
    *(
        "```sh\n",
        "```\n",
        "経費は一万円です。",
        "「はい。」と言った。",
        "（注。）",
        "e.g. ",
        "Rates:\n",
        "é",
        "e\u0301",
    ),
    *("👩\u200d💻", "===\n", "！\ufe0f"),
)
MARKDOWN = st.lists(st.sampled_from(BLOCKS), max_size=25).map("".join)


def texts(text: str, language: str = "en") -> list[str]:
    return [text[unit.start : unit.end] for unit in units(text, language)]


@given(MARKDOWN | st.text(max_size=120), st.sampled_from(["en", "ja", ""]))
@example("```", "en")
@example("|", "en")
@example("a\n=", "en")
def test_units_are_exact_ascending_trimmed_and_apart(text: str, language: str) -> None:
    found = units(text, language)
    for unit in found:
        piece = text[unit.start : unit.end]
        assert piece == piece.strip()
        assert any(character.isalnum() for character in piece)
        assert not unicodedata.category(piece[0]).startswith("M") or unit.start == 0 or text[unit.start - 1].isspace()
        if unit.context:
            assert 0 <= unit.context[0] < unit.context[1] <= unit.start
    assert all(first.end <= second.start for first, second in pairwise(found))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith left. He was late.", ["Dr. Smith left.", "He was late."]),
        (
            "Use version 10.2.3. It costs 3.50 EUR, i.e. little.",
            ["Use version 10.2.3.", "It costs 3.50 EUR, i.e. little."],
        ),
        ('He said "Go." Then he went.', ['He said "Go."', "Then he went."]),
        ("See Fig. 3 and No. 5. Really? Yes!", ["See Fig. 3 and No. 5.", "Really?", "Yes!"]),
        ("He lives in the U.S. The law is old.", ["He lives in the U.S.", "The law is old."]),
        ("One line\nwithout an end", ["One line", "without an end"]),
    ],
)
def test_english_sentences(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("経費は一万円です。締切は月末。", ["経費は一万円です。", "締切は月末。"]),
        ("彼は「はい。そうです。」と言った。次へ。", ["彼は「はい。そうです。」と言った。", "次へ。"]),
        ("注意（重要。必読。）を読む。終わり", ["注意（重要。必読。）を読む。", "終わり"]),
        ("本当ですか？はい！", ["本当ですか？", "はい！"]),
        ("本当ですか?はい!わかりました", ["本当ですか?", "はい!", "わかりました"]),
        ("「開いたまま。次の文。", ["「開いたまま。", "次の文。"]),
    ],
)
def test_japanese_sentences(text: str, expected: list[str]) -> None:
    assert texts(text, "ja") == expected


def test_wrapped_lines_are_one_sentence() -> None:
    text = "The hotel cap in Bergen is NOK 1,900 for each\nnight, breakfast included, from the first of May\nuntil September."
    assert texts(text) == [text]


def test_lines_with_labels_stand_alone() -> None:
    assert texts("Phone: 087-555-0123 (weekdays, nine to five o'clock)\nFax: 087-555-0124") == [
        "Phone: 087-555-0123 (weekdays, nine to five o'clock)",
        "Fax: 087-555-0124",
    ]


def test_headings_are_no_units() -> None:
    assert texts("# Travel\n\nHotels cost.\n\nTrains\n------\n\nGo by train.") == ["Hotels cost.", "Go by train."]


def test_list_items_come_without_their_marks_and_know_what_leads_in() -> None:
    text = "You need:\n\n- a badge\n- a laptop\n  with a lock\n1. step one"
    found = units(text, "en")
    assert texts(text) == ["You need:", "a badge", "a laptop\n  with a lock", "step one"]
    assert {unit.context for unit in found[1:]} == {(0, 9)}


STEPS = """\
Ask first. To request leave:

1. Open the tool. Then run:

   ```sh
   leave open
   ```

2. Fill in the form

   Mind the dates.
3. Send it

It takes a day.
"""


def test_items_and_what_leads_in_know_the_whole_list() -> None:
    found = units(STEPS, "en")
    whole = STEPS[STEPS.index("To request") : STEPS.index("\n\nIt takes")]
    assert {STEPS[one.listing.start : one.listing.end] for one in found if one.listing} == {whole}
    assert {(one.listing.items, one.listing.ordered) for one in found if one.listing} == {(3, True)}
    assert [STEPS[one.start : one.end] for one in found if not one.listing] == ["Ask first.", "It takes a day."]
    assert [STEPS[slice(*one.context)] for one in found if one.kind == "item" and one.context] == [
        "To request leave:"
    ] * 2


@pytest.mark.parametrize(
    ("text", "ordered"),
    [("- a\n- b", False), ("① 開く\n② 送る", True), ("（1）開く\n（2）送る", True), ("1) a\n2) b", True)],
)
def test_a_list_with_numbers_is_ordered(text: str, ordered: bool) -> None:
    assert [one.listing and one.listing.ordered for one in units(text, "ja")] == [ordered] * 2


def test_an_item_alone_is_no_list() -> None:
    assert [one.listing for one in units("Rates:\n- a\n\n# Next\n\nText.\n- b", "en")] == [None] * 4


@pytest.mark.parametrize(
    "lead",
    [
        "You need the following.",
        "Follow these three steps.",
        "次の手順で申請します。",
        "申請は以下のとおりです。",
        "必要なもの：",
    ],
)
def test_a_sentence_that_announces_what_follows_leads_in(lead: str) -> None:
    text = f"{lead}\n\n- a\n- b"
    assert [one.context for one in units(text, "en")] == [None, (0, len(lead)), (0, len(lead))]


def test_table_rows_know_their_header_and_the_separator_is_none() -> None:
    text = "| Grade | Cap |\n|---|---|\n| G1 | 180 |\n| G2 | 200 |"
    found = units(text, "en")
    assert texts(text) == ["| G1 | 180 |", "| G2 | 200 |"]
    assert [text[slice(*unit.context)] for unit in found if unit.context] == ["| Grade | Cap |"] * 2


def test_rows_without_a_header_are_units() -> None:
    assert texts("| G1 | 180 |\n| G2 | 200 |") == ["| G1 | 180 |", "| G2 | 200 |"]


def test_code_is_one_unit_with_the_sentence_that_leads_in() -> None:
    text = "Wait first. Then run:\n\n```sh\nkura serve. Now\n\nkura status\n```\nDone."
    found = units(text, "en")
    assert texts(text) == ["Wait first.", "```sh\nkura serve. Now\n\nkura status\n```", "Done."]
    assert found[1].context is not None
    assert text[slice(*found[1].context)] == "Then run:"


def test_code_that_never_closes_ends_with_the_text() -> None:
    assert texts("```\nkura serve") == ["```\nkura serve"]


def test_a_row_of_empty_cells_is_read_in_no_time() -> None:
    text = "| a | b |\n" + "|   " * 200 + "x"
    assert len(units(text, "en")) == 2
