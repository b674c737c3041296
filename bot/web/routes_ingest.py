"""`/v1/ingest`: start ingests, look how they go, and read what they did. Only for clients that may ingest."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.sse import format_sse_event
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from bot.ingesting import IngestRequest
from bot.report_page import POLICY
from bot.reporting import ReportPayload
from bot.web.bodies import IngestBody
from bot.web.callers import Caller, accepts, json_only
from bot.web.event_stream import EventStream
from bot.web.faults import FAULTS, FaultPayload, NotThere, fault_payload
from bot.web.job_payloads import JobPayload, StartedPayload, accepted, job_payload, stored_payload
from bot.web.ports import Ingestion
from bot.web.routes_upkeep import upkeep_router
from retrieval.access import Principal, Readers

LOOK_S = 0.25
"""How often a streamed job is looked at."""
MOST_RECENT = 50

_FORMS = """How the job stands; or, when asked for with `Accept: text/event-stream`, `progress` events as it goes, and last
`done`, `failed` or `interrupted`, all with the same fields."""
_NO_PATHS = "Paths are named on the command line of the machine itself: name a configured source instead."
_NO_JOB = "There is no such job (any more): GET /v1/ingest lists those there are."
_NO_REPORT = "There is no report of such a job: it is not over yet, was interrupted, or was too long ago."
NOT_THERE: dict[int | str, dict[str, Any]] = {404: {"model": FaultPayload}}
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: FAULTS[401],
    403: {"model": FaultPayload, "description": "The token's client may not ingest."},
}
"""For the `responses=` of a route that only clients that may ingest can use."""


class JobsPayload(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobPayload]


def ingest_router(*, ingestion: Ingestion, ingester: Caller) -> APIRouter:
    """The routes, for whoever `ingester` lets pass."""
    router = APIRouter(prefix="/v1/ingest", tags=["ingestion"])
    router.include_router(upkeep_router(ingestion=ingestion, ingester=ingester))

    @router.post(
        "",
        status_code=202,
        response_model=StartedPayload,
        responses=FAULTS | REFUSALS,
        dependencies=[Depends(json_only)],
    )
    async def start(body: IngestBody, request: Request, principal: Annotated[Principal, Depends(ingester)]) -> Response:
        """Bring sources up to date in a job. A job that already waits to do the same is that job."""
        may_name_paths = ingestion.may_name_paths(request.headers.get("authorization"))
        job = ingestion.jobs.submit(_wanted(body, may_name_paths=may_name_paths), by=principal.id)
        return accepted(StartedPayload(job=job.id, state=job.state))

    @router.get("", responses=REFUSALS, dependencies=[Depends(ingester)])
    def recent() -> JobsPayload:  # in a thread: reports are read from disk
        """The jobs that wait and run, and the last that were done."""
        return JobsPayload(jobs=_recent(ingestion))

    @router.get(
        "/{job_id}",
        response_model=JobPayload,
        responses={200: {"description": _FORMS, "content": {"text/event-stream": {}}}, **NOT_THERE, **REFUSALS},
        dependencies=[Depends(ingester)],
    )
    async def show(job_id: str, request: Request) -> JobPayload | Response:
        """How a job stands."""
        now = await _job(ingestion, job_id)
        if not accepts(request, "text/event-stream"):
            return now
        request_id = request.state.request_id
        return EventStream(
            _until_over(ingestion, now), fault_event=lambda error: _fault_event(error, request_id=request_id)
        )

    @router.get(
        "/{job_id}/report",
        response_model=ReportPayload,
        responses={200: {"content": {"text/html": {}}}, **NOT_THERE, **REFUSALS},
        dependencies=[Depends(ingester)],
    )
    def report(job_id: str, request: Request) -> ReportPayload | Response:
        """What a job did: JSON, or a page if `text/html` is asked for."""
        found = ingestion.reports.get(job_id)
        if found is None:
            raise NotThere(_NO_REPORT)
        if not accepts(request, "text/html"):
            return found.payload
        try:
            page = found.page.read_bytes()
        except FileNotFoundError as error:
            raise NotThere(_NO_REPORT) from error
        return HTMLResponse(page, headers={"Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'"})

    return router


def _wanted(body: IngestBody, *, may_name_paths: bool) -> IngestRequest:
    """What a body asks for. Raises HTTPException (403) for paths that its client may not name."""
    if (body.paths or body.readers) and not may_name_paths:
        raise HTTPException(403, _NO_PATHS)
    return IngestRequest(
        sources=tuple(dict.fromkeys(body.sources)),
        paths=tuple(map(Path, dict.fromkeys(body.paths))),
        readers=Readers(frozenset(body.readers)) if body.readers else None,
        confirmed=body.confirm_removal,
        dry_run=body.dry_run,
    )


def _recent(ingestion: Ingestion) -> list[JobPayload]:
    """The jobs of this server, and behind them what reports tell of earlier ones."""
    jobs = [job_payload(job) for job in ingestion.jobs.recent()]
    known = {job.job for job in jobs}
    stored = [stored_payload(report.payload) for report in ingestion.reports.recent(MOST_RECENT)]
    return [*jobs, *(job for job in stored if job.job not in known)][:MOST_RECENT]


async def _job(ingestion: Ingestion, job_id: str) -> JobPayload:
    """The job, or what its report says of it. Raises NotThere."""
    job = ingestion.jobs.get(job_id)
    if job is not None:
        return job_payload(job)
    stored = await asyncio.to_thread(ingestion.reports.get, job_id)
    if stored is None:
        raise NotThere(_NO_JOB)
    return stored_payload(stored.payload)


async def _until_over(ingestion: Ingestion, now: JobPayload) -> AsyncGenerator[bytes, None]:
    """The job whenever something changed, up to and with its end."""
    said: JobPayload | None = None
    while True:
        over = now.state not in ("queued", "running")
        if over or now != said:
            yield format_sse_event(event=now.state if over else "progress", data_str=now.model_dump_json())
            said = now
        if over:
            return
        await asyncio.sleep(LOOK_S)
        now = await _job(ingestion, now.job)


def _fault_event(error: Exception, *, request_id: str) -> bytes:
    payload, _ = fault_payload(error, request_id=request_id)
    return format_sse_event(event="error", data_str=payload.model_dump_json(exclude_none=True))
