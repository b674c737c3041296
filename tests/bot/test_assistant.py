from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from bot.answers import Delta, Done, Question, Refused, Searching, Sources
from bot.assistant import Assistant
from bot.bridge import Bridge
from bot.errors import BadQuestion
from bot.generating import AnswerModel
from bot.questions import MAX_QUESTION
from bot.store import ConversationStore
from ingest.fakes import InlineParser
from ingest.folders import Folders
from ingest.sync import Ingestor
from models.errors import EngineFailed
from models.fakes import ScriptedChat
from retrieval.documents import Hit
from retrieval.errors import NotFound
from retrieval.index import Index
from retrieval.search import Searcher
from tests.bot.conftest import IN_HR, SOMEBODY, answer_of, events_of

Make = Callable[..., Assistant]
HOTEL = "What is the hotel limit per night in Europe?"


def test_a_quote_is_the_documents_text_to_the_character(make_assistant: Make) -> None:
    assistant = make_assistant()
    answer = asyncio.run(answer_of(assistant, HOTEL))
    assert answer.style == "quote"
    assert answer.text.startswith("Travel policy [1]\nThe hotel limit is 180 EUR")
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
    Folders(Ingestor(index, InlineParser())).ingest(docs)
    assert asyncio.run(answer_of(assistant, HOTEL)).refused


# --- what is refused --------------------------------------------------------------------------------------------------


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


def test_the_model_is_loaded_and_tokens_are_counted_off_the_event_loop(index: Index, tmp_path: Path) -> None:
    chat = ScriptedChat(answers=["NOT IN THE DOCUMENTS"])
    steps: list[tuple[str, threading.Thread]] = []

    def noted(step: str, result: Any) -> Any:
        steps.append((step, threading.current_thread()))
        return result

    model = AnswerModel(
        name="scripted",
        style="generate",
        context_length=4096,
        chat=lambda: noted("load", chat),
        count_tokens=lambda text: noted("count", len(text) // 4),
        arguments=lambda _: {},
    )
    store, bridge = ConversationStore(tmp_path / "data"), Bridge()
    assistant = Assistant(searcher=Searcher(index), store=store, bridge=bridge, model=model)
    asyncio.run(answer_of(assistant, HOTEL))
    bridge.close()
    store.close()
    assert [step for step, _ in steps][:2] == ["load", "count"]
    assert threading.main_thread() not in {thread for _, thread in steps}


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
        self.ended: list[Any] = []
        self.failed: list[BaseException] = []

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **kwargs: Any
    ) -> None:
        self.starts.append((kwargs["name"], run_id, parent_run_id))

    def on_chain_end(self, outputs: Any, *, run_id: Any, **kwargs: Any) -> None:
        self.ended.append(run_id)

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        self.failed.append(error)


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
    assert [type(error) for error in recorder.failed] == [EngineFailed]
    assert recorder.starts[0][1] not in recorder.ended


@pytest.mark.parametrize("question", [HOTEL, "What colour is the company's submarine?"])
@pytest.mark.parametrize("generates", [True, False])
def test_who_goes_once_the_answer_is_there_has_seen_the_run_end_well(
    make_assistant: Make, question: str, generates: bool
) -> None:
    recorder = Recorder()
    chat = ScriptedChat(answers=["The hotel limit is 180 EUR per night in Europe [1]."]) if generates else None

    async def take() -> None:
        async with aclosing(
            make_assistant(chat, callbacks=(recorder,)).ask(Question("q", question, SOMEBODY))
        ) as events:
            async for event in events:
                if isinstance(event, Done | Refused):
                    assert recorder.starts[0][1] in recorder.ended
                    break

    asyncio.run(take())
    assert recorder.failed == []
    assert recorder.ended.count(recorder.starts[0][1]) == 1


def test_who_goes_before_the_answer_is_there_has_the_run_end_badly(make_assistant: Make) -> None:
    recorder = Recorder()

    async def leave() -> None:
        async with aclosing(make_assistant(callbacks=(recorder,)).ask(Question("q", HOTEL, SOMEBODY))) as events:
            await anext(events)

    asyncio.run(leave())
    assert [type(error) for error in recorder.failed] == [GeneratorExit]
    assert recorder.starts[0][1] not in recorder.ended


def test_closing_the_events_early_ends_the_run_and_the_next_question_is_answered(make_assistant: Make) -> None:
    recorder = Recorder()
    assistant = make_assistant(callbacks=(recorder,))

    async def close_and_ask() -> bool:
        events = assistant.ask(Question("q", HOTEL, SOMEBODY))
        await anext(events)
        await events.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return (await answer_of(assistant, HOTEL)).refused

    assert not asyncio.run(close_and_ask())
    assert [type(error) for error in recorder.failed] == [GeneratorExit]


# --- whether files are still as they were read ------------------------------------------------------------------------


class ScriptedFreshness:
    """Says of documents, by the end of their address, that their file is gone or changed. Never looks on the event loop."""

    def __init__(self, gone: str = "(none)", changed: str = "(none)") -> None:
        self._gone, self._changed = gone, changed
        self.asked: list[list[str]] = []

    def standing(self, hits: Sequence[Hit]) -> list[Hit]:
        assert threading.current_thread() is not threading.main_thread()
        return [hit for hit in hits if not hit.address.endswith(self._gone)]

    def changed(self, hits: Sequence[Hit]) -> set[str]:
        assert threading.current_thread() is not threading.main_thread()
        self.asked.append([hit.address for hit in hits])
        return {hit.document_id for hit in hits if hit.address.endswith(self._changed)}


def test_a_file_that_is_gone_is_neither_quoted_nor_named(make_assistant: Make) -> None:
    assistant = make_assistant(freshness=ScriptedFreshness(gone="travel.md"))
    events = asyncio.run(events_of(assistant, HOTEL))
    assert isinstance(events[-1], Refused)
    assert "Travel" not in str(events)
    assert all(hit.title != "Travel policy" for hit in asyncio.run(assistant.search(HOTEL, principal=SOMEBODY)))


def test_a_passage_of_a_changed_file_is_marked_in_a_search(make_assistant: Make) -> None:
    freshness = ScriptedFreshness(changed="travel.md")
    hits = asyncio.run(make_assistant(freshness=freshness).search(HOTEL, principal=SOMEBODY))
    assert {hit.title: hit.changed for hit in hits} == {"Travel policy": True, "休暇規程": False}


@pytest.mark.parametrize("prose", ["", "In Europe the hotel limit is 180 EUR per night [1]."])
def test_a_citation_of_a_changed_file_is_marked_in_either_style(make_assistant: Make, prose: str) -> None:
    freshness = ScriptedFreshness(changed="travel.md")
    chat = ScriptedChat(answers=[prose]) if prose else None
    answer = asyncio.run(answer_of(make_assistant(chat, freshness=freshness), HOTEL))
    assert answer.style == ("generate" if prose else "quote")
    assert {citation.changed for citation in answer.citations} == {True}
    (asked,) = freshness.asked
    assert all(address.endswith("travel.md") for address in asked)  # what is not cited is not read


def test_a_citation_of_a_file_as_it_was_read_is_not_marked(make_assistant: Make) -> None:
    answer = asyncio.run(answer_of(make_assistant(freshness=ScriptedFreshness()), HOTEL))
    assert [citation.changed for citation in answer.citations] == [False] * len(answer.citations)
    assert answer.citations
