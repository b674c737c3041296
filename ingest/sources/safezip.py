"""A zip file from a stranger: its members by safe names, and their bytes under caps. Knows no source and no format.

Nothing is unpacked to disk under a name of the archive's. What a member says of its size is what is read at most: the
library stops there and compares checksums.
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from ingest.errors import DocumentError

MAX_MEMBERS = 50_000
"""Members of one archive; a larger export is split."""
MAX_DIRECTORY_BYTES = 16 * 2**20
"""The list of members, which is held in memory: 300 bytes for each of 50,000."""
MAX_RATIO = 200
"""Unpacked by packed size. Prose shrinks to a fifth, logs to a fiftieth; bombs to a thousandth..."""
RATIO_COUNTS_FROM = 2**20
"""...but a small member harms nobody, whatever its ratio."""

_CHUNK = 2**20
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_DRIVE = re.compile(r"[A-Za-z]:")
_JAPANESE_RUN = re.compile(r"[ぁ-ゖァ-ヺー一-鿿々]{2,}")
_HALF_WIDTH_OR_PRIVATE = re.compile(r"[｡-ﾟ\ue000-\uf8ff]")
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError, RuntimeError)
"""What the library raises for bytes that are no proper archive."""


class _Cautious:
    """A file for the zip library, which reads the list of members in one piece however long it says to be."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its list of members is too long")
        return self._file.read(size)


class SafeZip:
    """An open archive. `members` are those that can be read; `refused` has a sentence for each that cannot.

    Of members with the same name the last counts, as when it is unpacked. Raises DocumentError if it cannot be read at
    all. It owns `file`, which must be seekable.
    """

    def __init__(self, file: BinaryIO, shown: str) -> None:
        self._shown = shown
        self.members: dict[str, ZipInfo] = {}
        self.refused: dict[str, str] = {}
        try:
            self._zip = ZipFile(_Cautious(file))
        except BaseException as error:
            file.close()
            if not isinstance(error, _DAMAGE):
                raise
            raise DocumentError(f"{shown} is damaged or no zip file: export it anew.") from error
        self._file = file
        if len(self._zip.filelist) > MAX_MEMBERS:
            self.close()
            raise DocumentError(f"{shown} holds more than {MAX_MEMBERS:,} files: split it.")
        names = _names(self._zip.filelist)
        for info, name in zip(self._zip.filelist, names, strict=True):
            self._sort_in(info, name)

    def read(self, name: str, most: int) -> bytes:
        """A member's bytes. Raises DocumentError for more than `most` bytes or a damaged member, KeyError for none."""
        parts = self.chunks(name, most)
        return b"".join(parts)

    def chunks(self, name: str, most: int) -> Iterator[bytes]:
        """A member's bytes, piece by piece; raises as `read` does."""
        info = self.members[name]
        left = most
        try:
            with self._zip.open(info) as member:
                while chunk := member.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise DocumentError(f"{self._shown}/{name} has more than {most // 2**20} MiB: split it.")
                    yield chunk
        except _DAMAGE as error:
            raise DocumentError(f"{self._shown}/{name} is damaged in the archive: export it anew.") from error

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()
        self._file.close()

    def _sort_in(self, info: ZipInfo, name: str) -> None:
        parts = name.split("/")
        if name.endswith("/") or any(hidden(part) for part in parts if part not in (".", "..")):
            return
        shown = f"{self._shown}/{name}"
        why = ""
        if not name or name.startswith("/") or _DRIVE.match(name) or ".." in parts or "\0" in info.orig_filename:
            why = f"{shown} has a path that leads out of the archive or is none: it is never opened."
        elif info.flag_bits & _ENCRYPTED:
            why = f"{shown} is protected by a password: unpack the archive and put its files here."
        elif info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            why = f"{shown} is packed by a rare method: pack the archive anew as a usual zip file."
        elif info.file_size > max(RATIO_COUNTS_FROM, MAX_RATIO * info.compress_size):
            why = f"{shown} unpacks to more than {MAX_RATIO} times its size, as bombs do: put the file itself here."
        elif (
            info.external_attr >> 16
            and not stat.S_ISREG(info.external_attr >> 16)
            and stat.S_IFMT(info.external_attr >> 16)
        ):
            why = f"{shown} is a link or a device in the archive: it is never followed."
        path = "/".join(part for part in parts if part not in ("", "."))
        if why:
            self.refused[path or repr(name)] = why
            self.members.pop(path, None)
        else:
            self.members[path] = info
            self.refused.pop(path, None)


def hidden(name: str) -> bool:
    """Whether a file or folder of this name is not meant for readers: `.git`, `~$Report.docx`, `__MACOSX`."""
    return name.startswith((".", "~$")) or name == "__MACOSX"


def _names(members: list[ZipInfo]) -> list[str]:
    """Paths with `/`. Names that do not say that they are UTF-8 often are, or Japanese Windows wrote them in cp932."""
    plain = [info for info in members if not info.flag_bits & _UTF8_NAME and not info.filename.isascii()]
    codec = _codec(b"\n".join(info.filename.encode("cp437") for info in plain)) if plain else "cp437"
    undeclared = set(map(id, plain))
    names = (
        info.filename.encode("cp437").decode(codec) if id(info) in undeclared else info.filename for info in members
    )
    return [name.replace("\\", "/") for name in names]


def _codec(names: bytes) -> str:
    for codec in ("utf-8", "cp932"):
        try:
            text = names.decode(codec)
        except UnicodeDecodeError:
            continue
        if codec == "utf-8" or (_JAPANESE_RUN.search(text) and not _HALF_WIDTH_OR_PRIVATE.search(text)):
            return codec
    return "cp437"
