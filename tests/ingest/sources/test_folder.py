from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest import sources
from ingest.errors import DocumentError, SourceError
from ingest.sources.folder import SourceItem, list_items, read, resolve

KINDS = {".md", ".txt"}


def test_documents_are_listed_sorted_and_others_are_named(tmp_path: Path) -> None:
    for name in ("b.md", "a/c.TXT", "a/picture.png", ".hidden.md", ".git/x.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    listing = list_items(tmp_path, KINDS)
    assert [item.item for item in listing.items] == ["b.md", "a/c.TXT"]
    assert listing.skipped == ("a/picture.png",)


def test_trees_that_are_sources_of_their_own_are_left_apart(tmp_path: Path) -> None:
    (tmp_path / "hr").mkdir()
    (tmp_path / "hr" / "pay.md").write_text("x")
    (tmp_path / "a.md").write_text("x")
    assert [item.item for item in list_items(tmp_path, KINDS, {tmp_path / "hr"}).items] == ["a.md"]


def test_links_lead_to_files_inside_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.md").write_text("x")
    (root / "real.md").write_text("x")
    (root / "inside.md").symlink_to(root / "real.md")
    (root / "outside.md").symlink_to(tmp_path / "secret.md")
    (root / "folder").symlink_to(tmp_path)
    listing = list_items(root, KINDS)
    assert [item.item for item in listing.items] == ["inside.md", "real.md"]
    assert "outside.md" in listing.skipped


def test_a_name_that_is_not_utf8_is_reported(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md"))).write_text("x")
    listing = list_items(tmp_path, KINDS)
    assert listing.items == ()
    assert "not valid UTF-8" in next(iter(listing.unreadable.values()))


def test_names_with_newlines_and_emoji_are_names(tmp_path: Path) -> None:
    (tmp_path / "a\nb 😀.md").write_text("x")
    assert [item.item for item in list_items(tmp_path, KINDS).items] == ["a\nb 😀.md"]


def test_a_folder_that_cannot_be_listed_stops_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(SourceError, match=r"sub cannot be listed \(Permission denied\)"):
        list_items(tmp_path, KINDS)


def test_what_does_not_exist_is_said() -> None:
    with pytest.raises(SourceError, match="does not exist"):
        resolve(Path("nowhere"))


def test_a_pipe_with_a_documents_name_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(DocumentError, match="not a regular file"):
        read(SourceItem("pipe.md", tmp_path / "pipe.md"))


def test_a_huge_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_BYTES", 10)
    (tmp_path / "big.md").write_text("x" * 11)
    with pytest.raises(DocumentError, match="split it"):
        read(SourceItem("big.md", tmp_path / "big.md"))


def test_a_link_does_not_open_what_others_may_not_read(tmp_path: Path) -> None:
    for folder in ("hr", "pub", ".private"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.md").write_text("x")
    (tmp_path / "pub" / "hr.md").symlink_to(tmp_path / "hr" / "x.md")
    (tmp_path / "pub" / "hidden.md").symlink_to(tmp_path / ".private" / "x.md")
    listing = list_items(tmp_path, KINDS, {tmp_path / "hr"})
    assert [item.item for item in listing.items] == ["pub/x.md"]
