"""Kura on the stand-in, for the length of a `with`."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from bot.bridge import Bridge
from bot.discord_bot.desk import Desk
from bot.discord_bot.ledger import Ledger
from bot.discord_bot.limits import Limits
from bot.discord_bot.ports import Platform
from bot.discord_bot.supervise import run_discord
from bot.settings_discord import DiscordSettings
from tests.bot.discord_bot.standin.payloads import BOT_ID, Json
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.world import GUILD_ID


@contextmanager
def desk_for(
    platform: Platform, folder: Path | None = None, clock: Callable[[], float] = time.monotonic, **settings: Any
) -> Iterator[Desk]:
    """A desk with the stand-in's guild allowed, and more questions than any test asks; its ledger lies in `folder`."""
    chosen = DiscordSettings(**{"guilds": (GUILD_ID,), "per_person": 1_000, "per_channel": 10_000, **settings})
    with tempfile.TemporaryDirectory() as own:
        ledger, bridge = Ledger(folder or Path(own)), Bridge()
        try:
            yield Desk(platform, chosen, ledger, bridge, Limits(chosen.per_person, chosen.per_channel), clock)
        finally:
            bridge.close()
            ledger.close()


@asynccontextmanager
async def kura_on(
    stand_in: StandIn, platform: Platform, folder: Path | None = None, **settings: Any
) -> AsyncIterator[asyncio.Task[None]]:
    """The supervised client, connected; cancelled at the end."""
    with desk_for(platform, folder, **settings) as desk:
        running = asyncio.create_task(run_discord(desk, stand_in.state.token, first_wait_s=0.01))
        try:
            await stand_in.connected()
            yield running
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


def everywhere(stand_in: StandIn) -> list[Json]:
    """What the bot wrote in any channel or thread, in order; responses to commands are in their `Asked`."""
    return [m for m in stand_in.state.messages.values() if m["author"]["id"] == str(BOT_ID) and "webhook_id" not in m]


def saying(stand_in: StandIn, words: str = "180 EUR") -> Callable[[], list[Json]]:
    """The bot's messages with these words, wherever they stand."""
    return lambda: [m for m in everywhere(stand_in) if words in m["content"]]
