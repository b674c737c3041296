"""Kura's own words in answers, in the language of the question. Knows no front end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bot.answers import Nearest
from retrieval.filters import NO_FILTERS, Filters
from retrieval.language import language


def refusal(question: str, nearest: Sequence[Nearest], filters: Filters = NO_FILTERS) -> str:
    """Says that the documents do not hold the answer, which came near, and whom to ask about those if that is known.

    Under filters it says that only documents that fit them were searched.
    """
    if language(question) == "ja":
        said = "社内文書には、この質問への答えが見つかりませんでした。"
        said += f"検索したのは {filters} に当てはまる文書だけです。" if filters else ""
        listed = "、".join(f"「{one.title}」" + (f"（{owned(question, one)}）" if one.owner else "") for one in nearest)
        return said + (f"近い文書: {listed}" if nearest else "")
    said = "The documents do not answer this question."
    said += f" Only those that fit {filters} were searched." if filters else ""
    listed = "; ".join(one.title + (f" ({owned(question, one)})" if one.owner else "") for one in nearest)
    return said + (f" Nearest: {listed}." if nearest else "")


def owned(question: str, near: Nearest) -> str:
    """Says whom to ask about a document."""
    return f"担当: {near.owner}" if language(question) == "ja" else f"ask {near.owner}"


def also(question: str, places: Sequence[str]) -> str:
    """Says where else the same stands."""
    return "ほかに: " + "、".join(places) if language(question) == "ja" else "also in: " + ", ".join(places)


def changed(question: str) -> str:
    """Says of a citation that its document is not what it was when it was read."""
    return "読み込み後に変更されています" if language(question) == "ja" else "the file has changed since it was read"


def quoted(text: str, spoken: str) -> str:
    """Text of a document in the quotation marks of its language ("ja", or any other)."""
    return f"「{text}」" if spoken == "ja" else f"“{text}”"


def courtesy(said: str, kind: Literal["thanks", "greeting", "unclear"]) -> str:
    """What is said to thanks, to a greeting, or to a word that asks nothing by itself."""
    japanese = language(said) == "ja"
    if kind == "thanks":
        return "どういたしまして。" if japanese else "You are welcome."
    if kind == "unclear":
        return (
            "何について知りたいのか、文で質問してください。"
            if japanese
            else "What would you like to know? Please ask a whole question."
        )
    if japanese:
        return "こんにちは。社内文書について、知りたいことを質問してください。"
    return "Hello! Ask me what you would like to know from the documents."
