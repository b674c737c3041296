from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ingest.errors import DocumentError
from ingest.sources.files import open_below


def test_a_file_is_opened_part_by_part(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.md").write_text("x")
    with os.fdopen(open_below(str(tmp_path), "a/b/c.md"), "rb") as file:
        assert file.read() == b"x"


@pytest.mark.parametrize("path", ["link/c.md", "a/c.md"])
def test_no_link_is_followed(tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "c.md").write_text("secret")
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "a" / "c.md").symlink_to(tmp_path / "outside" / "c.md")
    with pytest.raises(OSError) as raised:
        open_below(str(root), path)
    assert raised.value.errno in (errno.ELOOP, errno.ENOTDIR)


def test_neither_pipes_nor_folders_are_documents(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "folder.md").mkdir()
    descriptors = Path("/dev/fd")
    before = len(list(descriptors.iterdir()))
    for name in ("pipe.md", "folder.md"):
        with pytest.raises(DocumentError, match="not a regular file"):
            open_below(str(tmp_path), name)
    with pytest.raises(FileNotFoundError):
        open_below(str(tmp_path), "gone/x.md")
    assert len(list(descriptors.iterdir())) == before
