"""A web site on this machine for tests: pages by path, faults on demand, and what it was asked."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass
class Reply:
    """What a path answers."""

    body: bytes = b""
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Reply | Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers from the site's table; knows conditional requests."""

    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        self.site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        answer = self.site.pages.get(self.path, Reply(status=404))
        if not isinstance(answer, Reply):
            answer(self)
            self.close_connection = True
            return
        etag = f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
        tagged = self.site.etags and answer.status == 200
        if tagged and self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(answer.status)
        if tagged:
            self.send_header("ETag", etag)
        if answer.kind:
            self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: Any) -> None:
        pass


class Site:
    """Serves `pages` at `address` until the block ends."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.pages: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.etags = True
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": self}))
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients go away on purpose
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.address = f"http://{self.host}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def page(self, path: str, *links: str, text: str = "", head: str = "", **reply: Any) -> None:
        """Put an HTML page with links to others."""
        anchors = "".join(f'<p><a href="{link}">to {link}</a></p>' for link in links)
        html = f"<html><head>{head}</head><body><h1>{path}</h1><p>{text}</p>{anchors}</body></html>"
        self.pages[path] = Reply(html.encode(), **reply)

    def paths(self) -> list[str]:
        """What was asked for since the last look, robots.txt apart."""
        found = [path for path, _ in self.asked if path != "/robots.txt"]
        self.asked.clear()
        return found

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def raw(*pieces: bytes, wait: Callable[[], object] = lambda: None) -> Callable[[Handler], None]:
    """An answer sent byte for byte, with `wait` between the pieces; then the connection is cut."""

    def answer(handler: Handler) -> None:
        try:
            for piece in pieces:
                handler.connection.sendall(piece)
                wait()
            handler.connection.shutdown(socket.SHUT_WR)
        except OSError:
            return

    return answer
