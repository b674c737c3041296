"""A stand-in for a model hub on loopback: answers as Hugging Face's does, keeps its files elsewhere, and fails as it is told.

`HubServer` is the hub; it redirects to a second server, the store, under another port. Both note every request.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Fault = Callable[["Answer"], None]
"""Acts in place of the ordinary answer to one request."""
COMMIT = "c0ffee" * 6 + "c0ff"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came."""

    server: str
    method: str
    path: str
    headers: dict[str, str]


class Answer(BaseHTTPRequestHandler):
    """One request, and the means to answer it."""

    protocol_version = "HTTP/1.1"
    hub: HubServer
    role: str

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: tests read `asked`."""

    def status(self, code: int, **headers: str) -> None:
        """An answer without a body; `Retry_After` is the header Retry-After."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def ordinary(self) -> None:
        """As a hub without faults answers."""
        content = self.hub.files.get(self.path.split("?")[0])
        if content is None:
            self.status(404)
        elif self.role == "hub" and not self.hub.direct:
            self.stated(f"{self.hub.store_address}{self.path}?signature=s3cret")
        else:
            self.content(content)

    def stated(self, location: str) -> None:
        """The redirect to where the file is, with what the hub states of it."""
        content = self.hub.files[self.path]
        self.status(
            302,
            Location=location,
            X_Repo_Commit=COMMIT,
            X_Linked_Size=str(len(content)),
            X_Linked_Etag=f'"{hashlib.sha256(content).hexdigest()}"',
        )

    def content(self, content: bytes, *, sent: int | None = None) -> None:
        """The bytes that are asked for by Range; only `sent` of them, if given, and then the connection is cut."""
        start, whole = 0, len(content)
        asked = self.headers.get("Range")
        if asked and self.hub.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(whole - start))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[start:] if sent is None else content[start : start + sent])
            self.close_connection = self.close_connection or sent is not None

    def _answer(self) -> None:
        self.hub.asked.append(Asked(self.role, self.command, self.path, dict(self.headers)))
        faults = self.hub.faults.get((self.role, self.command), [])
        (faults.pop(0) if faults else Answer.ordinary)(self)


@dataclass
class HubServer:
    """Files by their path under the hub, and the faults to show first, by (server, method); use it as a context manager."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[tuple[str, str], list[Fault]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    ranges: bool = True
    direct: bool = False
    """Whether the hub gives the files itself, as a small mirror does."""

    def publish(self, repository: str, file: str, content: bytes, revision: str = "main") -> str:
        """Make a file available; returns its checksum."""
        self.files[f"/{repository}/resolve/{revision}/{file}"] = content
        return hashlib.sha256(content).hexdigest()

    @property
    def address(self) -> str:
        return self._address(0)

    @property
    def store_address(self) -> str:
        return self._address(1)

    def _address(self, number: int) -> str:
        return f"http://127.0.0.1:{self._servers[number].server_address[1]}"

    def __enter__(self) -> Self:
        self._servers = [
            ThreadingHTTPServer(("127.0.0.1", 0), type(role, (Answer,), {"hub": self, "role": role}))
            for role in ("hub", "store")
        ]
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in self._servers]
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.daemon_threads = True
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
