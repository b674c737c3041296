"""How the REST half answers: JSON, Discord's error bodies, faults on demand and rate limits. Knows no route."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, web

from tests.bot.discord_bot.standin.payloads import Json
from tests.bot.discord_bot.standin.state import Call, Fault, State

Handler = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]
Files = list[tuple[int, str, bytes]]
"""What came with a request: number, name and content of each file."""

FILES = web.RequestKey("files", list)


class Refusal(Exception):
    """An answer with Discord's error body."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.response: web.StreamResponse = as_json({"code": code, "message": text}, status=status)


class Cut(Exception):
    """No answer: the connection is reset."""


def as_json(said: Json | list[Json], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    # discord.py decodes "application/json" alone, as Discord sends it: no charset behind it
    return web.Response(body=json.dumps(said).encode(), content_type="application/json", status=status, headers=headers)


class Replying:
    """Each request is recorded, then faults are applied, then it is carried out."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._written: dict[str, deque[float]] = {}

    def add_to(self, router: web.UrlDispatcher, routes: list[tuple[str, str, Handler, bool]]) -> None:
        """Each route: method, path, handler, whether it needs the bot's token."""
        for method, path, handler, needs_token in routes:
            router.add_route(method, "/api/v10" + path, self._wrapped(handler, needs_token=needs_token))

    def _wrapped(
        self, handler: Handler, *, needs_token: bool
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            body, files = await _read(request)
            request[FILES] = files
            path = request.path.removeprefix("/api/v10")
            call = Call(request.method, path, body, at=asyncio.get_running_loop().time())
            self._state.calls.append(call)
            fault = self._state.fault_for(request.method, path)
            try:
                if needs_token and request.headers.get("Authorization") != f"Bot {self._state.token}":
                    raise Refusal(401, 0, "401: Unauthorized")
                if fault and not fault.carried_out:
                    raise _refusal(fault)
                self._limit(request.method, path)
                response = await handler(request, body)
                if fault:
                    raise _refusal(fault)
            except Refusal as refusal:
                response = refusal.response
            except Cut:
                assert request.transport is not None
                socket = request.transport.get_extra_info("socket")
                socket.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))  # closing it now resets it
                request.transport.abort()
                await self._state.notify()
                return web.Response()
            call.status = response.status
            await self._state.notify()
            return response

        return handle

    def _limit(self, method: str, path: str) -> None:
        """Refuse what is over `state.message_rate`, a bucket for each channel (of writing, and of editing)."""
        if self._state.message_rate is None or method not in ("POST", "PATCH") or "/messages" not in path:
            return
        most, per_s = self._state.message_rate
        bucket = self._written.setdefault(f"{method} {path.split('/messages', maxsplit=1)[0]}", deque())
        now = asyncio.get_running_loop().time()
        while bucket and bucket[0] <= now - per_s:
            bucket.popleft()
        if len(bucket) >= most:
            raise _too_many(bucket[0] + per_s - now)
        bucket.append(now)


async def _read(request: web.Request) -> tuple[Any, Files]:
    if not request.content_type.startswith("multipart/"):
        return json.loads(await request.text() or "{}"), []
    body: Any = {}
    files: Files = []
    parts = await request.multipart()
    while (part := await parts.next()) is not None:
        assert not isinstance(part, MultipartReader)
        assert isinstance(part, BodyPartReader)
        content = bytes(await part.read())
        if part.name == "payload_json":
            body = json.loads(content)
        else:
            assert part.name is not None
            files.append((int(part.name.removeprefix("files[").rstrip("]")), part.filename or "", content))
    return body, files


def _refusal(fault: Fault) -> Refusal | Cut:
    if fault.status == 0:
        return Cut()
    if fault.status == 429:
        return _too_many(fault.retry_after_s)
    return Refusal(fault.status, fault.code, "fault on demand")


def _too_many(retry_after_s: float) -> Refusal:
    refusal = Refusal(429, 0, "You are being rate limited.")
    body = {"message": "You are being rate limited.", "retry_after": retry_after_s, "global": False}
    # without Via discord.py takes it for a ban by the network in front of Discord, and gives up
    headers = {"Via": "1.1 google", "Retry-After": str(retry_after_s), "X-RateLimit-Scope": "user"}
    refusal.response = as_json(body, status=429, headers=headers)
    return refusal
