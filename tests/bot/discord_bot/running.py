"""Kura on the stand-in, for the length of a `with`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bot.discord_bot.answering import Answering
from bot.discord_bot.supervise import run_discord
from tests.bot.discord_bot.standin.server import StandIn


@asynccontextmanager
async def kura_on(stand_in: StandIn, assistant: Answering) -> AsyncIterator[asyncio.Task[None]]:
    """The supervised client, connected; cancelled at the end."""
    running = asyncio.create_task(run_discord(assistant, stand_in.state.token, first_wait_s=0.01))
    try:
        await stand_in.connected()
        yield running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
