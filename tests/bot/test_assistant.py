from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from bot.answers import Delta, Done, Question, Refused, Searching, Sources
from bot.assistant import MAX_QUESTION, Assistant
from bot.errors import BadQuestion
from ingest.sync import Ingestor
from models.errors import EngineFailed
from models.fakes import ScriptedChat
from retrieval.errors import NotFound
from retrieval.index import Index
from tests.bot.conftest import IN_HR, SOMEBODY, answer_of, events_of

Make = Callable[..., Assistant]
HOTEL = "What is the hotel limit per night in Europe?"


def test_a_quote_is_the_documents_text_to_the_character(make_assistant: Make) -> None:
    assistant = make_assistant()
    answer = asyncio.run(answer_of(assistant, HOTEL))
    assert answer.style == "quote"
    assert "180 EUR" in answer.text
    for citation in answer.citations:
        document = asyncio.run(assistant.document(citation.document_id, principal=SOMEBODY))
        assert document.text[citation.start : citation.end] == citation.quote
        assert f"{citation.quote} [{citation.n}]" in answer.text
        assert document.text.count("\n", 0, citation.start) + 1 == citation.line


def test_the_events_tell_the_way_and_the_deltas_are_the_answer(make_assistant: Make) -> None:
    events = asyncio.run(events_of(make_assistant(), HOTEL))
    assert isinstance(events[0], Searching)
    assert isinstance(events[1], Sources)
    assert isinstance(events[-1], Done)
    assert "".join(event.text for event in events if isinstance(event, Delta)) == events[-1].answer.text
    assert events[-1].answer.timings.total_ms >= events[-1].answer.timings.search_ms > 0


def test_a_japanese_question_is_answered_in_japanese(make_assistant: Make) -> None:
    answer = asyncio.run(answer_of(make_assistant(), "有給休暇は何日付与されますか。"))
    assert "10日" in answer.text


@pytest.mark.parametrize("question", ["What colour is the company's submarine?", "犬を連れて出社できますか。"])
def test_what_the_documents_do_not_say_is_refused(make_assistant: Make, question: str) -> None:
    events = asyncio.run(events_of(make_assistant(), question))
    assert isinstance(events[-1], Refused)
    assert events[-1].answer.citations == ()
    assert events[-1].answer.refused


def test_who_may_not_read_it_is_refused_without_a_trace_of_it(make_assistant: Make) -> None:
    question = "What is the top of the G4 engineer band?"
    allowed = asyncio.run(answer_of(make_assistant(), question, IN_HR))
    assert "9,800,000" in allowed.text
    refused = asyncio.run(answer_of(make_assistant(), question, SOMEBODY))
    assert refused.refused
    assert "Salary" not in str(refused)


def test_a_deleted_document_is_gone_from_the_very_next_answer(make_assistant: Make, docs: Path, index: Index) -> None:
    assistant = make_assistant()
    assert not asyncio.run(answer_of(assistant, HOTEL)).refused
    (docs / "travel.md").unlink()
    Ingestor(index).ingest(docs)
    assert asyncio.run(answer_of(assistant, HOTEL)).refused


def test_a_follow_up_is_understood_in_its_thread_and_nowhere_else(make_assistant: Make) -> None:
    async def talk() -> tuple[str, bool, bool]:
        assistant = make_assistant()
        await answer_of(assistant, HOTEL, thread="t")
        again = await answer_of(assistant, "And what about breakfast there?", thread="t")
        other_thread = await events_of(assistant, "And there?", thread="u")
        other_person = await events_of(assistant, "And there?", IN_HR, thread="t")
        queries = [events[0].query for events in (other_thread, other_person) if isinstance(events[0], Searching)]
        return again.text, queries[0] == "And there?", queries[1] == "And there?"

    text, alone_in_thread, alone_in_person = asyncio.run(talk())
    assert "Breakfast is paid by the company." in text
    assert alone_in_thread
    assert alone_in_person


@pytest.mark.parametrize("text", ["", "  \n\t", "x" * (MAX_QUESTION + 1)])
def test_what_is_no_question_is_refused_before_anything(make_assistant: Make, text: str) -> None:
    with pytest.raises(BadQuestion):
        asyncio.run(events_of(make_assistant(), text))
    with pytest.raises(BadQuestion):
        asyncio.run(make_assistant().search(text, principal=SOMEBODY))


def test_a_hidden_document_cannot_be_opened(make_assistant: Make) -> None:
    assistant = make_assistant()
    hits = asyncio.run(assistant.search("G4 engineer band", principal=IN_HR))
    assert hits[0].title == "Salary bands"
    with pytest.raises(NotFound):
        asyncio.run(assistant.document(hits[0].document_id, principal=SOMEBODY))


# --- generate style --------------------------------------------------------------------------------------------------


def test_prose_keeps_what_a_passage_says_and_drops_the_rest(make_assistant: Make) -> None:
    chat = ScriptedChat(
        answers=[
            "In Europe the hotel limit is 180 EUR per night [1]. The limit in Asia is 300 EUR per night [1]. Enjoy!"
        ]
    )
    events = asyncio.run(events_of(make_assistant(chat), HOTEL))
    done = events[-1]
    assert isinstance(done, Done)
    assert done.answer.style == "generate"
    assert done.answer.text == "In Europe the hotel limit is 180 EUR per night. [1]"
    assert "".join(event.text for event in events if isinstance(event, Delta)) == done.answer.text
    assert done.answer.citations[0].quote == "The hotel limit is 180 EUR per night in Europe."
    assert done.answer.usage.completion_tokens > 0


def test_prose_without_any_support_falls_back_to_the_quote(make_assistant: Make) -> None:
    answer = asyncio.run(
        answer_of(make_assistant(ScriptedChat(answers=["Bananas are yellow and cost 20 EUR."])), HOTEL)
    )
    assert answer.style == "quote"
    assert "180 EUR" in answer.text
    assert "20 EUR" not in answer.text


def test_a_model_that_finds_no_answer_is_believed(make_assistant: Make) -> None:
    answer = asyncio.run(answer_of(make_assistant(ScriptedChat(answers=["NOT IN THE DOCUMENTS"])), HOTEL))
    assert answer.refused


def test_the_model_reads_passages_and_question_as_content(make_assistant: Make) -> None:
    chat = ScriptedChat(answers=["NOT IN THE DOCUMENTS"])
    asyncio.run(answer_of(make_assistant(chat), HOTEL))
    (messages,) = chat.prompts
    assert [message.type for message in messages] == ["system", "human"]
    assert "The hotel limit is 180 EUR" in messages[1].text
    assert "9,800,000" not in messages[1].text
    assert messages[1].text.endswith(HOTEL)


def test_a_model_that_fails_is_said(make_assistant: Make) -> None:
    with pytest.raises(EngineFailed):
        asyncio.run(answer_of(make_assistant(ScriptedChat(answers=[EngineFailed("The model stopped.")])), HOTEL))


def test_who_leaves_in_the_middle_stops_the_model(make_assistant: Make) -> None:
    release = threading.Event()
    chat = ScriptedChat(
        answers=["The hotel limit is 180 EUR per night in Europe [1]. And more. And more."], release=release
    )

    async def leave() -> None:
        asking = asyncio.ensure_future(events_of(make_assistant(chat), HOTEL))
        await asyncio.to_thread(chat.started.wait, 10)
        asking.cancel()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(leave())


# --- what tracing sees -----------------------------------------------------------------------------------------------


class Recorder(BaseCallbackHandler):
    def __init__(self) -> None:
        self.starts: list[tuple[str, Any, Any]] = []
        self.failed = 0

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **kwargs: Any
    ) -> None:
        self.starts.append((kwargs["name"], run_id, parent_run_id))

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        self.failed += 1


def test_callbacks_see_each_step_under_one_run_named_by_the_trace_id(make_assistant: Make) -> None:
    recorder = Recorder()
    answer = asyncio.run(answer_of(make_assistant(callbacks=(recorder,)), HOTEL))
    (root, root_id, parent), *steps = recorder.starts
    assert (root, root_id.hex, parent) == ("kura.ask", answer.trace_id, None)
    assert [(name, parent) for name, _, parent in steps] == [("recall", root_id), ("search and weigh", root_id)]


def test_callbacks_see_a_fault(make_assistant: Make) -> None:
    recorder = Recorder()
    chat = ScriptedChat(answers=[EngineFailed("The model stopped.")])
    with pytest.raises(EngineFailed):
        asyncio.run(answer_of(make_assistant(chat, callbacks=(recorder,)), HOTEL))
    assert recorder.failed


def test_closing_the_events_early_leaves_nothing_running(make_assistant: Make) -> None:
    async def close() -> None:
        events = make_assistant().ask(Question("q", HOTEL, SOMEBODY))
        await anext(events)
        await events.aclose()

    asyncio.run(close())
