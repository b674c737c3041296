"""A small Discord on loopback: what people do there, and what can be done to it. The two halves are beside this file.

async with StandIn() as discord:
    ... a client connects ...
    asked = await discord.ask("How many days of leave?")
    await discord.until(lambda: asked.contents)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.bot.discord_bot.standin.gateway import Gateway
from tests.bot.discord_bot.standin.payloads import (
    ASKER_ID,
    BOT,
    BOT_ID,
    CHANNEL_ID,
    DIRECT_CHANNEL_ID,
    GUILD_ID,
    Json,
    interaction,
    member,
    message,
    user,
)
from tests.bot.discord_bot.standin.rest import Rest
from tests.bot.discord_bot.standin.state import Asked, Fault, State


class StandIn:
    """One server for both halves; an async context manager."""

    def __init__(self) -> None:
        self.state = State()
        self.gateway = Gateway(self.state)
        self._rest = Rest(self.state, lambda: self.gateway.url)
        self._runner: web.AppRunner | None = None
        self.api = ""
        """What `discord.http.Route.BASE` is to be."""

    async def __aenter__(self) -> Self:
        app = web.Application()
        self._rest.add_to(app.router)
        app.router.add_get("/gateway/", self.gateway.handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.api = f"http://{host}:{port}/api/v10"
        self.gateway.url = f"ws://{host}:{port}/gateway/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.gateway.drop()
        assert self._runner is not None
        await self._runner.cleanup()

    async def until(self, condition: Callable[[], object]) -> None:
        await self.state.until(condition)

    async def connected(self) -> None:
        await self.until(lambda: self.gateway.ready)

    async def ask(self, question: str, *, user_id: int = ASKER_ID, channel_id: int = CHANNEL_ID) -> Asked:
        """Somebody uses `/ask`."""
        number = self.state.new_id()
        asked = Asked(number, f"interaction-token-{number}", channel_id, asyncio.get_running_loop().time())
        self.state.asked[asked.token] = asked
        options = {"question": question}
        data = interaction(number, asked.token, "ask", options, user_id=user_id, channel_id=channel_id)
        await self.gateway.dispatch("INTERACTION_CREATE", data)
        return asked

    async def mention(self, text: str, *, user_id: int = ASKER_ID, channel_id: int = CHANNEL_ID) -> int:
        """Somebody mentions the bot in front of `text`."""
        return await self.say(f"<@{BOT_ID}> {text}", user_id=user_id, channel_id=channel_id, mentions=[BOT])

    async def say(
        self,
        text: str,
        *,
        user_id: int = ASKER_ID,
        channel_id: int = CHANNEL_ID,
        mentions: list[Json] | None = None,
        bot: bool = False,
    ) -> int:
        """Somebody writes a message; returns its id."""
        number = self.state.new_id()
        said = message(number, channel_id, user(user_id, bot=bot), text, mentions=mentions or [])
        if channel_id != DIRECT_CHANNEL_ID:
            said |= {"guild_id": str(GUILD_ID), "member": member(user_id, with_user=False)}
        self.state.messages[number] = said
        await self.gateway.dispatch("MESSAGE_CREATE", said)
        return number

    def answers(self, channel_id: int = CHANNEL_ID) -> list[Json]:
        """The bot's messages in a channel, in order."""
        return self.state.replies(channel_id, BOT_ID)

    def fail(
        self,
        method: str,
        path: str,
        status: int,
        *,
        times: int = 1,
        retry_after_s: float = 0.01,
        carried_out: bool = False,
    ) -> None:
        """Answer the next requests whose path matches `path` with `status`, carried out or not."""
        self.state.faults.append(Fault(method, re.compile(path), status, times, retry_after_s, carried_out))

    def written(self) -> list[Json]:
        """Every body that put text before people, accepted or not."""
        bodies = [call.body for call in self.state.calls if isinstance(call.body, dict)]
        return [said for said in (body.get("data") or body for body in bodies) if "content" in said]
