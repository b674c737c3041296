from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler

from bot.assistant import Assistant
from bot.prompt_files import ANSWER, shipped
from bot.prompt_watch import PromptWatch
from models.fakes import ScriptedChat
from tests.bot.conftest import answer_of

HOTEL = "What is the hotel limit per night in Europe?"


def test_it_sees_the_passages_and_the_text_before_it_was_checked(make_assistant: Callable[..., Assistant]) -> None:
    watch = PromptWatch()
    written = "Nobody knows. The hotel limit is 180 EUR per night in Europe. [1]"
    answer = asyncio.run(answer_of(make_assistant(ScriptedChat(answers=[written]), callbacks=(watch,)), HOTEL))
    assert watch.written == written
    assert "Nobody knows" not in answer.text
    assert watch.passages[0].title == "Travel policy"


def test_it_sees_nothing_where_the_model_is_not_asked(make_assistant: Callable[..., Assistant]) -> None:
    watch = PromptWatch()
    asyncio.run(answer_of(make_assistant(callbacks=(watch,)), HOTEL))
    assert (watch.written, watch.passages) == ("", ())


class Metadata(BaseCallbackHandler):
    """Notes the metadata of every run."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_chain_start(self, *_: Any, metadata: dict[str, Any], **__: Any) -> None:
        self.seen.append(metadata)

    on_chat_model_start = on_chain_start


def test_every_step_of_a_trace_names_the_prompt_and_the_quote_style_has_none(
    make_assistant: Callable[..., Assistant],
) -> None:
    said = ScriptedChat(answers=["The hotel limit is 180 EUR per night in Europe. [1]"])
    for chat, version in ((said, shipped()[ANSWER].version), (None, "")):
        noted = Metadata()
        answer = asyncio.run(answer_of(make_assistant(chat, callbacks=(noted,)), HOTEL))
        assert answer.prompt == version
        assert {one["prompt"] for one in noted.seen} == {version}
        assert len(noted.seen) >= 3
