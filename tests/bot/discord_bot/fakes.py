"""What answers in these tests: a script of events, and answers made to measure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from itertools import count

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
from bot.discord_bot.ports import DocumentText, JobView, SourceView, Statistics
from bot.feedback import Feedback
from retrieval.access import Principal
from retrieval.documents import Hit
from retrieval.errors import NotFound
from retrieval.filters import Filters
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


class ScriptedPlatform:
    """Gives every question the same answer, or raises the same error, once `may_answer` is set."""

    def __init__(self, answers: Answer | Exception) -> None:
        self.answers = answers
        self._number = count(1)
        self.questions: list[Question] = []
        self.given_up = 0
        """Questions whose generator was closed before its end."""
        self._asked = asyncio.Condition()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.steps: list[Event] = []
        """What is told before the answer."""
        self.hits: list[Hit] = []
        self.searches: list[tuple[str, Principal]] = []
        self.documents: dict[str, DocumentText] = {}
        self.source_views: list[SourceView] = []
        self.feedback: dict[tuple[str, str], Feedback] = {}
        self.forgotten: list[str] = []
        self.reingested: list[tuple[str, str]] = []
        self.jobs: list[JobView] = [JobView("j1", "done", (("handbook", 3, 3, 0),))]
        self.ingest_mark = ""

    async def has_been_asked(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE_S), self._asked:
            await self._asked.wait_for(lambda: len(self.questions) >= times)

    async def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        self.questions.append(question)
        async with self._asked:
            self._asked.notify_all()
        try:
            yield Searching(question.text)
            for step in self.steps:
                yield step
            await self.may_answer.wait()
            if isinstance(self.answers, Exception):
                raise self.answers
            made = replace(self.answers, trace_id=f"{self.answers.trace_id}-{next(self._number)}")
            yield Delta(made.text)
            yield Refused(made) if made.refused else Done(made)
        except (asyncio.CancelledError, GeneratorExit):
            self.given_up += 1
            raise

    # --- the rest of a platform ---

    async def search(self, text: str, *, principal: Principal, k: int, filters: Filters) -> Sequence[Hit]:
        self.searches.append((text, principal))
        return self.hits[:k]

    async def document(self, document_id: str, *, principal: Principal) -> DocumentText:
        found = self.documents.get(document_id)
        if found is None:
            raise NotFound("There is no such document.")
        return found

    async def sources(self, *, principal: Principal) -> Sequence[SourceView]:
        return self.source_views

    async def put_feedback(self, answer_id: str, feedback: Feedback, *, principal: Principal) -> None:
        self.feedback[answer_id, principal.id] = feedback

    async def remove_feedback(self, answer_id: str, *, principal: Principal) -> None:
        self.feedback.pop((answer_id, principal.id), None)

    async def forget(self, *, principal: Principal) -> int:
        self.forgotten.append(principal.id)
        return 2

    async def statistics(self, days: int) -> Statistics:
        return Statistics(days, 3, 12, 2, 4, 1)

    async def status(self) -> Sequence[str]:
        return ["The index holds 42 documents."]

    async def reingest(self, source: str, *, by: Principal) -> JobView:
        self.reingested.append((source, by.id))
        return self.jobs[0]

    async def job(self, job_id: str) -> JobView:
        return self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0]

    async def last_ingest(self) -> str:
        return self.ingest_mark


class SilentPlatform(ScriptedPlatform):
    """Ends without an answer."""

    def __init__(self) -> None:
        super().__init__(answer())

    async def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        yield Searching(question.text)
