from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from bot.answers import Answer, Done, Question, Refused, Searching
from bot.assistant import Assistant
from bot.errors import BadQuestion
from bot.questions import MAX_QUESTION, read_question
from bot.store import ConversationStore
from retrieval.errors import BadFilter
from retrieval.filters import NO_FILTERS, Filters
from tests.bot.conftest import SOMEBODY, events_of

Make = Callable[..., Assistant]
HOTEL = "What is the hotel limit per night in Europe?"
DOCS, ELSEWHERE = Filters(frozenset({"docs"})), Filters(frozenset({"elsewhere"}))


class Heard(BaseCallbackHandler):
    """What a trace is told of each question."""

    def __init__(self) -> None:
        self.inputs: list[Any] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **more: Any) -> None:
        if more.get("parent_run_id") is None:
            self.inputs.append(inputs)


def answered(assistant: Assistant, text: str, filters: Filters = NO_FILTERS, thread: str = "") -> Answer:
    async def last() -> Answer:
        question = Question("q1", text, SOMEBODY, thread, filters=filters)
        (end,) = [event async for event in assistant.ask(question) if isinstance(event, (Done, Refused))]
        return end.answer

    return asyncio.run(last())


def test_filters_given_beside_a_question_are_added_to_those_in_it() -> None:
    assert read_question("leave lang:ja", Filters(frozenset({"hr"}), after=date(2025, 1, 1))) == (
        "leave",
        Filters(frozenset({"hr"}), frozenset({"ja"}), date(2025, 1, 1)),
    )


@pytest.mark.parametrize("text", ["", "  \n", "x" * (MAX_QUESTION + 1), "source:docs", " lang:ja after:2025 "])
def test_what_asks_nothing_is_no_question(text: str) -> None:
    with pytest.raises(BadQuestion):
        read_question(text)


def test_a_question_is_answered_from_what_fits_its_filters_alone(make_assistant: Make) -> None:
    assistant = make_assistant()
    for text, filters in ((f"{HOTEL} source:docs lang:en", NO_FILTERS), (HOTEL, DOCS)):
        answer = answered(assistant, text, filters)
        assert (answer.question, answer.style) == (HOTEL, "quote")
        assert "180 EUR" in answer.text
        assert answer.citations[0].dated is not None
    for text, filters in ((f"{HOTEL} source:elsewhere", NO_FILTERS), (HOTEL, ELSEWHERE)):
        refused = answered(assistant, text, filters)
        assert (refused.question, refused.style) == (HOTEL, "refusal")
        assert "Only those that fit source:elsewhere were searched." in refused.text


def test_a_refusal_under_filters_says_so_in_japanese(make_assistant: Make) -> None:
    refused = answered(make_assistant(), "有給休暇は何日付与されますか。 source:elsewhere")
    assert "検索したのは source:elsewhere に当てはまる文書だけです。" in refused.text


def test_filters_are_told_to_who_watches_and_kept_out_of_what_is_searched_for(make_assistant: Make) -> None:
    heard = Heard()
    assistant = make_assistant(callbacks=(heard,))
    events = asyncio.run(events_of(assistant, f"source:docs {HOTEL}"))
    assert events[0] == Searching(HOTEL, DOCS)
    assert heard.inputs == [{"question": HOTEL, "filters": "source:docs"}]
    asyncio.run(events_of(assistant, HOTEL))
    assert heard.inputs[1:] == [{"question": HOTEL}]


def test_history_keeps_a_question_without_its_filters(make_assistant: Make, tmp_path: Path) -> None:
    answered(make_assistant(), f"{HOTEL} source:docs", thread="t")
    store = ConversationStore(tmp_path / "data")
    assert [turn.question for turn in store.history("t", principal=SOMEBODY)] == [HOTEL]
    store.close()


def test_a_search_takes_filters_like_a_question(make_assistant: Make) -> None:
    assistant = make_assistant()

    def titles(text: str, filters: Filters = NO_FILTERS) -> list[str]:
        return [hit.title for hit in asyncio.run(assistant.search(text, principal=SOMEBODY, filters=filters))]

    assert titles("hotel limit", Filters(languages=frozenset({"ja"}))) == ["休暇規程"]
    assert titles("hotel limit lang:ja") == ["休暇規程"]
    assert titles("hotel limit", ELSEWHERE) == []
    with pytest.raises(BadFilter):
        titles("hotel limit after:2025-02-30")
