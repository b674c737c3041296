from __future__ import annotations

import pytest

from retrieval.blocks import blocks, is_piece


def cut(text: str) -> list[str]:
    return [text[block.start : block.end] for block in blocks(text)]


def test_lists_tables_and_code_are_blocks_and_prose_is_none() -> None:
    text = "Some prose.\n\n- one\n- two\n\nMore prose.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nx = 1\n\ny = 2\n```\nEnd.\n"
    assert cut(text) == ["- one\n- two", "| a | b |\n|---|---|\n| 1 | 2 |", "```\nx = 1\n\ny = 2\n```"]


@pytest.mark.parametrize("colon", [":", "："])
def test_the_sentence_that_leads_in_belongs_to_the_block(colon: str) -> None:
    assert cut(f"Prose.\n\nBring with you{colon}\n\n- a badge\n- a pen") == [
        f"Bring with you{colon}\n\n- a badge\n- a pen"
    ]


def test_what_is_indented_below_an_item_belongs_to_the_list() -> None:
    text = "1. First.\n\n   Detail.\n\n   ```\n   run it\n   ```\n\n2. Second."
    assert cut(f"{text}\n\nProse.") == [text]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1. Open it.", "2. Close it."),
        ("① 開く。", "② 閉じる。"),
        ("（1）開く。", "（2）閉じる。"),
        ("手順1 開く。", "手順2 閉じる。"),
    ],
)
def test_a_procedure_that_goes_on_after_something_else_is_one_block(first: str, second: str) -> None:
    text = f"{first}\n\n```\nopen\n```\n\nA remark.\n\n{second}"
    assert cut(text) == [text]


def test_a_list_that_begins_anew_is_another() -> None:
    assert cut("1. One.\n2. Two.\n\nProse.\n\n1. Other.\n2. Another.") == ["1. One.\n2. Two.", "1. Other.\n2. Another."]


def test_a_fence_that_is_never_closed_ends_with_the_text() -> None:
    assert cut("```\nx\n\ny\n") == ["```\nx\n\ny"]


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("- one\nmore", True),
        ("Prose.\n3. three", True),
        ("| 1 | 2 |", True),
        ("Do this:", True),
        ("次のとおり：", True),
        ("def f():\n    return 1", True),
        ("A sentence. Another.", False),
        ("First paragraph.\n\nSecond - with a dash.", False),
        ("", False),
    ],
)
def test_a_text_looks_like_a_piece_or_does_not(text: str, looks: bool) -> None:
    assert is_piece(text) is looks
