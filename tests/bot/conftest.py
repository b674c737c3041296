"""A whole Kura in a folder of its own: real parts, small documents, the scripted chat model where prose is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.answers import Answer, Done, Event, Question, Refused
from bot.assistant import Assistant
from bot.bridge import Bridge
from bot.generating import AnswerModel
from bot.standing import Freshness
from bot.store import ConversationStore
from ingest.fakes import InlineParser
from ingest.folders import Folders
from ingest.sync import Ingestor
from models.fakes import HashingEmbeddings, ScriptedChat
from retrieval.access import EVERYBODY, Principal, Readers
from retrieval.index import Index
from retrieval.search import Searcher

SOMEBODY = Principal("somebody", frozenset({EVERYBODY}))
IN_HR = Principal("mori", frozenset({EVERYBODY, "hr"}))

TRAVEL = """\
# Travel policy

## Hotels

The hotel limit is 180 EUR per night in Europe. Breakfast is paid by the company.

## Trains

Trains are booked in second class. First class needs the approval of the head of department.
"""
LEAVE = """\
# 休暇規程

## 年次有給休暇

年次有給休暇は入社半年後に10日付与します。申請は3日前までに上長へ提出してください。
"""
PAY = """\
# Salary bands

## Engineers

The top of the G4 engineer band is 9,800,000 yen.
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "people").mkdir(parents=True)
    (folder / "travel.md").write_text(TRAVEL, encoding="utf-8")
    (folder / "休暇.md").write_text(LEAVE, encoding="utf-8")
    (folder / "people" / "pay.md").write_text(PAY, encoding="utf-8")
    return folder


@pytest.fixture
def index(tmp_path: Path, docs: Path) -> Iterator[Index]:
    (tmp_path / "data").mkdir()
    opened = Index(tmp_path / "data", HashingEmbeddings())
    folders = Folders(Ingestor(opened, InlineParser()))
    folders.ingest(docs / "people", readers=Readers(frozenset({"hr"})))
    folders.ingest(docs)
    yield opened
    opened.close()


@pytest.fixture
def make_assistant(index: Index, tmp_path: Path) -> Iterator[Callable[..., Assistant]]:
    """Make an assistant: in quote style, or with `chat` in generate style."""
    store, bridge = ConversationStore(tmp_path / "data"), Bridge()

    def make(
        chat: ScriptedChat | None = None,
        context_length: int = 4096,
        callbacks: tuple[object, ...] = (),
        freshness: Freshness | None = None,
        **more: Any,
    ) -> Assistant:
        def no_chat() -> ScriptedChat:
            raise AssertionError("the quote style ran the model")

        model = AnswerModel(
            name="scripted",
            style="generate" if chat else "quote",
            context_length=context_length,
            chat=(lambda: chat) if chat else no_chat,
            count_tokens=lambda text: len(text.split()) + len(text) // 4,
            arguments=lambda _: {},
        )
        return Assistant(
            searcher=Searcher(index),
            store=store,
            bridge=bridge,
            model=model,
            callbacks=callbacks,  # type: ignore[arg-type]
            freshness=freshness,
            **more,
        )

    yield make
    bridge.close()
    store.close()


async def events_of(assistant: Assistant, text: str, principal: Principal = SOMEBODY, thread: str = "") -> list[Event]:
    return [event async for event in assistant.ask(Question("q1", text, principal, thread))]


async def answer_of(assistant: Assistant, text: str, principal: Principal = SOMEBODY, thread: str = "") -> Answer:
    last = (await events_of(assistant, text, principal, thread))[-1]
    assert isinstance(last, Done | Refused)
    return last.answer
