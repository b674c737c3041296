"""`/v1/ingest/upkeep`: what this machine's command line has a server do to its index. No client's token opens it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bot.web.callers import Caller, json_only
from bot.web.faults import NotThere
from bot.web.job_payloads import StartedPayload, accepted
from bot.web.ports import Ingestion
from bot.web.upkeep_bodies import UpkeepBody
from retrieval.access import Principal

_NOT_YOURS = "This is for the command line of the machine itself: run `kura` there."
_NO_RESULT = "There is no result of such a job: it is not over yet, was interrupted, or was too long ago."


def upkeep_router(*, ingestion: Ingestion, ingester: Caller) -> APIRouter:
    """The routes, for whoever `ingester` lets pass and has this machine's key. The public description leaves them out."""

    async def keeper(request: Request, principal: Annotated[Principal, Depends(ingester)]) -> Principal:
        if not ingestion.may_name_paths(request.headers.get("authorization")):
            raise HTTPException(403, _NOT_YOURS)
        return principal

    router = APIRouter(prefix="/upkeep", include_in_schema=False)

    @router.post("", status_code=202, dependencies=[Depends(json_only)])
    async def start(body: UpkeepBody, principal: Annotated[Principal, Depends(keeper)]) -> Response:
        job = ingestion.jobs.submit(body.request(), by=principal.id)
        return accepted(StartedPayload(job=job.id, state=job.state))

    @router.get("/{job_id}", dependencies=[Depends(keeper)])
    async def result(job_id: str) -> Response:
        job = ingestion.jobs.get(job_id)
        if job is None or job.result is None:
            raise NotThere(_NO_RESULT)
        return Response(job.result.as_json(), media_type="application/json")

    return router
