"""The REST half: who the bot is, its guilds and their members, its commands; channels and interactions are beside."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.bot.discord_bot.standin.channels import Channels
from tests.bot.discord_bot.standin.gateway import MESSAGE_CONTENT, Gateway
from tests.bot.discord_bot.standin.interactions import Interactions
from tests.bot.discord_bot.standin.limits import SUPPRESS_EMBEDS, check_commands
from tests.bot.discord_bot.standin.messages import Messages
from tests.bot.discord_bot.standin.payloads import (
    BOT_ID,
    BOT_TO_ITSELF,
    MESSAGE_CONTENT_FLAG,
    Json,
    application,
    channel,
    guild,
    member,
    role,
    user,
)
from tests.bot.discord_bot.standin.replying import Handler, Refusal, Replying, as_json
from tests.bot.discord_bot.standin.state import State
from tests.bot.discord_bot.standin.world import Guild

__all__ = ["SUPPRESS_EMBEDS", "Rest"]


class Rest:
    """The routes; those of channels and interactions with them."""

    def __init__(self, state: State, gateway: Gateway) -> None:
        self._state = state
        self._gateway = gateway
        self._messages = Messages(state, gateway)

    def add_to(self, router: web.UrlDispatcher) -> None:
        one = "/guilds/{guild}"
        commands = "/applications/{application}/commands"
        routes: list[tuple[str, str, Handler, bool]] = [
            ("GET", "/users/@me", self._me, True),
            ("GET", "/users/{user}", self._user, True),
            ("GET", "/applications/@me", self._application, True),
            ("GET", "/oauth2/applications/@me", self._application, True),
            ("GET", "/gateway/bot", self._gateway_bot, True),
            ("GET", commands, self._get_commands, True),
            ("PUT", commands, self._put_commands, True),
            ("DELETE", "/users/@me/guilds/{guild}", self._leave, True),
            ("GET", one, self._guild, True),
            ("GET", one + "/channels", self._channels, True),
            ("GET", one + "/roles", self._roles, True),
            ("GET", one + "/members/{user}", self._member, True),
        ]
        routes += Channels(self._state, self._gateway, self._messages).routes()
        routes += Interactions(self._state, self._messages).routes()
        Replying(self._state).add_to(router, routes)

    async def _me(self, request: web.Request, body: Json) -> web.StreamResponse:
        return as_json(BOT_TO_ITSELF)

    async def _user(self, request: web.Request, body: Json) -> web.StreamResponse:
        number = int(request.match_info["user"])
        if not any(number in one.members for one in self._state.world.guilds.values()):
            raise Refusal(404, 10013, "Unknown User")
        return as_json(user(number))

    async def _application(self, request: web.Request, body: Json) -> web.StreamResponse:
        return as_json(
            application(flags=MESSAGE_CONTENT_FLAG if self._state.privileged_intents & MESSAGE_CONTENT else 0)
        )

    async def _gateway_bot(self, request: web.Request, body: Json) -> web.StreamResponse:
        limit = {"total": 1000, "remaining": 999, "reset_after": 14_400_000, "max_concurrency": 1}
        return as_json({"url": self._gateway.url, "shards": 1, "session_start_limit": limit})

    async def _get_commands(self, request: web.Request, body: Any) -> web.StreamResponse:
        return as_json(self._state.commands)

    async def _put_commands(self, request: web.Request, body: list[Json]) -> web.StreamResponse:
        check_commands(body)
        owner = request.match_info["application"]
        given = {"application_id": owner, "version": "1", "default_member_permissions": None, "integration_types": [0]}
        self._state.commands = [
            given
            | {"description": ""}
            | {key: value for key, value in command.items() if value is not None}
            | {"id": str(self._state.new_id())}
            for command in body
        ]
        return as_json(self._state.commands)

    async def _leave(self, request: web.Request, body: Json) -> web.StreamResponse:
        left = self._known(request)
        del left.members[BOT_ID]
        await self._gateway.dispatch("GUILD_DELETE", {"id": str(left.id)})
        return web.Response(status=204)

    async def _guild(self, request: web.Request, body: Json) -> web.StreamResponse:
        return as_json(guild(self._known(request), self._state.world))

    async def _channels(self, request: web.Request, body: Json) -> web.StreamResponse:
        return as_json([channel(one) for one in self._state.world.channels_of(self._known(request).id)])

    async def _roles(self, request: web.Request, body: Json) -> web.StreamResponse:
        return as_json([role(one) for one in self._known(request).roles.values()])

    async def _member(self, request: web.Request, body: Json) -> web.StreamResponse:
        found = self._known(request).members.get(int(request.match_info["user"]))
        if found is None:
            raise Refusal(404, 10007, "Unknown Member")
        return as_json(member(found, with_user=True))

    def _known(self, request: web.Request) -> Guild:
        number = int(request.match_info["guild"])
        if not self._state.world.has_bot(number):
            raise Refusal(404, 10004, "Unknown Guild")
        return self._state.world.guilds[number]
