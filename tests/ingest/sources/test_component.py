from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from ingest.errors import DocumentError, SourceError
from ingest.sources import Listing, Source, component
from ingest.sources.component import ComponentSource, loader_address


class Scripted(BaseLoader):
    """Yields these things, raising those that are exceptions."""

    def __init__(self, *things: Any) -> None:
        self._things = things

    def lazy_load(self) -> Iterator[Document]:
        for thing in self._things:
            if isinstance(thing, Exception):
                raise thing
            yield thing


def test_loaders_are_told_apart_by_their_arguments_which_are_not_shown() -> None:
    one = loader_address("company.loaders.Tickets", {"project": "IT", "auth": "s3cret"})
    same = loader_address("company.loaders.Tickets", {"auth": "s3cret", "project": "IT"})
    other = loader_address("company.loaders.Tickets", {"project": "HR", "auth": "s3cret"})
    assert one == same != other
    assert re.fullmatch(r"company\.loaders:Tickets#[0-9a-f]{8}", one)
    assert loader_address("company.loaders.Tickets", {}) == "company.loaders:Tickets"


def page(text: str = "text", **metadata: Any) -> Document:
    return Document(text, metadata=metadata)


def source(*things: Any) -> ComponentSource:
    return ComponentSource(Scripted(*things), root="wiki")


def only(document: Document) -> Any:
    one = source(document)
    (item,) = one.list({}).items
    one.close()
    return item


def test_it_is_a_source() -> None:
    one: Source = source(page("Café", source="guide/start.pdf", title=" The\nguide "))
    (item,) = one.list({}).items
    assert (item.item, item.version, item.address, item.name) == ("guide/start.pdf", "", "guide/start.pdf", "start.txt")
    content = one.read(item)
    assert (content.data, content.version, content.title) == ("Café".encode(), "", "The guide")
    one.close()
    one.close()
    assert one.root == "wiki"


def test_documents_of_one_source_are_numbered_in_their_order() -> None:
    one = source(
        *(page(str(number), source="a") for number in range(3)), page("b", source="a#2"), page("c", source="a")
    )
    listed = one.list({}).items
    assert {item.item: one.read(item).data for item in listed} == {
        "a": b"0", "a#2": b"1", "a#3": b"2", "a#2#2": b"b", "a#4": b"c",
    }  # fmt: skip
    assert [item.item for item in listed] == sorted(item.item for item in listed)
    one.close()


@pytest.mark.parametrize("metadata", [{}, {"source": ""}, {"source": None}, {"source": " \n"}])
def test_without_a_source_documents_are_numbered_too(metadata: dict[str, Any]) -> None:
    one = source(page(**metadata), page(**metadata))
    assert [item.item for item in one.list({}).items] == ["document", "document#2"]
    one.close()


def test_sources_of_any_type_become_names_that_can_be_stored() -> None:
    assert only(page(source=Path("a/b.txt"))).item == "a/b.txt"
    assert only(page(source="a\ud800\0b\nc")).item == "a\\ud800 b c"
    assert only(page(source=7)).item == "7"
    long = [only(page(source="x" * 5000 + end)).item for end in "ab"]
    assert len({*long}) == 2
    assert max(map(len, long)) < 1100


@pytest.mark.parametrize(
    ("metadata", "address"),
    [
        ({"source": "a.pdf", "url": "https://wiki/a"}, "https://wiki/a"),
        ({"source": "https://wiki/a"}, "https://wiki/a"),
        ({"source": "javascript:alert(1)", "url": " jaVascript://%0aalert(1)"}, "javascript_alert(1)"),
        ({"source": "data:text/html,x/y", "url": None}, "data_text/html,x/y"),
        ({"source": "mem:1", "url": "vbscript:x"}, "mem_1"),
        ({"source": "s3://bucket/a"}, "s3://bucket/a"),
        ({"source": "C:\\docs\\a.pdf"}, "C:\\docs\\a.pdf"),
        ({"source": "notes/a:b"}, "notes/a:b"),
        ({"source": "/srv/a.pdf", "url": ""}, "/srv/a.pdf"),
    ],
)
def test_no_script_becomes_an_address(metadata: dict[str, Any], address: str) -> None:
    assert only(page(**metadata)).address == address


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"source": "a/b.html"}, "b.txt"),
        ({"source": "a/b.md", "mime_type": "text/markdown"}, "b.md"),
        ({"source": "https://x/y/z.php?a=/b#c", "content_type": "text/HTML; charset=utf-8"}, "z.html"),
        ({"source": "https://x/a%20b/"}, "a b.txt"),
        ({"source": "C:\\docs\\a.docx", "mimetype": "application/pdf"}, "a.txt"),
        ({"source": "http://[", "mime_type": None}, "[.txt"),
        ({"source": "/"}, "document.txt"),
    ],
)
def test_the_name_says_how_to_parse_the_text(metadata: dict[str, Any], name: str) -> None:
    assert only(page(**metadata)).name == name


@pytest.mark.parametrize("fault", [RuntimeError("401: token\nrefused"), "no document", KeyError()])
def test_a_loader_that_fails_midway_stops_everything(fault: object) -> None:
    one = source(page(source="a"), fault)
    with pytest.raises(SourceError, match=r"wiki: the loader Scripted (failed|gave a str)"):
        one.list({})
    one.close()


def test_a_loader_without_anything_to_load_fails_by_name() -> None:
    with pytest.raises(SourceError, match=r"BaseLoader failed \(NotImplementedError"):
        ComponentSource(BaseLoader(), root="wiki").list({})


def test_a_loader_that_yields_nothing_lists_nothing() -> None:
    one = source()
    assert one.list({}) == Listing(())
    one.close()


def test_a_loader_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "MAX_TOTAL", 10)
    with pytest.raises(SourceError, match="give it less to load"):
        source(page("12345"), page("12345"), page("1")).list({})
    monkeypatch.setattr(component, "MAX_DOCUMENTS", 2)
    with pytest.raises(SourceError, match="give it less to load"):
        source(page(""), page(""), page("")).list({})


def test_a_text_that_is_too_long_is_told_and_the_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "MAX_BYTES", 4)
    one = source(page("12345", source="a"), page("1234", source="a"))
    listing = one.list({})
    assert [item.item for item in listing.items] == ["a#2"]
    assert "let the loader split it" in listing.damaged["a"]
    one.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("length", [1, 10**6])
def test_a_full_disk_stops_everything(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: open("/dev/full", "wb"))  # noqa: PTH123, SIM115
    with pytest.raises(SourceError, match="make room there"):
        source(page("x" * length)).list({})


def test_nothing_is_left_of_the_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208  # a count
    one = source(page("secret", source="a"))
    (item,) = one.list({}).items
    one.list({})
    one.close()
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208
    assert [path for path in tmp_path.iterdir() if path.name not in ("work", "data")] == []
    with pytest.raises(DocumentError, match="ingest the source anew"):
        one.read(item)


def test_the_metadata_say_what_day_it_is_of() -> None:
    one = source(page(source="a", date="2024-01-31", last_modified="2025-02-01T10:00:00"), page(source="b", date=7))
    dated = {item.item: one.read(item).dated for item in one.list({}).items}
    assert dated == {"a": date(2025, 2, 1), "b": None}
    one.close()
