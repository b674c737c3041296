"""The folder in which the server keeps what people upload to a source; `FolderSource` lists it, members of zips too.

Knows no HTTP and no index. Files are flat, under names that every system can hold.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ingest.errors import DocumentError
from ingest.sources.folder import MAX_BYTES
from ingest.sources.safezip import hidden

MAX_ARCHIVE_BYTES = 2**30
"""A zip file holds many documents, each with its own limit."""
MAX_TOTAL = 20 * 2**30
"""All files of one upload source, unless told otherwise."""

_NAME_BYTES = 200
"""File systems hold 255, of which the name of a temporary file takes some."""
_CHUNK = 2**20
_UNFINISHED = ".upload-"
_STALE_SECONDS = 24 * 3600
"""No upload takes a day: what is left of one was killed."""
_RESERVED = re.compile(
    r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE | re.DOTALL
)
_FORBIDDEN = re.compile(r"[/\\<>:\"|?*]")
"""Separators, and what Windows forbids."""
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Line breaks and other control characters, and marks that turn a name around for the eye."""
_NO_TEXT = re.compile(r"[\ufffd\ud800-\udfff]")
"""What stands for bytes that are no UTF-8, as after decoding `%ff` in an address."""


class Uploads:
    """The files of one upload source. Any number of threads may use it at once; one process does.

    `most_total` counts bytes of all files together, those being written included.
    """

    def __init__(self, folder: Path, *, most_total: int = MAX_TOTAL) -> None:
        self._folder = folder
        self._most_total = most_total
        self._lock = threading.Lock()
        self._arriving = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.glob(_UNFINISHED + "*"):
            if left.stat().st_mtime < time.time() - _STALE_SECONDS:
                left.unlink(missing_ok=True)

    def put(self, name: str, content: bytes | BinaryIO) -> str:
        """Keep a file, in place of one of the same name, and return the name it is kept under (Unicode NFC).

        After a crash at any moment there is the old file or the new one. Raises DocumentError for a name or a size that
        is refused, OSError if it cannot be written.
        """
        name = safe_name(name)
        most = MAX_ARCHIVE_BYTES if name.lower().endswith(".zip") else MAX_BYTES
        descriptor, path = tempfile.mkstemp(prefix=_UNFINISHED, dir=self._folder)  # readable by us alone
        arrived = 0
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in _chunks(content):
                    if arrived + len(chunk) > most:
                        raise DocumentError(f"{name} has more than {most // 2**20} MiB: split it.")
                    arrived += len(chunk)
                    self._reserve(name, len(chunk))
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            Path(path).replace(self._folder / name)
        except BaseException:
            Path(path).unlink(missing_ok=True)
            raise
        finally:
            with self._lock:
                self._arriving -= arrived
        self._make_lasting()
        return name

    def remove(self, name: str) -> None:
        """Delete a file. Raises DocumentError if there is none of this name."""
        path = self._folder / safe_name(name)
        try:
            path.unlink()
        except FileNotFoundError as error:
            raise DocumentError(f"There is no upload {name}: look at the list of names.") from error
        self._make_lasting()

    def names(self) -> list[str]:
        """The files that are kept, sorted."""
        return sorted(entry.name for entry in self._files())

    def _files(self) -> list[os.DirEntry[str]]:
        with os.scandir(self._folder) as entries:
            return [entry for entry in entries if not hidden(entry.name) and entry.is_file(follow_symlinks=False)]

    def _reserve(self, name: str, size: int) -> None:
        """Count bytes before they are written, so that uploads at once cannot together exceed what one may not."""
        with self._lock:
            self._arriving += size
            kept = sum(_size(entry) for entry in self._files())
            if kept + self._arriving > self._most_total:
                raise DocumentError(
                    f"{name} does not fit: this source may hold {self._most_total / 2**20:,.0f} MiB. Remove something first."
                )

    def _make_lasting(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def safe_name(name: str) -> str:
    """`name` in Unicode's NFC. Raises DocumentError unless every system can hold a visible file of that name."""
    normal = unicodedata.normalize("NFC", name)
    shown = f"The name “{_NO_TEXT.sub('?', _UNSEEN.sub('?', normal))[:_NAME_BYTES]}”"
    if _NO_TEXT.search(normal):
        raise DocumentError(f"{shown} is not valid UTF-8: encode it as UTF-8.")
    if _UNSEEN.search(normal):
        raise DocumentError(f"{shown} holds a line break or another sign that cannot be seen: leave it out.")
    if not normal.strip() or _FORBIDDEN.search(normal) or _RESERVED.fullmatch(normal):
        raise DocumentError(f'{shown} is none for a file: give it another, without / \\ : * ? " < > |.')
    if hidden(normal) or normal != normal.strip() or normal.endswith("."):
        raise DocumentError(f"{shown} begins or ends as hidden or passing files do: give it another.")
    if len(normal.encode()) > _NAME_BYTES:
        raise DocumentError(f"{shown} is longer than {_NAME_BYTES} bytes: give it a shorter one.")
    return normal


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _chunks(content: bytes | BinaryIO) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
    else:
        while chunk := content.read(_CHUNK):
            yield chunk
