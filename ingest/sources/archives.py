"""A zip file as a list of documents, with zip files inside it (one level: Notion's exports are packed twice).

Knows no folder: whoever opened the file hands it in. Nothing in it is ever written under its own name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import IO, BinaryIO

from ingest.errors import DocumentError
from ingest.sources import UNKNOWN_KIND
from ingest.sources.exports import Export, recognise
from ingest.sources.safezip import MAX_MEMBERS, SafeZip

MAX_UNPACKED = 4 * 2**30
"""Bytes of the documents and inner archives of one archive, as its list says, which reading never exceeds."""
MAX_INNER = 64
"""Zip files in one zip file; each takes an open file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A document in an archive. `mark` changes with its bytes; `name` is what it is parsed by; `dated` see `Export.dated`."""

    mark: str
    name: str
    dated: date | None


class Archive:
    """The documents of one zip file, by path; `shown` is the archive's own path, in sentences.

    `wanted` says which paths count; what is `damaged` (inner archives too) has a sentence each. Owns `file`.
    Raises DocumentError if nothing of it can be read, OSError if not now.
    """

    def __init__(
        self, file: BinaryIO, shown: str, *, suffixes: Collection[str], wanted: Callable[[str], bool], most: int
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self.skipped: dict[str, str] = {}
        self.damaged: dict[str, str] = {}
        self._suffixes = suffixes
        self._wanted = wanted
        self._most = most
        self._unpacked = self._members = 0
        self._shown = shown
        self._homes: dict[str, tuple[Export, str]] = {}
        self._open: list[SafeZip] = [SafeZip(file, shown)]
        try:
            self._list(self._open[0], recognise(self._open[0]), "", "")
        except BaseException:
            self.close()
            raise

    def read(self, path: str) -> bytes:
        """A document's bytes, at most `most`. Raises DocumentError if they are damaged, KeyError if it is not there."""
        export, member = self._homes[path]
        return export.read(member, self._most)

    def close(self) -> None:
        """Let go of the file and of what was unpacked."""
        for archive in self._open:
            archive.close()

    def _list(self, archive: SafeZip, export: Export, above: str, mark: str) -> None:
        self._count(members=len(archive.members))
        self.skipped |= {above + part: why for part, why in export.notes.items()}
        self.damaged |= {above + path: why for path, why in archive.refused.items() if self._wanted(above + path)}
        for member, info in archive.members.items():
            path = above + member
            own_mark = f"{mark}{info.CRC:08x}-{info.file_size}"
            name = export.name(member)
            suffix = PurePosixPath(name).suffix.lower()
            if not name or not (self._wanted(path) or suffix == ".zip"):
                continue
            if suffix == ".zip":
                self._take_inner(archive, member, path, own_mark + "-", nested=bool(above))
            elif suffix not in self._suffixes:
                self.skipped[path] = UNKNOWN_KIND
            elif info.file_size > self._most:
                self.damaged[path] = f"{self._shown}/{path} has more than {self._most // 2**20} MiB: split it."
            else:
                self._count(size=info.file_size)
                self.entries[path] = Entry(own_mark, above + name, export.dated(member))
                self._homes[path] = (export, member)

    def _take_inner(self, archive: SafeZip, member: str, path: str, mark: str, *, nested: bool) -> None:
        if nested or len(self._open) > MAX_INNER:
            self.skipped[path] = "too deep in archives" if nested else f"more than {MAX_INNER} archives in one"
            return
        self._count(size=archive.members[member].file_size)
        spool: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # nameless: it is gone with the process at the latest
        try:
            for chunk in archive.chunks(member, MAX_UNPACKED):
                spool.write(chunk)
            inner = SafeZip(spool, f"{self._shown}/{path}")  # type: ignore[arg-type]
            self._open.append(inner)
            export = recognise(inner)
        except DocumentError as error:
            spool.close()
            self.damaged[path] = str(error)
            return
        except BaseException:
            spool.close()
            raise
        self._list(inner, export, path + "/", mark)

    def _count(self, *, size: int = 0, members: int = 0) -> None:
        self._unpacked += size
        self._members += members
        if self._unpacked > MAX_UNPACKED:
            raise DocumentError(
                f"{self._shown} unpacks to more than {MAX_UNPACKED // 2**30} GiB of documents: split it."
            )
        if self._members > MAX_MEMBERS:
            raise DocumentError(f"{self._shown} holds more than {MAX_MEMBERS:,} files: split it.")
