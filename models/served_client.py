"""Asks a pool of model servers over HTTP, in an event loop of its own, for callers in any thread. Knows no LangChain.

It uses httpx2 and not the `openai` package: the few requests made here need none of what that adds (environment
variables that change where a request goes, headers about this machine, retries of its own), and closing a stream must
close its connection. Proxies and certificates named in environment variables are not used (`trust_env` is off): prompts
hold the company's documents and go to the named servers or nowhere. Redirects are not followed. Every request has a
connection of its own: the millisecond it costs is nothing to an answer, and none is ever found closed by the other side.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from models.engine import Cancel, Channel, Finished, Generation, TokenUsage
from models.errors import EngineBusy, EngineFailed, ModelConfigError, ModelError, WrongServer
from models.served_pool import Pool, Server
from models.served_protocol import AnswerReader, refusal

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

CONNECT_S = 5.0
SEND_S = 30.0
"""For a prompt to be taken; how long its answer may take is the deadline's affair."""
CHECK_S = 2.0
CLOSED = "The connection to the model servers was closed; ask again after the restart."
MOST_REFUSAL_BYTES = 64 * 1024
"""So much of a refusal is read."""


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """A server, why it is left out ("" if it is not), and the requests it is working on for us."""

    url: str
    problem: str
    under_way: int


@dataclass(frozen=True, slots=True)
class _Post:
    """A request ready to be sent to any of the servers; `key` stands in no repr."""

    path: str
    body: bytes
    model: str
    key: str = field(repr=False)


class ServedClient:
    """A pool of servers of one model. Nothing is opened before the first request; close it after use.

    `base_urls` end in the version, as OpenAI clients take them (`http://gpu1:8000/v1`); without a path, `/v1` is meant.
    `api_key_file` holds a key on one line and is read for each request. `ca_file` has the certificates (PEM) that https
    servers are trusted by, in place of the system's. Raises ModelConfigError for an address that cannot be one.
    """

    def __init__(
        self, base_urls: Iterable[str], *, api_key_file: Path | str | None = None, ca_file: Path | str | None = None
    ) -> None:
        urls = [base_urls] if isinstance(base_urls, str) else list(base_urls)
        if not urls:
            raise ModelConfigError("No model server is named; set base_urls to the address of at least one.")
        self._pool = Pool(dict.fromkeys(map(_address, urls)))
        self._api_key_file = Path(api_key_file) if api_key_file else None
        self._ca_file = Path(ca_file) if ca_file else None
        self._lock = threading.Lock()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http: httpx2.AsyncClient
        self._stop: Callable[[], object] = lambda: None
        self._checks: dict[Server, asyncio.Task[None]] = {}  # only the loop touches it

    def generate(
        self, body: dict[str, Any], *, conversation: str, deadline_s: float, cancel: Cancel | None = None
    ) -> Generation:
        """Ask for a streamed answer and return its stream at once; the deadline counts from now.

        Raises ModelConfigError if the key cannot be read, EngineFailed once closed. The stream raises EngineBusy,
        EngineFailed, PromptTooLong or ModelConfigError. Another server is tried only before the first token has come.
        """
        post = self._post("/chat/completions", body)
        generation = Generation(cancel := cancel or Cancel())
        channel = generation.channel
        future = self._submit(lambda: self._answer(post, conversation, deadline_s, channel))
        future.add_done_callback(lambda done: channel.put(self._ending(done)))
        cancel.then(future.cancel)
        return generation

    def ask(self, path: str, body: dict[str, Any], read: Callable[[bytes, str], T], *, deadline_s: float) -> T:
        """Ask for a whole answer, wait for it, and `read` its body (with the address it came from).

        Raises as `generate` and its stream do; EngineFailed also at the deadline.
        """
        post = self._post(path, body)

        async def attempt(server: Server) -> T:
            async with self._sent(server, post) as response:
                if response.status_code != 200:
                    raise await _refusal(server, post, response)
                return read(await response.aread(), server.url)

        async def within() -> T:
            try:
                async with asyncio.timeout(deadline_s):
                    return await self._try("", attempt)
            except TimeoutError as error:
                raise EngineFailed(
                    f"{post.model} did not answer within {deadline_s:.0f} seconds; try again."
                ) from error

        return self._wait(within)

    def check(self) -> list[ServerHealth]:
        """Ask every server for its models and say how each is; for monitoring."""

        async def check_all() -> None:
            await asyncio.wait([self._checking(server) for server in self._pool.servers])

        self._wait(check_all)
        return [ServerHealth(each.url, each.problem, each.under_way) for each in self._pool.servers]

    def close(self) -> None:
        """End what is under way; whoever waits for it gets EngineFailed. May be called again."""
        with self._lock:
            self._closed = True
        self._stop()

    def _post(self, path: str, body: dict[str, Any]) -> _Post:
        try:
            encoded = json.dumps(body).encode()
        except (TypeError, ValueError) as error:
            raise ModelConfigError(f"An argument of this call is not JSON ({error}); mend it.") from error
        return _Post(path, encoded, str(body["model"]), _key(self._api_key_file) if self._api_key_file else "")

    def _submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        with self._lock:
            if self._closed:
                raise EngineFailed(CLOSED)
            if self._loop is None:
                self._http = _http(self._ca_file)
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(target=_run, args=(self._loop,), name="kura-served", daemon=True)
                thread.start()
                self._stop = weakref.finalize(self, _end, self._loop, thread)
            return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def _wait(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return self._submit(work).result()
        except CancelledError as error:
            raise EngineFailed(CLOSED) from error

    def _ending(self, done: Future[Finished]) -> Finished | ModelError:
        if done.cancelled():
            return EngineFailed(CLOSED) if self._closed else Finished("cancelled", TokenUsage())
        error = done.exception()
        if error is None:
            return done.result()
        if isinstance(error, ModelError):
            return error
        failed = EngineFailed(f"Asking the model servers failed ({type(error).__name__}); try again.")
        failed.__cause__ = error
        return failed

    async def _answer(self, post: _Post, conversation: str, deadline_s: float, channel: Channel) -> Finished:
        reader = AnswerReader(post.model, channel.put)
        asked: list[Server] = []

        async def attempt(server: Server) -> None:
            asked.append(server)
            await self._stream(server, post, reader)

        try:
            async with asyncio.timeout(deadline_s):
                await self._try(conversation, attempt, lambda: reader.begun)
        except TimeoutError:
            if asked and not reader.begun:
                self._checking(asked[-1])  # slow, or does it hang?
            return reader.finished("deadline")
        return reader.finished()

    async def _try(
        self, conversation: str, attempt: Callable[[Server], Awaitable[T]], begun: Callable[[], bool] = lambda: False
    ) -> T:
        """Ask one server after the other until one answers, or has begun to."""
        tried: list[Server] = []
        error: ModelError | None = None
        while (server := await self._choose(conversation, tried)) is not None:
            tried.append(server)
            server.under_way += 1
            server.requests += 1
            try:
                answer = await attempt(server)
            except EngineBusy as busy:
                self._pool.busy(server, busy.retry_after_s)
                error = busy
            except (EngineFailed, WrongServer) as failed:
                self._pool.failed(server, str(failed))
                if begun():
                    raise
                error = failed
            else:
                self._pool.answered(server)
                return answer
            finally:
                server.under_way -= 1
        raise (error if isinstance(error, WrongServer) else self._pool.refusal(error)) from error

    async def _choose(self, conversation: str, tried: list[Server]) -> Server | None:
        for server in self._pool.due():
            self._checking(server)
        chosen = self._pool.choose(conversation, tried)
        if chosen is None and (down := self._pool.down(tried)):
            await asyncio.wait([self._checking(server) for server in down])
            chosen = self._pool.choose(conversation, tried)
        return chosen

    def _checking(self, server: Server) -> asyncio.Task[None]:
        """The check of a server that is under way, or a new one."""
        if server not in self._checks:
            self._checks[server] = task = asyncio.get_running_loop().create_task(self._check(server))
            task.add_done_callback(lambda _: self._checks.pop(server, None))
        return self._checks[server]

    async def _check(self, server: Server) -> None:
        import httpx2

        try:
            headers = _headers(_key(self._api_key_file) if self._api_key_file else "")
            async with (
                asyncio.timeout(CHECK_S),
                self._http.stream("GET", f"{server.url}/models", headers=headers) as response,
            ):
                problem = "" if response.status_code < 500 else f"is not ready ({response.status_code})"
        except (httpx2.RequestError, TimeoutError) as error:
            problem = f"cannot be reached ({type(error).__name__})"
        except ModelConfigError as error:  # the key: the next request says the same to whoever asks
            problem = f"was not asked: {error}"
        if problem:
            self._pool.failed(
                server, f"The model server {server.url} {problem}; start it, or take it out of base_urls."
            )
        else:
            self._pool.well(server)

    async def _stream(self, server: Server, post: _Post, reader: AnswerReader) -> None:
        import httpx2

        async with self._sent(server, post) as response:
            kind = response.headers.get("content-type", "")
            if response.status_code != 200 or not kind.startswith("text/event-stream"):
                raise await _refusal(server, post, response)
            events = cast("AsyncGenerator[httpx2.ServerSentEvent]", aiter(httpx2.EventSource(response)))
            async with contextlib.aclosing(events):
                async for event in events:
                    if reader.take(event.data, server.url):
                        return
        if not reader.complete:
            raise EngineFailed(f"The model server {server.url} broke off in the middle of an answer; try again.")

    @contextlib.asynccontextmanager
    async def _sent(self, server: Server, post: _Post) -> AsyncGenerator[httpx2.Response]:
        """The response to a request, closed at the end; faults of the connection become EngineFailed."""
        import httpx2

        try:
            async with self._http.stream(
                "POST", server.url + post.path, content=post.body, headers=_headers(post.key)
            ) as response:
                yield response
        except httpx2.RequestError as error:
            raise EngineFailed(
                f"The model server {server.url} cannot be reached or broke off ({type(error).__name__}); "
                "see whether it runs."
            ) from error


def _http(ca_file: Path | None) -> httpx2.AsyncClient:
    import httpx2

    try:
        trusted = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ModelConfigError(
            f"The certificates in {ca_file} cannot be read ({type(error).__name__}); mend ca_file."
        ) from error
    return httpx2.AsyncClient(
        verify=trusted,
        trust_env=False,
        timeout=httpx2.Timeout(None, connect=CONNECT_S, write=SEND_S),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        headers={"User-Agent": "kura", "Accept-Encoding": "identity"},
    )


def _run(loop: asyncio.AbstractEventLoop) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:  # its end cancels what still runs
        runner.get_loop().run_forever()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join()


def _address(url: str) -> str:
    """A base URL in the form requests are made with; the message of a refusal does not repeat it: it may hold a password."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or "@" in parts.netloc or parts.query or parts.fragment:
        raise ModelConfigError(
            "A model server's address must look like http://host:port/v1, without a user, a key or a query in it; "
            "mend base_urls, and put the key into a file for api_key_file."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v1'}"


def _key(path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ModelConfigError(f"The key file {path} cannot be read ({reason}); mend api_key_file.") from error
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ModelConfigError(f"The key file {path} does not hold a key on one line; write it anew.")
    return key


def _headers(key: str) -> dict[str, str]:
    return {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})


async def _refusal(server: Server, post: _Post, response: httpx2.Response) -> ModelError:
    body = b""
    async for chunk in response.aiter_bytes(MOST_REFUSAL_BYTES):
        body = chunk
        break
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    return refusal(server.url, post.model, response.status_code, told, response.headers.get("retry-after"))
