"""Kura's own words in answers, in the language of the question. Knows no front end."""

from __future__ import annotations

from collections.abc import Sequence

from bot.answers import Nearest
from retrieval.language import language


def refusal(question: str, nearest: Sequence[Nearest]) -> str:
    """Says that the documents do not hold the answer, and which came near."""
    if language(question) == "ja":
        said = "社内文書には、この質問への答えが見つかりませんでした。"
        return said + ("近い文書: " + "、".join(f"「{one.title}」" for one in nearest) if nearest else "")
    said = "The documents do not answer this question."
    return said + (" Nearest: " + "; ".join(one.title for one in nearest) + "." if nearest else "")


def changed(question: str) -> str:
    """Says of a citation that its document is not what it was when it was read."""
    return "読み込み後に変更されています" if language(question) == "ja" else "the file has changed since it was read"
