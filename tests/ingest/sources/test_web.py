from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import DocumentError, SourceError
from ingest.sources import UNKNOWN_KIND
from ingest.sources.web import WebSource
from tests.ingest.sources.reading import Reading
from tests.ingest.sources.site import Reply, Site

DOWN = Reply(status=500)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as served:
        yield served


@pytest.fixture
def reading(site: Site, tmp_path: Path) -> Iterator[Reading]:
    made = Reading(site, tmp_path / "cache")
    yield made
    made.close()


def test_pages_are_found_by_links_and_read(site: Site, reading: Reading) -> None:
    site.page("/", "/a", "b/?utm_source=x", "#top", "mailto:a@example.com", "http://elsewhere.example/x")
    site.page("/a", "/", text="of a")
    site.page("/b/", "../c.pdf", "notes.md", "raw", "pic.png")
    site.pages["/c.pdf"] = Reply(b"%PDF-1.4", kind="application/pdf")
    site.pages["/b/notes.md"] = Reply(b"# Notes", kind="text/plain")
    site.pages["/b/raw"] = Reply(b"plain", kind="text/plain")
    site.pages["/b/pic.png"] = Reply(b"png", kind="image/png")

    listing = reading.list()

    names = {reading.short(item.item): item.name for item in listing.items}
    assert names == {
        "/": "127.0.0.1.html",
        "/a": "a.html",
        "/b/": "b.html",
        "/c.pdf": "c.pdf",
        "/b/notes.md": "notes.md",
        "/b/raw": "raw.txt",
    }
    assert listing.skipped == {f"{site.address}/b/pic.png": UNKNOWN_KIND}
    assert b"of a" in reading.texts["/a"]
    assert reading.texts["/c.pdf"] == b"%PDF-1.4"
    assert all(item.address == item.item for item in listing.items)
    assert reading.make().root == f"{site.address}/"


def test_an_unchanged_site_is_walked_without_a_body(site: Site, reading: Reading) -> None:
    site.page("/", "/a")
    site.page("/a", "/b")
    site.page("/b", text="deep")
    reading.list()
    site.paths()

    assert reading.listed() == {"/", "/a", "/b"}
    assert not reading.texts
    assert all("if-none-match" in headers for path, headers in site.asked if path != "/robots.txt")
    assert sorted(site.paths()) == ["/", "/a", "/b"]


def test_a_changed_page_comes_again_and_a_page_without_validators_is_told_by_content(
    site: Site, reading: Reading
) -> None:
    site.page("/", "/a")
    site.page("/a", text="one")
    site.etags = False
    reading.list()
    reading.list()
    assert not reading.texts
    site.page("/a", text="two")
    reading.list()
    assert list(reading.texts) == ["/a"]


def test_what_is_stored_otherwise_than_the_cache_remembers_is_read_again(site: Site, reading: Reading) -> None:
    site.page("/", text="now")
    reading.list()
    reading.known = {f"{site.address}/": "sha256:older"}  # killed between listing and storing
    reading.list()
    assert b"now" in reading.texts["/"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 1}', '{"format": 1, "root": "other", "pages": {}}'])
def test_a_lost_or_damaged_cache_costs_requests_and_nothing_else(site: Site, reading: Reading, damage: str) -> None:
    site.page("/", "/a")
    site.page("/a")
    reading.list()
    (reading.cache / "pages.json").write_text(damage)
    assert reading.listed() == {"/", "/a"}
    assert not reading.texts


def test_no_text_stays_on_the_disk(site: Site, reading: Reading) -> None:
    site.page("/", "/a", text="SECRET-TEXT", head="<title>SECRET-TITLE</title>")
    site.page("/a", text="SECRET-TEXT")
    reading.list()
    kept = [path for path in reading.cache.rglob("*") if path.is_file()]
    assert [path.name for path in kept] == ["pages.json"]
    assert "SECRET" not in kept[0].read_text()
    assert kept[0].stat().st_mode & 0o077 == 0
    assert json.loads(kept[0].read_text())["pages"]


def test_a_page_that_is_too_large_is_no_document(site: Site, reading: Reading) -> None:
    site.page("/", "/big")
    site.pages["/big"] = Reply(gzip.compress(bytes(10_000_000)), headers={"Content-Encoding": "gzip"})
    source = reading.make()
    items = {reading.short(item.item): item for item in source.list({}).items}
    with pytest.raises(DocumentError, match="larger than"):
        source.read(items["/big"])


def test_a_page_is_fetched_when_read_if_it_did_not_come_with_the_listing(site: Site, reading: Reading) -> None:
    site.page("/", text="one")
    reading.list()
    source = reading.make()
    (item,) = source.list(reading.known).items
    assert source.read(item).version == item.version
    site.page("/", text="two")
    assert source.read(item).version != item.version
    site.pages["/"] = DOWN
    with pytest.raises(OSError, match="status 500"):
        source.read(item)
    source.close()
    source.close()
    with pytest.raises(OSError, match="has ended"):
        source.read(item)


SETTINGS: list[tuple[Callable[[Path], Mapping[str, Any]], str]] = [
    (lambda cache: {"cache": cache}, "start pages, or a sitemap"),
    (lambda cache: {"cache": cache, "start": "http://docs.example/"}, "list of start pages"),
    (lambda cache: {"cache": cache, "start": ["http://user:secret@docs.example/"]}, "without credentials"),
    (lambda cache: {"cache": cache, "start": ["file:///etc/passwd"]}, "https://host/path"),
    (lambda cache: {"cache": cache, "start": ["http://a.example/"], "allow_hosts": ["http://a"]}, "allow_hosts"),
]


@pytest.mark.parametrize(("settings", "word"), SETTINGS)
def test_settings_that_cannot_be_are_refused(
    tmp_path: Path, settings: Callable[[Path], Mapping[str, Any]], word: str
) -> None:
    with pytest.raises(SourceError, match=word) as caught:
        WebSource(**settings(tmp_path))
    assert "secret" not in str(caught.value)


def test_a_cache_that_cannot_be_written_stops_the_run(site: Site, reading: Reading) -> None:
    site.page("/")
    reading.cache.write_text("a file")
    reading.refused("cannot be written")


def test_a_page_is_of_the_day_its_server_says(site: Site, reading: Reading) -> None:
    site.page("/", "/old", "/odd")
    site.pages["/old"] = Reply(b"<p>Old</p>", headers={"Last-Modified": "Wed, 31 Jan 2024 09:00:00 GMT"})
    site.pages["/odd"] = Reply(b"<p>Odd</p>", headers={"Last-Modified": "yesterday"})
    source = reading.make()
    dated = {reading.short(item.item): source.read(item).dated for item in source.list({}).items}
    assert dated == {"/": None, "/old": date(2024, 1, 31), "/odd": None}
