from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

import pytest

from ingest.errors import DocumentError
from ingest.sources import UNKNOWN_KIND, archives
from ingest.sources.archives import Archive
from tests.ingest.sources.zips import zipped

KINDS = {".md", ".html"}


@pytest.fixture
def opened() -> Iterator[Callable[..., Archive]]:
    made: list[Archive] = []

    def open_archive(members: Mapping[str, str | bytes] | bytes, **options: Any) -> Archive:
        data = members if isinstance(members, bytes) else zipped(members)
        given: dict[str, Any] = {"suffixes": KINDS, "wanted": lambda _: True, "most": 1000} | options
        made.append(Archive(io.BytesIO(data), "x.zip", **given))
        return made[-1]

    yield open_archive
    for archive in made:
        archive.close()


Open = Callable[..., Archive]


def test_members_of_known_kinds_are_documents_and_others_are_named(opened: Open) -> None:
    archive = opened({"a/b.MD": "text", "c.png": "x"})
    assert list(archive.entries) == ["a/b.MD"]
    assert archive.entries["a/b.MD"].name == "a/b.MD"
    assert archive.skipped == {"c.png": UNKNOWN_KIND}
    assert archive.read("a/b.MD") == b"text"


def test_the_mark_follows_the_bytes(opened: Open) -> None:
    one, same, other = (opened({"a.md": text}).entries["a.md"].mark for text in ("text", "text", "tex2"))
    assert one == same != other


def test_an_archive_in_an_archive_is_opened_and_a_third_is_not(opened: Open) -> None:
    third = zipped({"d.md": "deep"})
    archive = opened({"in.zip": zipped({"c.md": "inner", "third.zip": third}), "a.md": "outer"})
    assert set(archive.entries) == {"in.zip/c.md", "a.md"}
    assert archive.read("in.zip/c.md") == b"inner"
    assert archive.skipped == {"in.zip/third.zip": "too deep in archives"}


def test_a_damaged_inner_archive_is_told_and_the_others_are_read(opened: Open) -> None:
    archive = opened({"in.zip": b"PK nothing", "good.zip": zipped({"c.md": "x"}), "a.md": "x"})
    assert set(archive.entries) == {"good.zip/c.md", "a.md"}
    assert "x.zip/in.zip is damaged" in archive.damaged["in.zip"]


def test_too_large_members_are_told(opened: Open) -> None:
    archive = opened({"a.md": "0" * 1001, "b.md": "0" * 1000})
    assert list(archive.entries) == ["b.md"]
    assert "split it" in archive.damaged["a.md"]


def test_only_wanted_members_are_spoken_of(opened: Open) -> None:
    archive = opened(
        {"a.md": "x", "old/b.md": "x", "old/c.png": "x", "../d.md": "x"}, wanted=lambda path: path == "a.md"
    )
    assert list(archive.entries) == ["a.md"]
    assert archive.skipped == {}
    assert archive.damaged == {}


@pytest.mark.parametrize(("limit", "most"), [("MAX_UNPACKED", 12), ("MAX_MEMBERS", 3)])
def test_limits_count_inner_archives_too(opened: Open, monkeypatch: pytest.MonkeyPatch, limit: str, most: int) -> None:
    data = zipped({"a.md": "01234", "in.zip": zipped({"b.md": "01234", "c.md": "01234"})})
    opened(data)
    monkeypatch.setattr(archives, limit, most)
    with pytest.raises(DocumentError, match=r"^x\.zip "):
        opened(data)


def test_only_so_many_inner_archives_are_opened(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_INNER", 2)
    archive = opened({f"{number}.zip": zipped({"a.md": "x"}) for number in range(3)})
    assert list(archive.entries) == ["0.zip/a.md", "1.zip/a.md"]
    assert list(archive.skipped) == ["2.zip"]


def test_closing_lets_go_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    spools = []
    real = tempfile.TemporaryFile

    def remembered() -> Any:
        spools.append(real())
        return spools[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", remembered)
    file = io.BytesIO(zipped({"in.zip": zipped({"a.md": "x"}), "bad.zip": b"PK"}))
    Archive(file, "x.zip", suffixes=KINDS, wanted=lambda _: True, most=1000).close()
    assert file.closed
    assert [spool.closed for spool in spools] == [True, True]


def test_a_member_is_of_the_day_that_its_archive_says(opened: Open) -> None:
    assert opened({"a.md": "text"}).entries["a.md"].dated == date(2024, 1, 31)
