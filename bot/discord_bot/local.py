"""The platform in this process: what Discord needs of Kura, handed on to the parts that `kura serve` has anyway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Protocol

from bot.answers import Event, Question
from bot.discord_bot.job_views import job_view
from bot.discord_bot.ports import DocumentText, JobView, SourceView, Statistics
from bot.feedback import Feedback, FeedbackBook
from bot.ingesting import IngestRequest
from bot.jobs import IngestJobs, Job
from bot.overview import Overview
from retrieval.access import Principal
from retrieval.documents import Hit
from retrieval.errors import NotFound
from retrieval.filters import Filters


class Reading(Protocol):
    """What answers and reads: `bot.assistant.Assistant`, or a script in its place."""

    def ask(self, question: Question) -> AsyncGenerator[Event, None]: ...
    async def search(self, text: str, *, principal: Principal, k: int, filters: Filters) -> Sequence[Hit]: ...
    async def document(self, document_id: str, *, principal: Principal) -> DocumentText: ...
    async def sources(self, *, principal: Principal) -> Sequence[SourceView]: ...


class LocalPlatform:
    """See `bot.discord_bot.ports.Platform`."""

    def __init__(
        self,
        assistant: Reading,
        *,
        feedback: FeedbackBook,
        jobs: IngestJobs,
        overview: Overview,
        shown: Collection[str],
    ) -> None:
        """`shown` are the sources that are marked for Discord: jobs name no others."""
        self._assistant = assistant
        self._feedback = feedback
        self._jobs = jobs
        self._overview = overview
        self._shown = frozenset(shown)

    def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        return self._assistant.ask(question)

    async def search(self, text: str, *, principal: Principal, k: int, filters: Filters) -> Sequence[Hit]:
        return await self._assistant.search(text, principal=principal, k=k, filters=filters)

    async def document(self, document_id: str, *, principal: Principal) -> DocumentText:
        return await self._assistant.document(document_id, principal=principal)

    async def sources(self, *, principal: Principal) -> Sequence[SourceView]:
        return await self._assistant.sources(principal=principal)

    async def put_feedback(self, answer_id: str, feedback: Feedback, *, principal: Principal) -> None:
        await self._feedback.put(answer_id, feedback, principal=principal)

    async def remove_feedback(self, answer_id: str, *, principal: Principal) -> None:
        await self._feedback.remove(answer_id, principal=principal)

    async def forget(self, *, principal: Principal) -> int:
        return await self._feedback.forget(principal=principal)

    async def statistics(self, days: int) -> Statistics:
        return await self._feedback.statistics("discord", days)

    async def status(self) -> Sequence[str]:
        return await self._overview.status()

    async def reingest(self, source: str, *, by: Principal) -> JobView:
        request = IngestRequest(sources=(source,) if source else ())
        return self._view(await asyncio.to_thread(self._jobs.submit, request, by=by.id))

    async def job(self, job_id: str) -> JobView:
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFound("There is no such ingest (any more): begin another one.")
        return self._view(job)

    async def last_ingest(self) -> str:
        return await asyncio.to_thread(self._overview.last_ingest)

    def _view(self, job: Job) -> JobView:
        return job_view(
            job.id,
            job.state,
            progress=[(one.source, one.done, one.total, one.failed_count) for one in job.progress],
            faults=job.outcome.faults if job.outcome else {},
            fault=job.fault,
            shown=self._shown,
        )
