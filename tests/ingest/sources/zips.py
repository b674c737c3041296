"""Zip files for tests, made in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path


def zipped(members: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of these members, in this order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, (2024, 1, 31, 9, 0, 0))
            info.compress_type = method
            archive.writestr(info, content)
    return buffer.getvalue()


def write_zip(path: Path, members: Mapping[str, str | bytes]) -> Path:
    path.write_bytes(zipped(members))
    return path
