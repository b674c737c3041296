from __future__ import annotations

import asyncio

import pytest

from bot.answers import Question, Searching
from bot.fakes import HOLD, ScriptedAssistant, ScriptedDocument
from retrieval.access import Principal
from retrieval.errors import NotFound

SOMEBODY = Principal("somebody", frozenset({"all"}))
QUESTION = Question("q", "Where?", SOMEBODY)
DOCUMENT = ScriptedDocument("d1", "Pay", "pay.md", "en", "Paid on the 25th.")


def test_a_script_is_played_held_and_raised() -> None:
    async def play() -> None:
        assistant = ScriptedAssistant([Searching("where"), HOLD, LookupError("gone")])
        events = assistant.ask(QUESTION)
        assert await anext(events) == Searching("where")
        held = asyncio.ensure_future(anext(events))
        await assistant.holding.wait()
        assert not held.done()
        assert not assistant.closed.is_set()
        assistant.release()
        with pytest.raises(LookupError):
            await held
        assert assistant.closed.is_set()
        assert assistant.questions == [QUESTION]

    asyncio.run(play())


def test_what_may_not_be_read_looks_like_what_is_not_there() -> None:
    assistant = ScriptedAssistant(documents={DOCUMENT: frozenset({"hr"})})
    sentences = []
    for document_id in ("d1", "d2"):
        with pytest.raises(NotFound) as raised:
            asyncio.run(assistant.document(document_id, principal=SOMEBODY))
        sentences.append(str(raised.value).replace(document_id, "…"))
    assert sentences[0] == sentences[1]
    hr = Principal("hanako", frozenset({"hr"}))
    assert asyncio.run(assistant.document("d1", principal=hr)) == DOCUMENT
