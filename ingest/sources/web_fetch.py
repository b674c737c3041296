"""Fetches addresses of the web, and cannot be turned against the machines around it. The only network access of `ingest/`.

A name is resolved once, every address it has must be public (or its host on the list), and the connection goes to the very
address that was checked, while TLS still checks the name. No redirect is followed here, no proxy or other setting is taken
from the environment, and there are no cookies. Bytes, decompressed bytes and time have an end. It is written over httpcore2,
which is httpx2 without exactly those comforts, and lets the connecting be ours.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore2

from ingest.sources.folder import MAX_BYTES
from ingest.sources.web_address import AllowList, Refused, check_machine, parse_address

AGENT = "kura"
"""By this name robots.txt can speak to us."""
ATTEMPTS = 3
LONGEST_WAIT_S = 60.0
"""That a server may ask for; one that asks for more is left alone."""
_AGAIN = frozenset({429, 502, 503, 504})
_OVERHEAD = 2**20
"""Bytes that headers and chunk marks may add to a body."""
_PIECE = 2**20
_WINDOW = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}

Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one source may take: pages, links away from the start, seconds, bytes of a page (also when unpacked)."""

    pages: int = 5000
    depth: int = 10
    delay_s: float = 0.5
    """Between two requests."""
    timeout_s: float = 20.0
    """To connect, and for the next bytes."""
    total_s: float = 120.0
    """For one page from the first byte to the last."""
    page_bytes: int = MAX_BYTES


class FetchFault(Exception):
    """A page did not come this time; its message is part of a sentence for people."""


class TooLarge(FetchFault):
    """A page is larger than a document may be."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, whatever its status; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def resolve(host: str, port: int) -> Sequence[str]:
    """The IP addresses of a host; raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _Stream(httpcore2.NetworkStream):
    """A connection whose bytes and seconds are counted."""

    def __init__(self, stream: httpcore2.NetworkStream, meter: _Network) -> None:
        self._stream = stream
        self._meter = meter

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, self._meter.left_s(timeout))
        self._meter.count(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._meter.left_s(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._meter.left_s(timeout)), self._meter)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


class _Network(httpcore2.NetworkBackend):
    """Connects to checked addresses only, and meters the request under way."""

    def __init__(self, allowed: AllowList, resolve: Resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._machines: dict[tuple[str, int], Sequence[str]] = {}
        self._until = 0.0
        self._bytes_left = 0

    def begin(self, total_s: float, most_bytes: int) -> None:
        """A request begins, which may take so long and bring so much."""
        self._until = time.monotonic() + total_s
        self._bytes_left = most_bytes

    def left_s(self, timeout: float | None) -> float:
        """Seconds the next step may take."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise FetchFault("it came too slowly")
        return left if timeout is None else min(left, timeout)

    def count(self, came: int) -> None:
        """Take note of bytes that came."""
        self._bytes_left -= came
        if self._bytes_left < 0:
            raise TooLarge("it is larger than a document may be")

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        fault: Exception = Refused("its host has no address")
        for machine in self._checked(host, port):
            try:
                stream = httpcore2.SyncBackend().connect_tcp(
                    machine, port, self.left_s(timeout), local_address, socket_options
                )
                return _Stream(stream, self)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                fault = error
        raise fault

    def _checked(self, host: str, port: int) -> Sequence[str]:
        if (host, port) not in self._machines:
            try:
                found = self._resolve(host, port)
            except (OSError, UnicodeError) as error:
                raise FetchFault(f"{host} has no address now") from error
            trusted = self._allowed.trusts(host, port)
            self._machines[host, port] = [check_machine(machine, trusted=trusted) for machine in found]
        return self._machines[host, port]


class Fetcher:
    """One client of the web, for one sync. Raises Refused for an entry of `allow_hosts` that is none."""

    def __init__(
        self,
        allow_hosts: Iterable[str] = (),
        limits: Limits | None = None,
        *,
        resolve: Resolve = resolve,
        wait: Callable[[float], None] = time.sleep,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = AllowList(allow_hosts)
        self._limits = limits or Limits()
        self.delay_s = self._limits.delay_s
        """Seconds between two requests; a site's robots.txt may ask for more."""
        self._wait = wait
        self._last = 0.0
        self._network = _Network(self._allowed, resolve)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls, max_connections=1, keepalive_expiry=10.0, network_backend=self._network
        )

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Fetched:
        """The answer to a request, which is sent again after a passing fault. Raises Refused or FetchFault."""
        for attempt in range(ATTEMPTS):
            last = attempt + 1 == ATTEMPTS
            asked_s = 2.0**attempt
            try:
                answer = self._once(url, headers or {})
            except (httpcore2.NetworkError, httpcore2.ProtocolError) as fault:
                if last:
                    raise FetchFault("no connection, or a broken one") from fault
            except httpcore2.TimeoutException as fault:
                raise FetchFault(f"no answer in {self._limits.timeout_s:.0f} s") from fault
            else:
                asked_s = max(asked_s, _retry_after(answer.headers.get("retry-after", "")))
                if last or answer.status not in _AGAIN or asked_s > LONGEST_WAIT_S:
                    return answer
            self._wait(asked_s)
        raise FetchFault("no answer")  # not reached: the last attempt returns or raises

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()

    def _once(self, url: str, headers: Mapping[str, str]) -> Fetched:
        address = parse_address(url)
        self._allowed.check_port(address)
        early = self.delay_s - (time.monotonic() - self._last)
        if early > 0 and self._last:
            self._wait(early)
        self._network.begin(self._limits.total_s, self._limits.page_bytes + _OVERHEAD)
        sent = {
            "Host": address.netloc,
            "User-Agent": AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            **headers,
        }
        step = self._limits.timeout_s
        timeout = {"connect": step, "read": step, "write": step, "pool": step}
        target = httpcore2.URL(scheme=address.scheme, host=address.host, port=address.port, target=address.target)
        try:
            with self._pool.stream("GET", target, headers=[*sent.items()], extensions={"timeout": timeout}) as response:
                got: dict[str, str] = {}
                for raw_name, raw_value in response.headers:
                    name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
                    got[name] = f"{got[name]}, {value}" if name in got else value
                body = b"".join(self._body(response.iter_stream(), got.get("content-encoding", "")))
                return Fetched(response.status, got, body)
        finally:
            self._last = time.monotonic()

    def _body(self, pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
        encoding = encoding.strip().lower()
        if encoding in {"", "identity"}:
            return unpacked(pieces, "", self._limits.page_bytes)
        if encoding not in _WINDOW:
            raise FetchFault("it is packed in a way that was not asked for")
        return unpacked(pieces, encoding, self._limits.page_bytes)


def unpacked(pieces: Iterable[bytes], encoding: str, most: int) -> Iterator[bytes]:
    """The bytes that were packed by gzip or deflate, or as they are (""), at most `most`; raises FetchFault, TooLarge."""
    for piece in _inflated(pieces, encoding) if encoding else pieces:
        most -= len(piece)
        if most < 0:
            raise TooLarge("it is larger than a document may be")
        yield piece


def _inflated(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """In pieces of bounded size, however much a few bytes unfold to."""
    window = _WINDOW[encoding]
    inflate = zlib.decompressobj(window)
    begun = False
    try:
        for piece in pieces:
            if not begun and encoding == "deflate" and piece and piece[0] & 0x0F != zlib.DEFLATED:
                inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers leave the zlib header out
            rest, full = piece, False
            while rest or full:
                if inflate.eof and (encoding == "deflate" or not rest.strip(b"\0")):
                    break  # padding
                if inflate.eof:
                    inflate = zlib.decompressobj(window)  # gzip files may follow each other
                begun = True
                out = inflate.decompress(rest, _PIECE)
                rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
                full = len(out) == _PIECE  # there may be more, even without more to read
                yield out
    except zlib.error as error:
        raise FetchFault("it is packed wrongly") from error
    if begun and not inflate.eof:
        raise FetchFault("it ended midway")


def _retry_after(text: str) -> float:
    """Seconds that a server asks to wait: a number, or until a date."""
    if re.fullmatch(r"\d{1,9}", text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    return (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
