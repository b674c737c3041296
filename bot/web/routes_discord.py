"""`GET /v1/discord/status` and `/v1/discord/statistics`: for bots on Discord that run beside this server (`kura discord`)."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from bot.web.callers import Caller
from bot.web.faults import FAULTS, FaultPayload
from bot.web.ports import DiscordClients, FeedbackTaker

MOST_DAYS = 3650


class StatusPayload(BaseModel):
    """How Kura stands."""

    sentences: list[str]
    last_ingest: str = Field(description="Another word after each ingest that is over.")
    shown: list[str] = Field(description="The sources that are marked for Discord.")


class StatisticsPayload(BaseModel):
    """What was asked through Discord in the last `days` days, and what people said of the answers."""

    days: int
    people: int
    questions: int
    refused: int
    up: int
    down: int


def discord_router(*, clients: DiscordClients, feedback: FeedbackTaker, client: Caller) -> APIRouter:
    """The routes, for whoever `client` lets pass."""
    refused: dict[int | str, dict[str, Any]] = {
        401: FAULTS[401],
        403: {"model": FaultPayload, "description": "The token is not a bot's."},
    }
    router = APIRouter(prefix="/v1/discord", tags=["discord"], responses=refused, dependencies=[Depends(client)])

    @router.get("/status")
    async def status() -> StatusPayload:
        """How Kura stands, for its administrators on Discord."""
        sentences = await clients.status()
        last = await asyncio.to_thread(clients.last_ingest)
        return StatusPayload(sentences=list(sentences), last_ingest=last, shown=list(clients.shown))

    @router.get("/statistics")
    async def statistics(days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 30) -> StatisticsPayload:
        """Counts; nobody's words."""
        found = await feedback.statistics("discord", days)
        return StatisticsPayload(
            days=found.days,
            people=found.people,
            questions=found.questions,
            refused=found.refused,
            up=found.up,
            down=found.down,
        )

    return router
