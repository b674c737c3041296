"""Fetches a published model file from a hub that speaks the Hugging Face protocol. The only network access of `models/`.

It is written over httpx2 and not over huggingface_hub because that library (2.4) decides in its imports, from the environment,
that a process is offline, as ours is for everything else; does not compare what it fetched with the checksum; follows a
redirect from https to http; and takes large files over a second protocol with a native part of its own. What remains of it
for one file is small: HEAD says size and checksum, GET with Range brings the bytes, from the hub or from where it points.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import ipaddress
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import quote

import httpx2

from models import gguf
from models.cards import ModelCard
from models.catalogue import FILE_NAME, REPOSITORY
from models.errors import DownloadError, ModelFileError
from models.library import Library, Use

ENDPOINT = "https://huggingface.co"
MOST_DIGITS = 16
"""Of a size in bytes; a longer number is nobody's file."""
MAX_REDIRECTS = 10
ATTEMPTS = 5
"""Tries in a row that bring less than `PROGRESS` bytes."""
PROGRESS = 1 << 20
LONGEST_WAIT_S = 60.0
TIMEOUT_S = 30.0
"""Seconds to wait for a connection, or for the next bytes."""
_T = TypeVar("_T")
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is: bytes on the disk, bytes in all (0: unknown), bytes a second since it was begun or resumed."""

    done: int
    total: int
    rate: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of a repository, and what its card says of it (size in bytes, 0: unknown; checksum, "": unknown)."""

    repository: str
    file: str
    revision: str = "main"
    size: int = 0
    sha256: str = ""

    def __str__(self) -> str:
        return f"{self.repository}/{self.file}"


@dataclass(frozen=True, slots=True)
class _Stated:
    """What the hub says of a file: `etag` tells its versions apart and is the SHA-256 of every large file."""

    size: int
    etag: str
    commit: str


class _Passing(Exception):
    """A fault that another try may not meet; says what happened and how many seconds the hub asks to wait."""

    def __init__(self, said: str, wait_s: float = 0.0) -> None:
        super().__init__(said)
        self.wait_s = wait_s


def _client(timeout_s: float) -> httpx2.Client:
    try:
        return httpx2.Client(timeout=timeout_s, headers={"Accept-Encoding": "identity"})
    except (OSError, ValueError, httpx2.InvalidURL) as error:
        raise DownloadError(
            f"The network settings of the environment cannot be used ({type(error).__name__}): check HTTPS_PROXY, NO_PROXY"
            " and SSL_CERT_FILE."
        ) from error


class Hub:
    """A hub or mirror. The token is sent to it alone, and never over plain http to another machine."""

    def __init__(
        self,
        endpoint: str = "",
        token: str = "",
        *,
        timeout_s: float = TIMEOUT_S,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        named = endpoint or ENDPOINT
        try:
            self._endpoint = httpx2.URL(named if "://" in named else f"https://{named}")
        except httpx2.InvalidURL:
            self._endpoint = httpx2.URL("")
        if self._endpoint.scheme not in {"https", "http"} or not self._endpoint.host:
            raise DownloadError(
                f"The address of the hub is none: give one such as {ENDPOINT} (HF_ENDPOINT, --endpoint)."
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise DownloadError("The token for the hub holds characters that no token has: copy it again (HF_TOKEN).")
        self._token = token
        self._timeout_s = timeout_s
        self._wait = wait

    def pull(
        self, wanted: Wanted, library: Library, use: Use, *, name: str, on_progress: Callable[[Progress], None]
    ) -> ModelCard:
        """Fetch a model file into the library and install it under `name`; an interrupted fetch is gone on with.

        Raises DownloadError, ModelFileError (the name cannot be or is taken), ModelConfigError (no such template).
        """
        _check_names(wanted)
        library.check_free(name, use)
        with _client(self._timeout_s) as client:
            stated = self._retried(lambda: self._ask(client, wanted), wanted)
            _compare(wanted, stated)
            use = replace(use, origin=f"{wanted} at {stated.commit or wanted.revision}")
            try:
                library.make_folder()
                with _partial(library.folder, wanted, stated) as part:
                    _check_room(part, wanted, stated)
                    self._fetch(client, wanted, stated, part, on_progress)
                    sha256 = _check_content(part, wanted, stated)
                    return library.adopt(part, use, name=name, sha256=sha256)
            except OSError as error:
                raise DownloadError(
                    f"{wanted} cannot be written to {library.folder} ({error.strerror}): free some space or check its"
                    " permissions, then run the command again to go on."
                ) from error

    def _ask(self, client: httpx2.Client, wanted: Wanted) -> _Stated:
        with self._open(client, "HEAD", wanted) as response:
            headers = response.headers
            # a redirect's own length and tag are not the file's
            own = {} if response.is_redirect else headers
            size = str(headers.get("X-Linked-Size") or own.get("Content-Length", ""))
            etag = str(headers.get("X-Linked-Etag") or own.get("ETag", ""))
            return _Stated(
                size=int(size) if size.isdecimal() and len(size) < MOST_DIGITS else 0,
                etag=etag.removeprefix("W/").strip('"'),
                commit=re.sub(r"[^\w.-]", "", headers.get("X-Repo-Commit", "")),
            )

    def _fetch(
        self, client: httpx2.Client, wanted: Wanted, stated: _Stated, part: Path, report: Callable[[Progress], None]
    ) -> None:
        begun, before = time.monotonic(), part.stat().st_size

        def on_bytes(done: int) -> None:
            rate = (done - before) / max(time.monotonic() - begun, 1e-6)
            report(Progress(done, stated.size, max(rate, 0.0)))

        with part.open("r+b") as file:
            self._retried(lambda: self._bytes(client, wanted, stated, file, on_bytes), wanted, file.tell)
            file.flush()
            os.fsync(file.fileno())

    def _bytes(
        self,
        client: httpx2.Client,
        wanted: Wanted,
        stated: _Stated,
        file: BinaryIO,
        on_bytes: Callable[[int], None],
    ) -> None:
        """Bring the bytes that are missing, after those that are there."""
        done = file.seek(0, os.SEEK_END)
        if done and done == stated.size:
            on_bytes(done)
            return
        if not stated.etag or not stated.size or done > stated.size:
            done = 0  # nobody can say that it is the beginning of the same file
        with self._open(client, "GET", wanted, {"Range": f"bytes={done}-"} if done else {}) as response:
            if response.status_code != httpx2.codes.PARTIAL_CONTENT:
                done = 0  # all of it comes again
            elif not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
                raise _Passing("another part came than was asked for")
            file.seek(done)
            file.truncate()
            for chunk in response.iter_raw():
                done += file.write(chunk)
                if stated.size and done > stated.size:
                    file.truncate(0)
                    raise DownloadError(
                        f"{self._host} sent more of {wanted} than the {stated.size:,} bytes it states: tell who runs it."
                    )
                on_bytes(done)
        if done < stated.size:
            raise _Passing(f"the connection was cut after {done:,} of {stated.size:,} bytes")

    @contextlib.contextmanager
    def _open(
        self, client: httpx2.Client, method: str, wanted: Wanted, headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx2.Response]:
        """The answer to a request, good or the redirect that states what HEAD wants to know; else raises."""
        path = f"{wanted.repository}/resolve/{quote(wanted.revision, safe='')}/{quote(wanted.file)}"
        url = httpx2.URL(f"{str(self._endpoint).rstrip('/')}/{path}")
        for _ in range(MAX_REDIRECTS + 1):
            request = client.build_request(method, url, headers={**(headers or {}), **self._credentials(url)})
            response = client.send(request, stream=True, follow_redirects=False)
            with contextlib.closing(response):
                if not response.has_redirect_location or (method == "HEAD" and "X-Linked-Etag" in response.headers):
                    self._refuse(response, wanted)
                    yield response
                    return
                url = _next(url, response.headers["Location"], wanted)
        raise DownloadError(f"{self._host} sends requests for {wanted} round in circles: check the endpoint.")

    def _credentials(self, url: httpx2.URL) -> dict[str, str]:
        here = (url.scheme, url.host, url.port) == (self._endpoint.scheme, self._endpoint.host, self._endpoint.port)
        if self._token and here and (url.scheme == "https" or _is_loopback(url.host)):
            return {"Authorization": f"Bearer {self._token}"}
        return {}

    def _refuse(self, response: httpx2.Response, wanted: Wanted) -> None:
        status, host = response.status_code, response.request.url.host
        if status < httpx2.codes.BAD_REQUEST:
            return
        if status in {408, 416, 429} or status >= httpx2.codes.INTERNAL_SERVER_ERROR:
            raise _Passing(
                f"{host} answered with status {status}", _retry_after(response.headers.get("Retry-After", ""))
            )
        if status == httpx2.codes.NOT_FOUND:
            raise DownloadError(
                f"{host} has no {wanted} at the revision {wanted.revision}: check the names, or pull another --quant."
            )
        if status in {401, 403}:
            said = "does not let this token have" if self._token else "wants a token before it gives"
            raise DownloadError(
                f"{host} {said} {wanted}: accept the model's terms on its page there, set HF_TOKEN to a token that may"
                " read it, and check that the repository exists."
            )
        raise DownloadError(f"{host} answered the request for {wanted} with status {status}: check the endpoint.")

    def _retried(self, work: Callable[[], _T], wanted: Wanted, done: Callable[[], int] = lambda: 0) -> _T:
        """Do the work, again after a passing fault; `done` grows while tries are worth their while."""
        tries, reached = 0, done()
        while True:
            try:
                return work()
            except (_Passing, httpx2.TransportError) as fault:
                tries = 1 if done() - reached >= PROGRESS else tries + 1
                reached = done()
                if tries >= ATTEMPTS:
                    raise DownloadError(
                        f"{wanted} could not be fetched from {self._host} in {tries} tries ({self._said(fault)}): check the"
                        " connection, then run the command again to go on."
                    ) from fault
                asked = fault.wait_s if isinstance(fault, _Passing) else 0.0
                self._wait(min(max(asked, 2.0 ** (tries - 1)), LONGEST_WAIT_S))

    def _said(self, fault: Exception) -> str:
        if isinstance(fault, _Passing):
            return str(fault)
        if isinstance(fault, httpx2.TimeoutException):
            return f"no answer in {self._timeout_s:.0f} s"
        # An error's own text may quote a header, and so the token; only what was said while connecting may not.
        return f"no connection: {fault}" if isinstance(fault, httpx2.ConnectError) else "the connection broke"

    @property
    def _host(self) -> str:
        return self._endpoint.host


def token_of(environ: Mapping[str, str]) -> str:
    """The token in HF_TOKEN, or in the file where Hugging Face's own tools keep it; "" if there is none."""
    if token := environ.get("HF_TOKEN", "").strip():
        return token
    home = Path(environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    path = Path(environ.get("HF_TOKEN_PATH") or home / "token").expanduser()
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise DownloadError(f"The token file {path} cannot be read: check its permissions, or remove it.") from error


@contextlib.contextmanager
def _partial(folder: Path, wanted: Wanted, stated: _Stated) -> Iterator[Path]:
    """The hidden file that holds what has come of this version of the file; only one process may write it."""
    told = "\0".join((str(wanted), stated.commit or wanted.revision, stated.etag, str(stated.size)))
    path = folder / f".{hashlib.sha256(told.encode()).hexdigest()[:32]}.download"
    with path.open("ab") as held:
        if not _taken(held, path):
            raise DownloadError(f"{wanted} is being fetched by another process: wait until it is done.")
        yield path


def _taken(held: BinaryIO, path: Path) -> bool:
    """Whether the open file is ours now, and still the one of this name: another process may just have finished it."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(held.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _next(url: httpx2.URL, location: str, wanted: Wanted) -> httpx2.URL:
    try:
        target = url.join(location)
    except httpx2.InvalidURL:
        target = httpx2.URL("")
    if target.scheme not in {"https", "http"} or (url.scheme == "https" and target.scheme == "http"):
        raise DownloadError(
            f"{url.host} sends the request for {wanted} on to an address that is not safe"
            f" ({target.scheme or 'no scheme'}): check the endpoint."
        )
    return target


def _check_names(wanted: Wanted) -> None:
    if not re.fullmatch(REPOSITORY, wanted.repository) or not re.fullmatch(FILE_NAME, wanted.file):
        raise DownloadError(f"{wanted} is no model file on a hub: give OWNER/REPO and the name of a .gguf file in it.")
    if not wanted.revision.isprintable() or not wanted.revision:
        raise DownloadError("The revision is empty or cannot be printed: give a branch, a tag or a commit.")


def _compare(wanted: Wanted, stated: _Stated) -> None:
    """Before anything is fetched: is it what the card describes?"""
    if wanted.size and stated.size and wanted.size != stated.size:
        differs = f"{stated.size:,} bytes in place of {wanted.size:,}"
    elif wanted.sha256 and _SHA256.fullmatch(stated.etag) and wanted.sha256 != stated.etag:
        differs = "another checksum"
    else:
        return
    raise DownloadError(
        f"{wanted} is not the file on Kura's card any more ({differs}): name the --revision you trust, or check the mirror."
    )


def _check_room(part: Path, wanted: Wanted, stated: _Stated) -> None:
    needed, free = stated.size - part.stat().st_size, shutil.disk_usage(part.parent).free
    if needed > free:
        raise DownloadError(
            f"{wanted} needs {needed / 1e9:.1f} GB and {part.parent} has {free / 1e9:.1f} GB free: make room for it."
        )


def _check_content(part: Path, wanted: Wanted, stated: _Stated) -> str:
    """The checksum of what came, a whole GGUF file and the right one; else it is deleted."""
    expected = wanted.sha256 or (stated.etag if _SHA256.fullmatch(stated.etag) else "")
    try:
        gguf.check(part)
        actual = gguf.checksum(part)
    except ModelFileError as error:
        part.unlink()
        fault = str(error).replace(f"The model file {part}", f"The file {wanted}")
        raise DownloadError(f"{fault.removesuffix('.')} (what came was deleted).") from error
    if expected and actual != expected:
        part.unlink()
        raise DownloadError(
            f"What came for {wanted} does not have the checksum it should have, and was deleted: pull it again, and if that"
            " fails, from another --endpoint."
        )
    return actual


def _retry_after(value: str) -> float:
    """Seconds; the header gives them, or a date."""
    if value.isdecimal():
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
