"""`GET /healthz`, `/readyz`, `/metrics`: for supervisors and monitoring; no credentials, nothing of documents."""

from typing import Literal

import structlog
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bot.errors import BotError, explain
from bot.web.faults import FAULTS
from bot.web.metrics import CONTENT_TYPE, Metrics
from bot.web.ports import Readiness
from models.errors import ModelError
from retrieval.errors import RetrievalError


class HealthPayload(BaseModel):
    """The process is up."""

    status: Literal["ok"] = "ok"


class ReadyPayload(BaseModel):
    """Index and model are usable."""

    status: Literal["ready"] = "ready"


def health_router(*, readiness: Readiness, metrics: Metrics) -> APIRouter:
    """The routes, asking `readiness` and showing `metrics`."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> HealthPayload:
        """Is the process up?"""
        return HealthPayload()

    @router.get("/readyz", responses={503: FAULTS[503]})
    async def readyz() -> ReadyPayload:
        """Are index and model usable? If not, the log says what stands in the way; the answer names no file and no setting."""
        try:
            await readiness()
        except (BotError, ModelError, RetrievalError) as fault:
            explained = explain(fault)
            structlog.get_logger(__name__).warning("not ready", reason=explained.sentence)
            raise HTTPException(503, explained.public) from fault
        return ReadyPayload()

    @router.get("/metrics", response_class=Response)
    def show_metrics() -> Response:  # in a thread: the engine's process may take its time to answer
        """Counts, in Prometheus' text format."""
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    return router
