from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, cast

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage

from bot.generating import AnswerModel, ModelCall, stream
from bot.prompting import NO_BUDGET, Plan, Prompt
from models.engine import Waiting
from models.errors import EngineFailed
from retrieval.access import Principal

SOMEBODY = Principal("somebody", frozenset({"all"}))
PROMPT = Prompt((HumanMessage("x"),), (), 7, Plan(0, 0, 0, 0, NO_BUDGET))


class Chat:
    """Tells its places in the queue, then writes; a fault comes after the words."""

    def __init__(self, places: int, words: list[str], fault: Exception | None = None) -> None:
        self.places = places
        self.words = words
        self.fault = fault
        self.asked: dict[str, Any] = {}
        self.ended = asyncio.Event()
        self.wait_for_ever = False

    async def astream(self, messages: object, config: object, **arguments: Any) -> AsyncIterator[AIMessageChunk]:
        self.asked = arguments
        try:
            for place in range(self.places, 0, -1):
                arguments["on_waiting"](Waiting(place, float(place)))
                await asyncio.sleep(0)
            for word in self.words:
                yield AIMessageChunk(word)
            if self.wait_for_ever:
                await asyncio.sleep(3600)
            if self.fault:
                raise self.fault
        finally:
            self.ended.set()


def model(arguments: Callable[[ModelCall], dict[str, Any]]) -> AnswerModel:
    return AnswerModel("m", "generate", 4096, lambda: cast("BaseChatModel", None), len, arguments)


def streamed(chat: Chat) -> Any:
    chosen = model(lambda call: {"max_tokens": call.max_tokens, "on_waiting": call.on_waiting, "thread": call.thread})
    return stream(chosen, cast("BaseChatModel", chat), PROMPT, {}, SOMEBODY, "t")


async def read(chat: Chat) -> list[str | int]:
    return [item.position if isinstance(item, Waiting) else str(item.content) async for item in streamed(chat)]


def test_places_in_the_queue_come_before_the_words_in_order() -> None:
    async def scenario() -> None:
        chat = Chat(2, ["a", "b"])
        assert await read(chat) == [2, 1, "a", "b"]
        assert (chat.asked["max_tokens"], chat.asked["thread"]) == (7, "t")

    asyncio.run(scenario())


def test_a_fault_comes_after_the_words_that_were_written() -> None:
    async def scenario() -> None:
        items = []
        with pytest.raises(EngineFailed, match="gone"):  # noqa: PT012 - what came before it is looked at
            async for item in streamed(Chat(0, ["a"], EngineFailed("gone"))):
                items.append(item.content)
        assert items == ["a"]

    asyncio.run(scenario())


def test_closing_the_stream_stops_the_model() -> None:
    async def scenario() -> None:
        chat = Chat(0, ["a"])
        chat.wait_for_ever = True
        async with aclosing(streamed(chat)) as items:
            assert (await anext(items)).content == "a"
            assert not chat.ended.is_set()
        assert chat.ended.is_set()

    asyncio.run(scenario())
