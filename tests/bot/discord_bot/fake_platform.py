"""A whole platform behind the port, made of dictionaries, and Kura on the stand-in with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from bot.answers import Answer, Delta, Done, Event, Question, Refused, Searching
from bot.bridge import Bridge
from bot.discord_bot.desk import Desk
from bot.discord_bot.ledger import Ledger
from bot.discord_bot.limits import Limits
from bot.discord_bot.ports import JobView, SourceView, Statistics
from bot.discord_bot.supervise import run_discord
from bot.feedback import Feedback
from bot.settings_discord import DiscordSettings
from retrieval.access import Principal
from retrieval.documents import Hit
from retrieval.errors import NotFound
from retrieval.filters import Filters
from tests.bot.discord_bot.fakes import answer
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.state import PATIENCE_S
from tests.bot.discord_bot.standin.world import GUILD_ID


@dataclass(frozen=True)
class Text:
    """A document, and who may read it."""

    title: str
    address: str
    text: str
    groups: frozenset[str] = frozenset({"all"})


@dataclass
class FakePlatform:
    """Gives every question `answers` (an id of its own each time), or raises it. What may be read, `documents` say."""

    answers: Answer | Exception = field(default_factory=answer)
    documents: dict[str, Text] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)
    views: list[SourceView] = field(default_factory=list)
    figures: Statistics = field(default_factory=lambda: Statistics(30, 0, 0, 0, 0, 0))
    jobs: list[JobView | Exception] = field(default_factory=list)
    """What is told of a job, one after the other; the first at its start."""
    ingest: str = "first"
    forgets: int = 3
    fault: Exception | None = None
    """What everything but `ask` raises."""
    questions: list[Question] = field(default_factory=list)
    searches: list[tuple[str, Principal, Filters]] = field(default_factory=list)
    feedback: dict[tuple[str, str], Feedback] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    """Answers of which nothing can be said."""
    forgotten: list[Principal] = field(default_factory=list)
    reingested: list[tuple[str, Principal]] = field(default_factory=list)
    looked: int = 0
    """How often it was asked whether an ingest has ended."""
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        self.questions.append(question)
        yield Searching(question.text)
        await self.may_answer.wait()
        if isinstance(self.answers, Exception):
            raise self.answers
        made = replace(self.answers, trace_id=f"t{len(self.questions)}", question=question.text)
        yield Delta(made.text)
        yield Refused(made) if made.refused else Done(made)

    async def search(self, text: str, *, principal: Principal, k: int, filters: Filters) -> Sequence[Hit]:
        self._may_fail()
        self.searches.append((text, principal, filters))
        return self.hits[:k]

    async def document(self, document_id: str, *, principal: Principal) -> Text:
        self._may_fail()
        found = self.documents.get(document_id)
        if found is None or found.groups.isdisjoint(principal.groups):
            raise NotFound("There is no such document.")
        return found

    async def sources(self, *, principal: Principal) -> Sequence[SourceView]:
        self._may_fail()
        return self.views

    async def put_feedback(self, answer_id: str, feedback: Feedback, *, principal: Principal) -> None:
        self._may_fail()
        if answer_id in self.gone:
            raise NotFound("There is no such answer.")
        self.feedback[answer_id, principal.id] = feedback

    async def remove_feedback(self, answer_id: str, *, principal: Principal) -> None:
        self._may_fail()
        if answer_id in self.gone:
            raise NotFound("There is no such answer.")
        self.feedback.pop((answer_id, principal.id), None)

    async def forget(self, *, principal: Principal) -> int:
        self._may_fail()
        self.forgotten.append(principal)
        return self.forgets

    async def statistics(self, days: int) -> Statistics:
        self._may_fail()
        return replace(self.figures, days=days)

    async def status(self) -> Sequence[str]:
        self._may_fail()
        return ["2 documents in 1 source.", "The model *starter* is loaded."]

    async def reingest(self, source: str, *, by: Principal) -> JobView:
        self._may_fail()
        self.reingested.append((source, by))
        return self._job()

    async def job(self, job_id: str) -> JobView:
        return self._job()

    async def last_ingest(self) -> str:
        self.looked += 1
        self._may_fail()
        return self.ingest

    def _job(self) -> JobView:
        told = self.jobs.pop(0)
        if isinstance(told, Exception):
            raise told
        return told

    def _may_fail(self) -> None:
        if self.fault is not None:
            raise self.fault


def a_source(name: str = "handbook") -> SourceView:
    return SourceView(name, 12, datetime(2026, 3, 1, tzinfo=UTC))


def a_desk(
    platform: FakePlatform, folder: Path, settings: DiscordSettings | None = None, *, per_minute: int = 1_000
) -> Desk:
    """A desk of the one guild; its ledger and bridge are closed by `on_discord`."""
    return Desk(
        platform,
        settings or DiscordSettings(guilds=(GUILD_ID,), recall_days=0),
        Ledger(folder),
        Bridge(),
        Limits(per_minute, per_minute),
    )


async def until(holds: Callable[[], object]) -> None:
    """Wait for what nothing on the stand-in tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - a ledger has no event to wait for
            await asyncio.sleep(0.01)


@asynccontextmanager
async def on_discord(stand_in: StandIn, desk: Desk) -> AsyncIterator[None]:
    """The supervised client with its commands, for the length of a `with`."""
    running = asyncio.create_task(run_discord(desk, stand_in.state.token, first_wait_s=0.01))
    try:
        await stand_in.connected()
        await stand_in.until(lambda: stand_in.state.commands)
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        desk.bridge.close()
        desk.ledger.close()
