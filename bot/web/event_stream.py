"""Server-sent events as an HTTP answer: begun late, kept alive, ended with the client. Knows no event by name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from fastapi.sse import KEEPALIVE_COMMENT
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bot.web.disconnects import while_connected

HEARTBEAT_S = 15.0
"""Shorter than the idle limits of common proxies (30 to 60 s)."""


class EventStream(Response):
    """Sends `events`, already in wire format, as they come.

    The answer begins with the first event (or heartbeat), so that a fault before it still gets its own HTTP status; a
    fault after it becomes the event that `fault_event` makes. When the client goes, `events` is closed at once.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        *,
        fault_event: Callable[[Exception], bytes],
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({"X-Accel-Buffering": "no"})
        self._events = events
        self._fault_event = fault_event
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def push(chunk: bytes) -> None:
            nonlocal begun
            if not begun:
                begun = True
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        async def push_all() -> None:
            async with aclosing(self._events) as events:
                try:
                    async for event in events:
                        await push(event)
                except Exception as error:
                    if not begun:
                        raise
                    await push(self._fault_event(error))

        await while_connected(push_all(), receive, heartbeat=lambda: push(KEEPALIVE_COMMENT), every_s=self._heartbeat_s)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
