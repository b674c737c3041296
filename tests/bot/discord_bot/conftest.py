from __future__ import annotations

from collections.abc import AsyncIterator

import discord
import pytest
import yarl
from discord.gateway import DiscordWebSocket

from tests.bot.discord_bot.standin.server import StandIn


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def stand_in(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with StandIn() as server:
        monkeypatch.setattr(discord.http.Route, "BASE", server.api)
        # discord.py 2.7.1 asks /gateway/bot only when it shards; else it goes to this address
        monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(server.gateway.url))
        yield server
        assert server.state.breaches == []
