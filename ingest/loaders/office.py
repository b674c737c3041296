"""Measures a zip-based office file before a parser opens it, and reads its day. Knows zip archives, no kind of document."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date

from ingest.dates import day_in
from ingest.errors import DocumentError

UNPACKED_LIMIT = 300_000_000
"""Bytes of all parts of the archive together; pictures are the greater part of an honest file's."""
_PART_LIMIT = 20_000
_PROPERTIES = "docProps/core.xml"
"""Where every writer of office files puts them."""
_PROPERTIES_BYTES = 65_536
_MODIFIED = re.compile(rb"<dcterms:modified[^>]{0,200}>([^<]{8,40})<")
_OLE = b"\xd0\xcf\x11\xe0"
"""How an office file with a password (or of before 2007) begins."""
_ENCRYPTED = 1
"""The bit of a zip entry's flags that says it has a password of its own."""


def check_archive(data: bytes, suffix: str) -> None:
    """Refuse what is no archive, protected, or unpacks to too much; the message asks for a file of `suffix`.

    zipfile reads no more of a part than the size it declares, so the declared sizes can be believed.
    Raises DocumentError.
    """
    if data.startswith(_OLE):
        raise DocumentError(
            f"It is protected by a password or in the format of before 2007: save it as {suffix} without one."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:  # the latter: a version of zip that Python cannot read
        raise DocumentError(f"The file is damaged or no {suffix} file: save it anew.") from error
    if len(parts) > _PART_LIMIT:
        raise DocumentError(f"It is an archive of more than {_PART_LIMIT:,} parts: split it.")
    if sum(part.file_size for part in parts) > UNPACKED_LIMIT:
        raise DocumentError(
            f"It unpacks to more than {UNPACKED_LIMIT // 1_000_000} MB: make its pictures smaller or split it."
        )
    if any(part.flag_bits & _ENCRYPTED for part in parts):
        raise DocumentError(f"It is protected by a password: save it as {suffix} without one.")


def modified(data: bytes) -> date | None:
    """The day of the last change by the properties of an archive that was checked; None if they do not say it.

    The libraries make properties up where there are none, with the present day in them.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if _PROPERTIES not in archive.namelist():
            return None
        with archive.open(_PROPERTIES) as part:
            found = _MODIFIED.search(part.read(_PROPERTIES_BYTES))
    return day_in(found[1].decode("ascii", "replace")) if found else None
