"""Verification against scripted and real sources: each kind of difference, and nothing trusted but bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from ingest.errors import DocumentError, SourceError
from ingest.feeds import Feed
from ingest.sources import Content, Listing, SourceItem
from ingest.sources.folder import FolderSource
from ingest.verification import SourceProof, orphans, verify_sources
from retrieval.access import Readers
from retrieval.authority import Known
from retrieval.authority import Source as Stored
from retrieval.checking import StoredSource

ALL, HR = Readers(frozenset({"all"})), Readers(frozenset({"hr"}))


class ScriptedSource:
    """Lists what it was given; an item whose bytes are an exception raises it when it is read."""

    root = "scripted:"

    def __init__(self, items: Mapping[str, bytes | Exception], unreadable: Mapping[str, str] | None = None) -> None:
        self._items = items
        self._unreadable = unreadable or {}
        self.told: list[Mapping[str, str]] = []
        self.closed = False

    def list(self, known: Mapping[str, str]) -> Listing:
        self.told.append(known)
        items = tuple(SourceItem(name, "same", f"scripted:{name}", name) for name in self._items)
        return Listing(items, unreadable=self._unreadable)

    def read(self, item: SourceItem) -> Content:
        found = self._items[item.item]
        if isinstance(found, Exception):
            raise found
        return Content(found, "same")

    def close(self) -> None:
        self.closed = True


class UnreachableSource(ScriptedSource):
    def list(self, known: Mapping[str, str]) -> Listing:
        raise SourceError("The site does not answer: try again later.")


def stored(known: Mapping[str, bytes], root: str = "scripted:", name: str = "docs") -> StoredSource:
    items = {item: Known(item, sha256(data).hexdigest(), "1", ALL, 1, "same") for item, data in known.items()}
    return StoredSource(Stored(1, name, root, ALL, None), items)


def proof(source: ScriptedSource, known: Mapping[str, bytes], readers: Readers = ALL) -> SourceProof:
    (found,) = verify_sources([Feed("docs", "loader", source, readers)], [stored(known)])
    assert source.closed
    return found


def test_the_same_bytes_are_proved_whatever_is_said_of_them() -> None:
    source = ScriptedSource({"a.md": b"A", "b.md": b"B"})
    found = proof(source, {"a.md": b"A", "b.md": b"B"})
    assert (found.agrees, found.same) == (True, 2)
    assert source.told == [{}]  # what is stored is not told: nothing may be answered from that


def test_each_kind_of_difference_is_told_apart() -> None:
    source = ScriptedSource(
        {"new.md": b"N", "changed.md": b"2", "same.md": b"S", "torn.md": DocumentError("torn.md is damaged."),
         "busy.md": OSError(16, "it is being written")},
        {"locked.zip": "locked.zip has a password."},
    )  # fmt: skip
    known = dict.fromkeys(("changed.md", "same.md", "torn.md", "busy.md", "locked.zip/a.md", "gone.md"), b"S")
    found = proof(source, known)
    assert not found.agrees
    assert (found.missing, found.extra, found.changed, found.same) == (("new.md",), ("gone.md",), ("changed.md",), 1)
    assert set(found.unreadable) == {"torn.md", "busy.md", "locked.zip"}
    assert "being written" in found.unreadable["busy.md"]


@pytest.mark.parametrize(
    "source",
    [ScriptedSource({"a.md": OSError(5, "I/O error")}), ScriptedSource({"a.md": b"A", "b.md": b"B"}),
     ScriptedSource({}), ScriptedSource({"a.md": b"B"})],
)  # fmt: skip
def test_one_difference_is_enough(source: ScriptedSource) -> None:
    assert not proof(source, {"a.md": b"A"}).agrees


def test_other_readers_than_stored_are_a_difference() -> None:
    assert proof(ScriptedSource({"a.md": b"A"}), {"a.md": b"A"}, HR).repermitted == ("a.md",)


def test_a_source_that_cannot_be_reached_proves_nothing_and_keeps_no_other_from_its_proof() -> None:
    feeds = [Feed("site", "web", UnreachableSource({}), ALL), Feed("docs", "loader", ScriptedSource({"a": b"A"}), ALL)]
    far, near = verify_sources(feeds, [stored({"a": b"A"})])
    assert not far.agrees
    assert "does not answer" in far.unreachable
    assert near.agrees


def test_what_is_stored_and_comes_from_no_source_is_said() -> None:
    left = stored({"a.md": b"A"}, root="/gone", name="former")
    (lost,) = orphans([Feed("docs", "loader", ScriptedSource({}), ALL)], [stored({}), left])
    assert (lost.source, lost.extra, lost.agrees) == ("former", ("a.md",), False)
    assert "kura remove former" in lost.unreachable


# --- a real folder ---------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "docs"
    made.mkdir()
    (made / "travel.md").write_bytes(b"The hotel limit is 180 EUR.")
    return made


def in_place(file: Path) -> None:
    before = file.stat()
    file.write_bytes(file.read_bytes().replace(b"180", b"980"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (in_place, "changed"),
        (Path.unlink, "extra"),
        (lambda file: file.with_name("more.md").write_bytes(b"more"), "missing"),
    ],
)
def test_tampering_with_files_is_found_though_their_times_are_as_before(
    folder: Path, tamper: Callable[[Path], object], kind: str
) -> None:
    known = {"travel.md": b"The hotel limit is 180 EUR."}
    tamper(folder / "travel.md")
    (found,) = verify_sources([Feed("docs", "folder", FolderSource(folder), ALL)], [stored(known, str(folder))])
    assert getattr(found, kind)
    assert not found.agrees
