"""The REST half: the routes a bot uses, with Discord's rules and error codes. Knows no websocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.bot.discord_bot.standin.payloads import BOT, BOT_TO_ITSELF, GUILD_ID, Json, application, message
from tests.bot.discord_bot.standin.state import Asked, Call, Fault, State

MESSAGE_LIMIT = 2_000
SUPPRESS_EMBEDS, THINKING = 1 << 2, 1 << 7
DEFERRED, IMMEDIATE = 5, 4

Handler = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]


class Refusal(Exception):
    """An answer with Discord's error body."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.response: web.StreamResponse = as_json({"code": code, "message": text}, status=status)


class Rest:
    """The routes; each request is recorded, then faults are applied, then it is carried out."""

    def __init__(self, state: State, gateway_url: Callable[[], str]) -> None:
        self._state = state
        self._gateway_url = gateway_url

    def add_to(self, router: web.UrlDispatcher) -> None:
        message_path = "/channels/{channel}/messages"
        original = "/webhooks/{application}/{token}/messages/@original"
        routes: list[tuple[str, str, Handler, bool]] = [
            ("GET", "/users/@me", self._me, True),
            ("GET", "/applications/@me", self._application, True),
            ("GET", "/oauth2/applications/@me", self._application, True),
            ("GET", "/gateway/bot", self._gateway_bot, True),
            ("PUT", "/applications/{application}/commands", self._put_commands, True),
            ("POST", "/channels/{channel}/typing", self._typing, True),
            ("POST", message_path, self._post_message, True),
            ("PATCH", message_path + "/{message}", self._patch_message, True),
            ("DELETE", message_path + "/{message}", self._delete_message, True),
            # the token in the address is the credential of these
            ("POST", "/interactions/{interaction}/{token}/callback", self._callback, False),
            ("POST", "/webhooks/{application}/{token}", self._follow_up, False),
            ("PATCH", original, self._patch_original, False),
        ]
        for method, path, handler, needs_token in routes:
            router.add_route(method, "/api/v10" + path, self._wrapped(handler, needs_token=needs_token))

    def _wrapped(
        self, handler: Handler, *, needs_token: bool
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = json.loads(await request.text() or "{}")
            path = request.path.removeprefix("/api/v10")
            call = Call(request.method, path, body)
            self._state.calls.append(call)
            fault = self._state.fault_for(request.method, path)
            try:
                if needs_token and request.headers.get("Authorization") != f"Bot {self._state.token}":
                    raise Refusal(401, 0, "401: Unauthorized")
                if fault and not fault.carried_out:
                    raise _refusal(fault)
                response = await handler(request, body)
                if fault:
                    raise _refusal(fault)
            except Refusal as refusal:
                response = refusal.response
            call.status = response.status
            await self._state.notify()
            return response

        return handle

    async def _me(self, request: web.Request, body: Json) -> web.StreamResponse:
        return as_json(BOT_TO_ITSELF)

    async def _application(self, request: web.Request, body: Json) -> web.StreamResponse:
        return as_json(application())

    async def _gateway_bot(self, request: web.Request, body: Json) -> web.StreamResponse:
        limit = {"total": 1000, "remaining": 999, "reset_after": 14_400_000, "max_concurrency": 1}
        return as_json({"url": self._gateway_url(), "shards": 1, "session_start_limit": limit})

    async def _put_commands(self, request: web.Request, body: list[Json]) -> web.StreamResponse:
        owner = request.match_info["application"]
        given = {"application_id": owner, "version": "1", "default_member_permissions": None, "integration_types": [0]}
        self._state.commands = [
            given
            | {key: value for key, value in command.items() if value is not None}
            | {"id": str(self._state.new_id())}
            for command in body
        ]
        return as_json(self._state.commands)

    async def _typing(self, request: web.Request, body: Json) -> web.StreamResponse:
        return web.Response(status=204)

    async def _post_message(self, request: web.Request, body: Json) -> web.StreamResponse:
        return as_json(self._store(int(request.match_info["channel"]), body))

    async def _patch_message(self, request: web.Request, body: Json) -> web.StreamResponse:
        stored = self._stored_message(request)
        if "content" in body:
            _check_content(body["content"])
        stored |= {key: body[key] for key in ("content", "flags") if key in body}
        return as_json(stored)

    async def _delete_message(self, request: web.Request, body: Json) -> web.StreamResponse:
        del self._state.messages[int(self._stored_message(request)["id"])]
        return web.Response(status=204)

    async def _callback(self, request: web.Request, body: Json) -> web.StreamResponse:
        asked = self._state.asked.get(request.match_info["token"])
        elapsed = asyncio.get_running_loop().time() - asked.born if asked else 0.0
        if asked is None or elapsed > self._state.acknowledge_within_s:
            raise Refusal(404, 10062, "Unknown interaction")
        if asked.acknowledged_after_s is not None:
            raise Refusal(400, 40060, "Interaction has already been acknowledged.")
        data = body.get("data") or {}
        if body["type"] == IMMEDIATE:
            _check_content(data.get("content"))
        asked.acknowledged_after_s = elapsed
        thinking = THINKING if body["type"] == DEFERRED else 0
        flags = data.get("flags", 0) | thinking
        asked.original = self._message(asked.channel_id, data.get("content") or "") | {"flags": flags}
        if request.query.get("with_response") not in {"1", "true", "True"}:
            return web.Response(status=204)
        callback = {"id": str(asked.id), "type": 2, "response_message_id": asked.original["id"]}
        resource = {"type": body["type"], "message": asked.original}
        return as_json({"interaction": callback, "resource": resource})

    async def _patch_original(self, request: web.Request, body: Json) -> web.StreamResponse:
        original = self._acknowledged(request).original
        assert original is not None
        _check_content(body.get("content"))
        original |= {"content": body["content"], "flags": original["flags"] & ~THINKING}
        return as_json(original)

    async def _follow_up(self, request: web.Request, body: Json) -> web.StreamResponse:
        asked = self._acknowledged(request)
        assert asked.original is not None
        if asked.original["flags"] & THINKING:
            return await self._patch_original(request, body)
        _check_content(body.get("content"))
        flags = body.get("flags", 0)
        asked.followups.append(self._message(asked.channel_id, body["content"]) | {"flags": flags})
        return as_json(asked.followups[-1])

    def _acknowledged(self, request: web.Request) -> Asked:
        asked = self._state.asked.get(request.match_info["token"])
        if asked is None or asked.acknowledged_after_s is None:
            raise Refusal(404, 10015, "Unknown Webhook")
        return asked

    def _stored_message(self, request: web.Request) -> Json:
        stored = self._state.messages.get(int(request.match_info["message"]))
        if stored is None:
            raise Refusal(404, 10008, "Unknown Message")
        return stored

    def _store(self, channel_id: int, body: Json) -> Json:
        _check_content(body.get("content"))
        nonce = body.get("nonce")
        for earlier in self._state.messages.values():
            if nonce is not None and body.get("enforce_nonce") and earlier.get("nonce") == nonce:
                return earlier
        stored = self._message(channel_id, body["content"]) | {"flags": body.get("flags", 0), "nonce": nonce}
        if reference := body.get("message_reference"):
            ids = {key: str(value) for key, value in reference.items() if key.endswith("_id")}
            stored |= {"type": 19, "message_reference": ids | {"type": 0}}
        self._state.messages[int(stored["id"])] = stored
        return stored

    def _message(self, channel_id: int, content: str) -> Json:
        return message(self._state.new_id(), channel_id, BOT, content, guild_id=str(GUILD_ID))


def as_json(said: Json | list[Json], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    # discord.py decodes "application/json" alone, as Discord sends it: no charset behind it
    return web.Response(body=json.dumps(said).encode(), content_type="application/json", status=status, headers=headers)


def _check_content(content: str | None) -> None:
    if not content or not content.strip():
        raise Refusal(400, 50006, "Cannot send an empty message")
    if len(content.encode("utf-16-le")) // 2 > MESSAGE_LIMIT:
        raise Refusal(400, 50035, "Invalid Form Body: content: Must be 2000 or fewer in length.")


def _refusal(fault: Fault) -> Refusal:
    refusal = Refusal(fault.status, 0, "fault on demand")
    if fault.status == 429:
        body = {"message": "You are being rate limited.", "retry_after": fault.retry_after_s, "global": False}
        # without Via discord.py takes it for a ban by the network in front of Discord, and gives up
        headers = {"Via": "1.1 google", "Retry-After": str(fault.retry_after_s)}
        refusal.response = as_json(body, status=429, headers=headers)
    return refusal
