"""How a running Kura stands, in sentences for whoever looks after it, which name no document, source or setting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from bot.errors import BotError, explain
from bot.jobs import IngestJobs
from bot.reporting import ReportStore
from ingest.wording import counted
from models.engine import EngineState
from models.errors import ModelError
from retrieval.errors import RetrievalError


class Overview:
    """Looks at the parts of a running Kura."""

    def __init__(
        self,
        *,
        version: str,
        readiness: Callable[[], Awaitable[None]],
        engine: Callable[[], EngineState | None],
        jobs: IngestJobs,
        reports: ReportStore,
    ) -> None:
        self._version = version
        self._readiness = readiness
        self._engine = engine
        self._jobs = jobs
        self._reports = reports

    async def status(self) -> list[str]:
        """Whether it can answer, what the model and the ingests are doing."""
        return [await self._ready(), self._model(), self._ingests()]

    def last_ingest(self) -> str:
        """The id of the newest ingest or upkeep that is over, empty if there was none. Blocking: may read a report from disk."""
        for job in self._jobs.recent():
            if job.over and (job.outcome is not None or job.result is not None):  # upkeep removes documents too
                return job.id
        newest = self._reports.newest()
        return newest.payload.job if newest else ""

    async def _ready(self) -> str:
        try:
            await self._readiness()
        except (BotError, ModelError, RetrievalError) as fault:
            explained = explain(fault)
            structlog.get_logger(__name__).warning("not ready", reason=explained.sentence)
            return f"Kura {self._version} cannot answer: {explained.public}"
        return f"Kura {self._version} is ready."

    def _model(self) -> str:
        state = self._engine()
        if state is None:
            return "No model of its own is loaded."
        return f"The model writes {counted(state.active, 'answer')}; {counted(state.waiting, 'question')} wait for it."

    def _ingests(self) -> str:
        jobs = self._jobs.recent()
        running = next((job for job in jobs if job.state == "running"), None)
        if running is not None:
            return f"Under way: {running.kind}."
        ended = next((job for job in jobs if job.over), None)
        if ended is not None:
            when = f"{ended.finished:%Y-%m-%d %H:%M} UTC" if ended.finished else "just now"
            return f"Last job: {ended.kind}, {ended.state}, {when}."
        return "Nothing was ingested since it was started."
