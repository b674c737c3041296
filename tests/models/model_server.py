"""A stand-in for an OpenAI-compatible model server on loopback, which answers as it is told to, faults included."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

WAIT_S = 20.0
"""A wrong test fails after so many seconds, and does not hang."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


class Exchange(BaseHTTPRequestHandler):
    """One request on its connection, with the few things that replies do with it."""

    protocol_version = "HTTP/1.1"
    server: _Http
    body: Any = None

    def do_GET(self) -> None:
        self._take(None)
        self.server.owner.checked.set()
        self.whole(200 if self.server.owner.well else 500, {"data": []})

    def do_POST(self) -> None:
        self._take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        owner = self.server.owner
        reply = owner.replies.popleft() if owner.replies else answer("hel", "lo")
        try:
            reply(self)
        except OSError:  # the client has closed the connection
            owner.left.set()
            self.close_connection = True

    def whole(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        given = {"Content-Type": "application/json", "Content-Length": str(len(raw))} | dict(headers or {})
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def bytes_(self, raw: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(raw), raw))
        self.wfile.flush()

    def event(self, event: Any) -> None:
        self.bytes_(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n")

    def piece(self, text: str, **more: Any) -> None:
        self.event({"choices": [{"index": 0, "delta": {"content": text}, **more}]})

    def end(self, reason: str = "stop", usage: Any = None) -> None:
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        if usage is not None:
            self.event({"choices": [], "usage": usage})
        self.bytes_(b"data: [DONE]\n\n")
        self.bytes_(b"")

    def cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *arguments: Any) -> None:
        """Keep the tests' output clean."""

    def _take(self, body: Any) -> None:
        self.body = body
        self.server.owner.asked.append(Asked(self.command, self.path, dict(self.headers.items()), body))


Reply = Callable[[Exchange], None]
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}


def answer(*pieces: str, reason: str = "stop", usage: Any = USAGE) -> Reply:
    def reply(exchange: Exchange) -> None:
        exchange.begin()
        exchange.event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]})
        for piece in pieces:
            exchange.piece(piece)
        exchange.end(reason, usage)

    return reply


def held(release: threading.Event, *pieces: str) -> Reply:
    """An answer that comes only once `release` is set."""

    def reply(exchange: Exchange) -> None:
        exchange.server.owner.holding.release()
        assert release.wait(WAIT_S)
        answer(*pieces)(exchange)

    return reply


def endless(*pieces: str) -> Reply:
    """Pieces, and then signs of life for ever."""

    def reply(exchange: Exchange) -> None:
        exchange.begin()
        for piece in pieces:
            exchange.piece(piece)
        exchange.server.owner.holding.release()
        never = threading.Event()
        while not never.wait(0.01):
            exchange.bytes_(b": still here\n\n")

    return reply


def cut(*pieces: str) -> Reply:
    """Pieces, and then the connection is gone."""

    def reply(exchange: Exchange) -> None:
        exchange.begin()
        for piece in pieces:
            exchange.piece(piece)
        exchange.cut()

    return reply


def refusal(status: int, body: Any = None, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.whole(status, {} if body is None else body, named)


def raw(*chunks: bytes) -> Reply:
    """The bytes of an event stream, each chunk by itself."""

    def reply(exchange: Exchange) -> None:
        exchange.begin()
        for chunk in chunks:
            exchange.bytes_(chunk)
        exchange.bytes_(b"")

    return reply


class ModelServer:
    """A server that gives `replies` in order, and then "hello"; `asked` is what it was asked.

    `checked` is set once its health was asked for, `left` once a client has closed its connection in the middle of an
    answer, and `holding` is released by each reply that is `held` or `endless`. Its check of health fails while `well`
    is False.
    """

    def __init__(self, *replies: Reply) -> None:
        self.replies = deque(replies)
        self.asked: list[Asked] = []
        self.left = threading.Event()
        self.checked = threading.Event()
        self.holding = threading.Semaphore(0)
        self.well = True
        self._http = _Http(("127.0.0.1", 0), Exchange)
        self._http.owner = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def posts(self) -> Sequence[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    owner: ModelServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that has left is what some tests are about
            super().handle_error(request, client_address)


def closed_address() -> str:
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"
