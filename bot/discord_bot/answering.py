"""One question from Discord: acknowledged, asked, answered. Knows neither discord.py nor how an answer is found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

import structlog

from bot.answers import Answer, Done, Event, Question, Refused
from bot.discord_bot.rendering import render, render_sentence
from bot.discord_bot.words import words
from bot.errors import BotError, explain
from retrieval.language import language

_log = structlog.get_logger(__name__)

_STOPPING = "Kura is being stopped and could not finish this answer: please ask again in a minute."

_GOODBYE_S = 2.0
"""How long a stopping bot tries to say so before it goes."""


class Answering(Protocol):
    """What answers: `bot.assistant.Assistant`, or a script in its place."""

    def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        """The events of one answer; closing the generator gives the model free."""


class Reply(Protocol):
    """Where the answer to one question appears."""

    async def acknowledge(self) -> None:
        """Show at once that the question was heard."""

    async def finish(self, pieces: list[str]) -> None:
        """Put the pieces, in order, in the acknowledgement's place and below it."""


async def answer_question(question: Question, *, assistant: Answering, reply: Reply) -> None:
    """Answer `question` on `reply`; a failure to find the answer is told as one sentence.

    Raises whatever `reply` raises: then nobody can be told.
    """
    try:
        await reply.acknowledge()
        pieces = await _pieces(question, assistant)
    except asyncio.CancelledError:
        async with asyncio.timeout(_GOODBYE_S):
            await reply.finish(render_sentence(_STOPPING))
        raise
    await reply.finish(pieces)


async def _pieces(question: Question, assistant: Answering) -> list[str]:
    try:
        answer = await _final_answer(question, assistant)
        return render(answer, words(language(answer.question))).pieces
    except Exception as error:  # noqa: BLE001 - whatever it was, somebody is waiting to hear of it
        explained = explain(error)
        if explained.known:
            _log.warning("A question from Discord was not answered.", question_id=question.id, reason=str(error))
        else:
            _log.exception("A question from Discord was not answered.", question_id=question.id)
        return render_sentence(explained.public)


async def _final_answer(question: Question, assistant: Answering) -> Answer:
    answer: Answer | None = None
    async with aclosing(assistant.ask(question)) as events:
        async for event in events:  # to the end: the assistant may have something to put away after its answer
            if isinstance(event, (Done, Refused)):
                answer = event.answer
    if answer is None:
        raise BotError("The assistant stopped without an answer: please ask again.")
    return answer
