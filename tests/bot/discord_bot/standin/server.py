"""A small Discord on loopback: what people do there (`people.py`), and what can be done to it. Its halves are beside this file.

async with StandIn() as discord:
    ... a client connects ...
    asked = await discord.ask("How many days of leave?")
    await discord.until(lambda: asked.contents)

discord.fail("POST", r"/messages$", 503)          # the next such request fails; carried_out=True: after it was done
discord.cut("PATCH", r"/messages/")               # its connection is reset instead of answered
await discord.gateway.drop(repeat=2)              # the gateway goes; two events come again after the resume
await discord.gateway.forget_sessions()           # it cannot be resumed
discord.pass_time(14 * 60)                        # tokens of interactions live for 15 minutes of this clock
await discord.set_overwrites(CHANNEL_ID, [Overwrite(GUILD_ID, deny=VIEW_CHANNEL)])
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.bot.discord_bot.standin.gateway import Gateway
from tests.bot.discord_bot.standin.payloads import BOT_ID, Json, channel, guild, member, role
from tests.bot.discord_bot.standin.people import People
from tests.bot.discord_bot.standin.rest import Rest
from tests.bot.discord_bot.standin.state import Fault, State
from tests.bot.discord_bot.standin.world import (
    ASKER_ID,
    CHANNEL_ID,
    GUILD_ID,
    OWNER_ID,
    THREADS,
    Channel,
    Guild,
    Member,
    Overwrite,
    Role,
)


class StandIn(People):
    """One server for both halves; an async context manager."""

    def __init__(self) -> None:
        state = State()
        super().__init__(state, Gateway(state))
        self._rest = Rest(self.state, self.gateway)
        self._runner: web.AppRunner | None = None
        self.api = ""
        """What `discord.http.Route.BASE` is to be."""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=30 * 2**20)
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

    # --- what stands there ---

    def answers(self, channel_id: int = CHANNEL_ID) -> list[Json]:
        """The bot's messages in a channel, in order; responses to commands are in their `Asked`."""
        return self.state.replies(channel_id, BOT_ID)

    def threads(self, channel_id: int = CHANNEL_ID) -> list[Channel]:
        """The threads of a channel, in order."""
        return [one for one in self.state.world.channels.values() if one.kind in THREADS and one.parent == channel_id]

    def direct_channel(self, user_id: int = ASKER_ID) -> int:
        """The id of the channel between the bot and somebody."""
        return self.state.world.direct_channel(user_id, channel_id=self.state.new_id()).id

    def files_of(self, message: Json) -> dict[str, str]:
        """The files of a message, by name, as text."""
        return {one["filename"]: self.state.files[int(one["id"])].decode() for one in message["attachments"]}

    def written(self) -> list[Json]:
        """Every body that put text before people, accepted or not."""
        bodies = [call.body for call in self.state.calls if isinstance(call.body, dict)]
        return [said for said in (body.get("data") or body for body in bodies) if "content" in said]

    # --- what goes wrong ---

    def fail(
        self,
        method: str,
        path: str,
        status: int,
        *,
        times: int = 1,
        retry_after_s: float = 0.01,
        carried_out: bool = False,
        code: int = 0,
        each: int = 0,
    ) -> None:
        """Answer the next requests whose path matches `path` with `status`, carried out or not. Any method: "*".

        `each` is how often one method and path is hit at most; 0: as often as it comes.
        """
        fault = Fault(method, re.compile(path), status, times, retry_after_s, carried_out, code, each)
        self.state.faults.append(fault)

    def cut(self, method: str, path: str, *, times: int = 1, carried_out: bool = False) -> None:
        """Reset the connection of the next requests instead of answering them."""
        self.fail(method, path, 0, times=times, carried_out=carried_out)

    def pass_time(self, seconds: float) -> None:
        """Move the stand-in's clock on: the tokens of interactions expire, new ids are later."""
        self.state.moved_s += seconds

    # --- what changes there; each is told to the client ---

    async def add_guild(
        self, guild_id: int, *, name: str = "Elsewhere", people: Sequence[int] = (ASKER_ID,)
    ) -> Channel:
        """The bot is invited to another guild; returns its one channel. Ids are Discord's: guild, role + 1, channel + 2."""
        made = Guild.made(guild_id, name, OWNER_ID, people, guild_id + 1)
        self.state.world.guilds[guild_id] = made
        place = Channel(guild_id + 2, "elsewhere", guild_id)
        self.state.world.channels[place.id] = place
        await self.gateway.dispatch("GUILD_CREATE", guild(made, self.state.world))
        return place

    async def add_channel(
        self, channel_id: int, *, name: str = "more", guild_id: int = GUILD_ID, overwrites: Sequence[Overwrite] = ()
    ) -> Channel:
        place = Channel(channel_id, name, guild_id, overwrites=list(overwrites))
        self.state.world.channels[channel_id] = place
        await self.gateway.dispatch("CHANNEL_CREATE", channel(place))
        return place

    async def set_overwrites(self, channel_id: int, overwrites: Sequence[Overwrite]) -> None:
        place = self.state.world.channels[channel_id]
        place.overwrites = list(overwrites)
        await self.gateway.dispatch("CHANNEL_UPDATE", channel(place))

    async def delete_channel(self, channel_id: int) -> None:
        """Somebody deletes a channel or a thread, with what stands in it."""
        gone = self.state.world.channels.pop(channel_id)
        for thread in self.threads(channel_id):
            del self.state.world.channels[thread.id]
        self.state.messages = {k: m for k, m in self.state.messages.items() if m["channel_id"] != str(channel_id)}
        event = "THREAD_DELETE" if gone.kind in THREADS else "CHANNEL_DELETE"
        await self.gateway.dispatch(event, channel(gone))

    async def set_role(
        self, role_id: int, permissions: int = 0, *, name: str = "role", guild_id: int = GUILD_ID
    ) -> Role:
        """A role is made, or its permissions are changed."""
        roles = self.state.world.guilds[guild_id].roles
        event = "GUILD_ROLE_UPDATE" if role_id in roles else "GUILD_ROLE_CREATE"
        known = roles.setdefault(role_id, Role(role_id, name))
        known.permissions = permissions
        await self.gateway.dispatch(event, {"guild_id": str(guild_id), "role": role(known)})
        return known

    async def set_member(self, user_id: int, roles: Sequence[int] = (), *, guild_id: int = GUILD_ID) -> Member:
        """Somebody joins, or their roles change."""
        members = self.state.world.guilds[guild_id].members
        event = "GUILD_MEMBER_UPDATE" if user_id in members else "GUILD_MEMBER_ADD"
        members[user_id] = Member(user_id, list(roles))
        told = member(members[user_id], with_user=True) | {"guild_id": str(guild_id)}
        await self.gateway.dispatch(event, told)
        return members[user_id]

    async def remove_member(self, user_id: int, *, guild_id: int = GUILD_ID) -> None:
        """Somebody leaves a guild, or is put out."""
        gone = self.state.world.guilds[guild_id].members.pop(user_id)
        told = member(gone, with_user=True)
        await self.gateway.dispatch("GUILD_MEMBER_REMOVE", {"guild_id": str(guild_id), "user": told["user"]})
