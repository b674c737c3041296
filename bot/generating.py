"""The model that answers, as the assistant sees it, and its stream with news of the queue in between. Knows no vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableConfig

from bot.answers import Style
from bot.prompt_files import ANSWER, shipped
from bot.prompting import NO_BUDGET, Budget, Prompt, SystemPrompt
from models.engine import EngineState, Waiting
from retrieval.access import Principal


@dataclass(frozen=True, slots=True)
class ModelCall:
    """Who asks, in which thread, for how many tokens at most; `on_waiting` hears of the place in the queue."""

    principal: Principal
    thread: str
    max_tokens: int
    on_waiting: Callable[[Waiting], object]


@dataclass(frozen=True, slots=True)
class AnswerModel:
    """The model that answers. `chat` opens it at first use: the quote style never needs it."""

    name: str
    style: Style
    context_length: int
    chat: Callable[[], BaseChatModel]
    count_tokens: Callable[[str], int]
    arguments: Callable[[ModelCall], dict[str, Any]]
    """What to hand to each call of the model."""
    budget: Callable[[], Budget] = lambda: NO_BUDGET
    """How much of a prompt is read before the first word is due."""
    state: Callable[[], EngineState | None] = lambda: None
    """What its engine is doing, for monitoring."""
    system: SystemPrompt = field(default_factory=lambda: shipped()[ANSWER].system)
    """What it is told first."""

    @property
    def prompt_version(self) -> str:
        """The version of its prompt; empty in the quote style, which has none."""
        return self.system.version if self.style == "generate" else ""


async def stream(
    model: AnswerModel, chat: BaseChatModel, prompt: Prompt, config: RunnableConfig, principal: Principal, thread: str
) -> AsyncGenerator[AIMessageChunk | Waiting, None]:
    """The pieces of an answer, after its places in the queue while it waits. Closing it stops the model."""
    news: asyncio.Queue[AIMessageChunk | Waiting | None] = asyncio.Queue()
    arguments = model.arguments(ModelCall(principal, thread, prompt.max_tokens, news.put_nowait))

    async def run() -> None:
        try:
            async for chunk in chat.astream(list(prompt.messages), config, **arguments):
                news.put_nowait(chunk)
        finally:
            news.put_nowait(None)

    running = asyncio.create_task(run())
    try:
        while (item := await news.get()) is not None:
            yield item
        await running  # raises what the model raised
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
