"""A platform whose documents only some may read, and which fails on demand; and Kura on the stand-in with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bot.answers import Answer
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
from tests.bot.discord_bot.fakes import ScriptedPlatform, answer
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


class FakePlatform(ScriptedPlatform):
    """What is in `documents` may be read by their groups; all but answers can fail, and a job goes on as it is told to."""

    def __init__(
        self,
        answers: Answer | Exception | None = None,
        *,
        documents: dict[str, Text] | None = None,
        hits: Sequence[Hit] = (),
        views: Sequence[SourceView] = (),
        jobs: Sequence[JobView | Exception] = (),
        fault: Exception | None = None,
    ) -> None:
        super().__init__(answers or answer())
        self.texts = documents or {}
        self.hits = list(hits)
        self.source_views = list(views)
        self.told_of_job = list(jobs)
        self.figures = Statistics(30, 0, 0, 0, 0, 0)
        self.fault = fault
        self.gone: set[str] = set()
        """Answers of which nothing can be said."""
        self.filters: list[Filters] = []
        """Of the searches."""
        self.looked = 0
        """How often it was asked whether an ingest has ended."""

    async def search(self, text: str, *, principal: Principal, k: int, filters: Filters) -> Sequence[Hit]:
        self._may_fail()
        self.filters.append(filters)
        return await super().search(text, principal=principal, k=k, filters=filters)

    async def document(self, document_id: str, *, principal: Principal) -> Text:
        self._may_fail()
        found = self.texts.get(document_id)
        if found is None or found.groups.isdisjoint(principal.groups):
            raise NotFound("There is no such document.")
        return found

    async def put_feedback(self, answer_id: str, feedback: Feedback, *, principal: Principal) -> None:
        self._may_fail(answer_id)
        await super().put_feedback(answer_id, feedback, principal=principal)

    async def remove_feedback(self, answer_id: str, *, principal: Principal) -> None:
        self._may_fail(answer_id)
        await super().remove_feedback(answer_id, principal=principal)

    async def forget(self, *, principal: Principal) -> int:
        self._may_fail()
        return await super().forget(principal=principal)

    async def statistics(self, days: int) -> Statistics:
        return replace(self.figures, days=days)

    async def status(self) -> Sequence[str]:
        return ["2 documents in 1 source.", "The model *starter* is loaded."]

    async def reingest(self, source: str, *, by: Principal) -> JobView:
        self._may_fail()
        self.reingested.append((source, by.id))
        return await self.job("")

    async def job(self, job_id: str) -> JobView:
        told = self.told_of_job.pop(0)
        if isinstance(told, Exception):
            raise told
        return told

    async def last_ingest(self) -> str:
        self.looked += 1
        self._may_fail()
        return self.ingest_mark

    def _may_fail(self, answer_id: str = "") -> None:
        if self.fault is not None:
            raise self.fault
        if answer_id in self.gone:
            raise NotFound("There is no such answer.")


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
