"""What answers in these tests: a script of events, and answers made to measure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.answers import (
    Answer,
    Citation,
    Delta,
    Done,
    Event,
    Nearest,
    Question,
    Refused,
    Searching,
    Style,
    Timings,
    Usage,
)
from tests.bot.discord_bot.standin.state import PATIENCE_S

HOTELS = Citation(
    n=1,
    document_id="d1",
    chunk_id="c1",
    title="Travel policy",
    heading=("Hotels", "Limits"),
    address="handbook/travel.md",
    line=12,
    page=None,
    quote="A night costs at most 180 EUR.",
    start=100,
    end=130,
)


def answer(
    text: str = "A night costs at most 180 EUR. [1]",
    *,
    citations: tuple[Citation, ...] = (HOTELS,),
    style: Style = "quote",
    nearest: tuple[Nearest, ...] = (),
) -> Answer:
    return Answer(
        id="a1",
        question="How much may a hotel cost?",
        text=text,
        style=style,
        citations=citations,
        nearest=nearest,
        model="script",
        usage=Usage(),
        timings=Timings(1.0, 2.0, 3.0),
        trace_id="t1",
    )


class ScriptedAssistant:
    """Gives every question the same answer, or raises the same error, once `may_answer` is set."""

    def __init__(self, answers: Answer | Exception) -> None:
        self._answers = answers
        self.questions: list[Question] = []
        self.given_up = 0
        """Questions whose generator was closed before its end."""
        self._asked = asyncio.Condition()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def has_been_asked(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE_S), self._asked:
            await self._asked.wait_for(lambda: len(self.questions) >= times)

    async def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        self.questions.append(question)
        async with self._asked:
            self._asked.notify_all()
        try:
            yield Searching(question.text)
            await self.may_answer.wait()
            if isinstance(self._answers, Exception):
                raise self._answers
            yield Delta(self._answers.text)
            yield Refused(self._answers) if self._answers.refused else Done(self._answers)
        except (asyncio.CancelledError, GeneratorExit):
            self.given_up += 1
            raise


class SilentAssistant:
    """Ends without an answer."""

    async def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        yield Searching(question.text)
