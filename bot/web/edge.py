"""What happens to every request, whatever its route: id, host check, body limit, headers, faults, log line and count.

Knows no route and reads no body: it only counts its bytes. The log holds no question, query string or credential.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.web.disconnects import Disconnected
from bot.web.faults import fault_response
from bot.web.metrics import Metrics
from ingest.sources.uploads import MAX_ARCHIVE_BYTES

MAX_BODY_BYTES = 1024 * 1024
"""A question is a few kilobytes at most; what is larger is refused before it is kept."""
LARGER_BODIES = (("/v1/hooks/", 25 * 1024 * 1024), ("/v1/sources/", MAX_ARCHIVE_BYTES))
"""By the beginning of a path: what GitHub's pushes hold at most, and files that are written to disk as they come."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every answer; a route that needs another value sets it itself."""

_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<name>[^\[\]:/@\s]+))(?::\d{1,5})?")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"})
_STATUS_CLIENT_GONE = 499


class Edge:
    """ASGI middleware around the whole application.

    `hosts` are the names this server answers to, as a browser's address bar has them (`[::1]`; a port says nothing): a page
    of another site that had its own name resolve to this server (DNS rebinding) is not among them.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], metrics: Metrics) -> None:
        self._app = app
        self._hosts = frozenset(_host_name(host) or host.lower() for host in hosts)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = _STATUS_CLIENT_GONE
        begun = False

        async def send_dressed(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                dressed = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    dressed.setdefault(name, value)
                dressed["X-Request-Id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._answer(scope, headers, receive, send_dressed)
            except Disconnected:
                status = _STATUS_CLIENT_GONE
            except Exception as error:
                if begun:
                    raise  # only the server can still break the answer off
                await fault_response(Request(scope), error)(scope, receive, send_dressed)
            finally:
                self._record(scope, status, started)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if not self._is_ours(headers.getlist("host")):
            raise HTTPException(
                421, "This server does not answer to the host name in the request: add it to the hosts in the settings."
            )
        await self._app(scope, _limited(receive, headers, _most(scope["path"])), send)

    def _is_ours(self, named: list[str]) -> bool:
        """True if the request names one host, and that is ours. (Two would let a proxy and us see different ones.)"""
        return len(named) == 1 and _host_name(named[0]) in self._hosts

    def _record(self, scope: Scope, status: int, started: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.answered_request(method=method, route=route, status=status)
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        structlog.get_logger(__name__).info("request", method=method, route=route, status=status, ms=milliseconds)


def _host_name(named: str) -> str | None:
    """The name in a host header, without brackets and port, in lower case; None if it is none."""
    host = _HOST.fullmatch(named)
    return (host["ipv6"] or host["name"]).lower() if host else None


def _request_id(headers: Headers) -> str:
    """The id a proxy gave, if it is harmless; else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def _most(path: str) -> int:
    """Bytes that the body of a request to `path` may have."""
    return next((most for beginning, most in LARGER_BODIES if path.startswith(beginning)), MAX_BODY_BYTES)


def _limited(receive: Receive, headers: Headers, most: int) -> Receive:
    """`receive`, refusing a body over `most` bytes, declared or sent."""
    declared = headers.get("content-length", "")
    read = int(declared) if declared.isdecimal() and len(declared) < 20 else 0
    too_large = HTTPException(413, f"The body is larger than {most // 1024} KiB: send a shorter one.")

    if read > most:

        async def refuse() -> Message:
            raise too_large

        return refuse

    received = 0

    async def count() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise too_large
        return message

    return count
