"""The HTTP application, put together from what it is handed. Reads no settings and opens no socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from bot.web.callers import make_caller, make_discord_client, make_ingester
from bot.web.edge import Edge
from bot.web.faults import fault_response, log_fault
from bot.web.metrics import Metrics
from bot.web.ports import Assistant, BackgroundTask, DiscordClients, FeedbackTaker, Identify, Ingestion, Readiness
from bot.web.routes_ask import ask_router
from bot.web.routes_discord import discord_router
from bot.web.routes_docs import docs_router
from bot.web.routes_documents import documents_router
from bot.web.routes_feedback import feedback_router
from bot.web.routes_health import health_router
from bot.web.routes_ingest import ingest_router
from bot.web.routes_uploads import uploads_router
from bot.web.webhooks import hooks_router

# FastAPI's own telemetry can be switched on, exporters and all, by the environment alone. Not here.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def create_app(
    *,
    assistant: Assistant,
    identify: Identify,
    readiness: Readiness,
    metrics: Metrics,
    version: str,
    hosts: Collection[str],
    feedback: FeedbackTaker | None = None,
    ingestion: Ingestion | None = None,
    discord: DiscordClients | None = None,
    background: Sequence[BackgroundTask] = (),
) -> FastAPI:
    """The application.

    `hosts` are the only host names it answers to. Without `feedback` or `ingestion` there are no routes for it;
    without `discord` nobody asks for others.
    `background` starts with the application and is cancelled at its end; a task of it that fails is logged and does no
    harm to the others.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        running = [asyncio.create_task(_guarded(task)) for task in background]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    app = FastAPI(
        title="Kura",
        summary="Answers from a company's own documents, with citations.",
        version=version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=_NO_TELEMETRY,
        exception_handlers={HTTPException: _fault, RequestValidationError: _fault},
    )
    app.add_middleware(Edge, hosts=hosts, metrics=metrics)
    on_discord = discord.on_discord if discord else None
    caller = make_caller(identify, on_discord)
    app.include_router(ask_router(assistant=assistant, caller=caller, metrics=metrics))
    app.include_router(documents_router(assistant=assistant, caller=caller))
    if feedback is not None:
        app.include_router(feedback_router(feedback=feedback, caller=caller, metrics=metrics))
        if discord is not None:
            client = make_discord_client(identify, discord.may_ask)
            app.include_router(discord_router(clients=discord, feedback=feedback, client=client))
    if ingestion is not None:
        ingester = make_ingester(identify, ingestion.may_ingest, on_discord)
        app.include_router(ingest_router(ingestion=ingestion, ingester=ingester))
        app.include_router(uploads_router(ingestion=ingestion, ingester=ingester))
        app.include_router(hooks_router(ingestion=ingestion))
    app.include_router(health_router(readiness=readiness, metrics=metrics))
    app.include_router(docs_router())
    return app


async def _fault(request: Request, error: Exception) -> Response:
    return fault_response(request, error)


async def _guarded(task: BackgroundTask) -> None:
    """Run `task`; should it fail, say so in the log and let the server live."""
    try:
        await task()
    except Exception as error:  # noqa: BLE001  whatever it is, it must not take the server along
        log_fault("background task failed", error, task=getattr(task, "__qualname__", repr(task)))
