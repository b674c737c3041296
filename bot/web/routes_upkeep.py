"""`/v1/ingest/upkeep`: what this machine's command line has a server do to its index. No client's token opens it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bot.upkeep import Kind, UpkeepRequest
from bot.web.bodies import MAX_SOURCES, Source
from bot.web.callers import Caller, json_only
from bot.web.faults import NotThere
from bot.web.job_payloads import StartedPayload, accepted
from bot.web.ports import Ingestion
from retrieval.access import Principal

_NOT_YOURS = "This is for the command line of the machine itself: run `kura` there."
_NO_RESULT = "There is no result of such a job: it is not over yet, was interrupted, or was too long ago."


class UpkeepBody(BaseModel):
    """See `UpkeepRequest`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Kind
    sources: list[Source] = Field([], max_length=MAX_SOURCES)
    generation: int = Field(0, ge=0)


def upkeep_router(*, ingestion: Ingestion, ingester: Caller) -> APIRouter:
    """The routes, for whoever `ingester` lets pass and has this machine's key. The public description leaves them out."""

    async def keeper(request: Request, principal: Annotated[Principal, Depends(ingester)]) -> Principal:
        if not ingestion.may_name_paths(request.headers.get("authorization")):
            raise HTTPException(403, _NOT_YOURS)
        return principal

    router = APIRouter(prefix="/upkeep", include_in_schema=False)

    @router.post("", status_code=202, dependencies=[Depends(json_only)])
    async def start(body: UpkeepBody, principal: Annotated[Principal, Depends(keeper)]) -> Response:
        wanted = UpkeepRequest(body.kind, tuple(dict.fromkeys(body.sources)), body.generation)
        job = ingestion.jobs.submit(wanted, by=principal.id)
        return accepted(StartedPayload(job=job.id, state=job.state))

    @router.get("/{job_id}", dependencies=[Depends(keeper)])
    async def result(job_id: str) -> Response:
        job = ingestion.jobs.get(job_id)
        if job is None or job.result is None:
            raise NotThere(_NO_RESULT)
        return Response(job.result.as_json(), media_type="application/json")

    return router
