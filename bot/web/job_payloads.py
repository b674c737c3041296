"""The JSON of a job, and the answer that one was started. Knows no route."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from bot.ingesting import IngestRequest
from bot.jobs import Job, SourceProgress, State
from bot.reporting import ReportPayload, Text


class ProgressPayload(BaseModel):
    """How far one source is."""

    source: Text
    done: int = Field(description="Documents.")
    total: int = Field(description="Documents that have to be read.")
    passages: int = Field(description="Passages written.")
    item: Text = Field(description="The document in hand.")
    rate: float | None = Field(description="Documents a second, over the last seconds.")
    seconds_left: float | None
    failed: dict[Text, Text] = Field(description="Why, by document: the first of `failed_count`.")
    failed_count: int


class JobPayload(BaseModel):
    """A job. When it is done, `report` is where to read what it did."""

    job: str
    kind: str = Field(description="`ingest`; or what the command line of this machine asked for: `verify`, say.")
    state: State
    sources: list[Text] = Field(description="What was asked for; empty: every source.")
    dry_run: bool
    by: Text = Field(description="Who asked: a client, a schedule, a watched folder or a hook.")
    submitted: datetime | None
    started: datetime | None
    finished: datetime | None
    progress: list[ProgressPayload]
    whole: bool | None = Field(description="Whether every source and every document could be read; null until then.")
    faults: dict[Text, Text] = Field(description="Why, by source that could not be brought up to date.")
    fault: Text = Field(description="Why the job failed or was interrupted.")
    report: str | None


def job_payload(job: Job) -> JobPayload:
    """A job as it stands."""
    paths = job.request.paths if isinstance(job.request, IngestRequest) else ()
    names = [*job.request.sources, *map(str, paths)]
    report = f"{address(job.id)}/report" if job.outcome else None
    return JobPayload(
        job=job.id,
        kind=job.kind,
        state=job.state,
        sources=names,
        dry_run=job.request.dry_run,
        by=job.by,
        submitted=job.submitted,
        started=job.started,
        finished=job.finished,
        progress=[_progress(source) for source in job.progress],
        whole=job.outcome.whole if job.outcome else None,
        faults=dict(job.outcome.faults) if job.outcome else {},
        fault=job.fault,
        report=f"/v1/ingest/upkeep/{job.id}" if job.result else report,
    )


def stored_payload(report: ReportPayload) -> JobPayload:
    """A job of which only the report is left."""
    return JobPayload(
        job=report.job,
        kind="ingest",
        state=report.state,
        sources=[source.source for source in report.sources],
        dry_run=any(source.dry_run for source in report.sources),
        by="",
        submitted=None,
        started=report.started,
        finished=report.finished,
        progress=[],
        whole=not report.faults and not any(source.failed for source in report.sources),
        faults=report.faults,
        fault=next(iter(report.faults.values()), "") if report.state == "failed" else "",
        report=f"{address(report.job)}/report",
    )


class StartedPayload(BaseModel):
    """A job that was started, or that already waits to do the same."""

    job: str
    state: State


class KeptPayload(StartedPayload):
    """A file that was kept or removed, and the job that takes it into the index or out of it."""

    name: Text


def accepted(payload: StartedPayload) -> JSONResponse:
    """202, and where to look how the job goes."""
    return JSONResponse(payload.model_dump(), 202, {"Location": address(payload.job)})


def address(job_id: str) -> str:
    """Where a job is to be looked at."""
    return f"/v1/ingest/{job_id}"


def _progress(source: SourceProgress) -> ProgressPayload:
    return ProgressPayload(
        source=source.source,
        done=source.done,
        total=source.total,
        passages=source.passages,
        item=source.item,
        rate=None if source.rate is None else round(source.rate, 2),
        seconds_left=None if source.seconds_left is None else round(source.seconds_left, 1),
        failed=dict(source.failed),
        failed_count=source.failed_count,
    )
