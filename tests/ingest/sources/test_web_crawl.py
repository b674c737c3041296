from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def sitemap(*urls: str, kind: str = "url", root: str = "urlset") -> Reply:
    inside = "".join(f"<{kind}><loc> {url} </loc></{kind}>" for url in urls)
    text = f'<?xml version="1.0"?><{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{inside}</{root}>'
    return Reply(text.encode(), kind="application/xml")


def test_deleted_and_unlinked_pages_are_gone(site: Site, reading: Reading) -> None:
    site.page("/", "/a", "/b", "/c")
    for name in "abc":
        site.page(f"/{name}")
    reading.list()
    site.pages["/a"] = Reply(status=410)
    del site.pages["/b"]
    site.page("/", "/a", "/b")

    listing = reading.list()

    assert {reading.short(item.item) for item in listing.items} == {"/"}
    assert not listing.unreadable


@pytest.mark.parametrize("status", [500, 503, 429, 403])
def test_a_page_that_does_not_come_is_kept_with_what_only_it_leads_to(
    site: Site, reading: Reading, status: int
) -> None:
    site.page("/", "/hub")
    site.page("/hub", "/only", "/gone")
    site.page("/only", text="one")
    site.page("/gone")
    reading.list()
    site.pages["/hub"] = Reply(status=status)
    site.page("/only", text="two")
    del site.pages["/gone"]

    listing = reading.list()

    assert {reading.short(item.item) for item in listing.items} == {"/", "/only"}
    assert list(listing.unreadable) == [f"{site.address}/hub"]
    assert b"two" in reading.texts["/only"]
    assert reading.listed() == {"/", "/only"}  # and still, the next time


def test_new_pages_behind_a_page_that_does_not_come_are_found_time_after_time(site: Site, reading: Reading) -> None:
    site.page("/", "/hub")
    site.page("/hub", "/only")
    site.page("/only")
    reading.list()
    site.pages["/hub"] = DOWN
    for new in (["/new1"], ["/new1", "/new2"]):
        site.page("/only", *new)
        site.page(new[-1])
        assert reading.listed() == {"/", "/only", *new}


def test_without_the_cache_what_a_failed_page_led_to_is_asked_for_by_itself(site: Site, reading: Reading) -> None:
    site.page("/", "/hub")
    site.page("/hub", "/only", "/bad", "/gone")
    for name in ("only", "bad", "gone"):
        site.page(f"/{name}")
    reading.list()
    (reading.cache / "pages.json").unlink()
    site.pages["/hub"] = site.pages["/bad"] = DOWN
    del site.pages["/gone"]

    listing = reading.list()

    assert {reading.short(item.item) for item in listing.items} == {"/", "/only"}
    assert {reading.short(url) for url in listing.unreadable} == {"/hub", "/bad"}


def test_a_site_that_is_down_stops_the_run(site: Site, reading: Reading) -> None:
    names = [f"/{number}" for number in range(12)]
    site.page("/", *names)
    for name in names:
        site.page(name)
    reading.list()
    for name in names:
        site.pages[name] = DOWN
    reading.refused("try again later")


@pytest.mark.parametrize(
    "answer", [DOWN, Reply(status=404), Reply(status=302, headers={"Location": "http://elsewhere.example/"})]
)
def test_a_start_page_that_does_not_come_stops_the_run(site: Site, reading: Reading, answer: Reply) -> None:
    site.pages["/"] = answer
    reading.refused("start page")


def test_a_site_that_is_not_there_stops_the_run(site: Site, reading: Reading) -> None:
    reading.refused("cannot be fetched", start=["http://127.0.0.1:9/"], allow_hosts=["127.0.0.1:9"])
    reading.refused("not on the list", allow_hosts=[])
    assert not site.asked


def test_redirects_stay_on_the_host_and_end(site: Site, reading: Reading) -> None:
    site.page("/", "/old", "/out", "/in", "/round", "/long")
    site.page("/new")
    for path, target in (
        ("/old", "/new"),
        ("/out", "http://169.254.169.254/latest/meta-data/"),
        ("/in", "http://127.0.0.1:9/admin"),
        ("/round", "/round2"),
        ("/round2", "/round"),
        ("/long", "/long1"),
        *((f"/long{n}", f"/long{n + 1}") for n in range(1, 9)),
    ):
        site.pages[path] = Reply(status=302, headers={"Location": target})

    listing = reading.list()

    assert {reading.short(item.item) for item in listing.items} == {"/", "/new"}
    assert {reading.short(url) for url in listing.skipped} == {"/out", "/in"}
    assert {reading.short(url) for url in listing.unreadable} == {"/round2", "/long5"}


def test_robots_txt_is_obeyed(site: Site, reading: Reading) -> None:
    rules = b"User-agent: *\nDisallow: /\n\nUser-agent: kura\nDisallow: /private\nCrawl-delay: 3\n"
    site.pages["/robots.txt"] = Reply(rules, kind="text/plain")
    site.page("/", "/private/a", "/open")
    site.page("/private/a")
    site.page("/open")
    listing = reading.list()
    assert {reading.short(item.item) for item in listing.items} == {"/", "/open"}
    assert listing.skipped == {f"{site.address}/private/a": "robots.txt does not let it be read"}
    assert "/private/a" not in site.paths()
    assert reading.waited
    assert all(0 < seconds <= 3 for seconds in reading.waited)


def test_robots_txt_that_cannot_be_told_stops_the_run(site: Site, reading: Reading) -> None:
    site.page("/")
    site.pages["/robots.txt"] = DOWN
    reading.refused(r"robots\.txt")
    site.pages["/robots.txt"] = Reply(status=403)
    assert reading.listed() == {"/"}
    site.pages["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /", kind="text/plain")
    reading.refused(r"robots\.txt does not let")


def test_noindex_and_nofollow_are_obeyed(site: Site, reading: Reading) -> None:
    site.page("/", "/hidden", "/header", "/other", "/leaf")
    site.page("/hidden", "/behind", head='<meta name="ROBOTS" content="noindex">')
    site.page("/header", headers={"X-Robots-Tag": "noindex"})
    site.page("/other", headers={"X-Robots-Tag": "somebot: noindex"})
    site.page("/leaf", "/unreached", head='<meta name="kura" content="nofollow">')
    for name in ("behind", "unreached"):
        site.page(f"/{name}")
    assert reading.listed() == {"/", "/behind", "/other", "/leaf"}
    assert reading.listed() == {"/", "/behind", "/other", "/leaf"}  # from what the cache remembers


def test_copies_of_a_page_are_listed_once_under_its_own_address(site: Site, reading: Reading) -> None:
    site.page("/", "/a?sort=up", "/b", "/loop1", "/lost", "/far")
    site.page("/a?sort=up", head='<link rel="canonical" href="/a">')
    site.page("/a", head='<link rel="canonical" href="/a">')
    site.page("/b", head='<link rel="canonical" href="/a">')
    site.page("/loop1", head='<link rel="canonical" href="/loop2">')
    site.page("/loop2", head='<link rel="canonical" href="/loop1">')
    site.page("/lost", head='<link rel="canonical" href="/nowhere">')
    site.page("/far", head='<link rel="canonical" href="http://elsewhere.example/">')
    expected = {"/", "/a", "/loop1", "/loop2", "/lost", "/far"}
    assert reading.listed() == expected
    site.pages["/a"] = DOWN
    assert reading.listed() == expected - {"/a"}  # kept, so that its copies do not come in its place


def test_include_and_exclude_go_by_path(site: Site, reading: Reading) -> None:
    site.page("/", "/docs/", "/docs/old/x", "/news/n")
    site.page("/docs/", "/docs/a")
    site.page("/news/n", "/docs/b")
    for path in ("/docs/a", "/docs/b", "/docs/old/x"):
        site.page(path)
    assert reading.listed(include=["docs/"], exclude=["old/"]) == {"/docs/", "/docs/a", "/docs/b"}
    assert "/docs/old/x" not in site.paths()


def test_depth_has_an_end(site: Site, reading: Reading) -> None:
    for depth in range(6):
        site.page(f"/{depth}", f"/{depth + 1}")
    assert reading.listed(start=[f"{site.address}/0"], limits={"depth": 2}) == {"/0", "/1", "/2"}


def test_beyond_the_most_pages_nothing_new_comes_and_nothing_stored_is_lost(site: Site, reading: Reading) -> None:
    site.page("/", "/a", "/b", "/c")
    for name in "abc":
        site.page(f"/{name}")
    reading.list()
    site.page("/", "/new1", "/new2", "/new3", "/a", "/b", "/c")
    for number in (1, 2, 3):
        site.page(f"/new{number}")
    del site.pages["/c"]

    listing = reading.list(limits={"pages": 3})

    assert {reading.short(item.item) for item in listing.items} == {"/", "/new1", "/new2", "/a", "/b"}
    assert listing.skipped == {"what lies beyond 3 pages": "a source has no more"}


def test_a_sitemap_and_an_index_of_sitemaps(site: Site, reading: Reading) -> None:
    at = site.address
    site.pages["/sitemap.xml"] = sitemap(f"{at}/one.xml", f"{at}/two.xml.gz", kind="sitemap", root="sitemapindex")
    site.pages["/one.xml"] = sitemap(f"{at}/a", f"{at}/b", "http://elsewhere.example/x")
    packed = sitemap(f"{at}/c")
    site.pages["/two.xml.gz"] = Reply(gzip.compress(packed.body), kind="application/gzip")
    site.page("/a", "/unlisted")
    for path in ("/b", "/c", "/unlisted"):
        site.page(path)

    listing = reading.list(sitemap=f"{at}/sitemap.xml")

    assert {reading.short(item.item) for item in listing.items} == {"/a", "/b", "/c"}
    assert listing.skipped == {"http://elsewhere.example/x": "not on a host of the source"}
    site.pages["/one.xml"] = sitemap(f"{at}/a")
    assert reading.listed(sitemap=f"{at}/sitemap.xml") == {"/a", "/c"}


@pytest.mark.parametrize(
    "answer",
    [
        DOWN,
        Reply(status=404),
        Reply(b"<html>", kind="text/html"),
        Reply(b"", kind="application/xml"),
        sitemap(),
        Reply(gzip.compress(b"x" * 1000)[:-5]),
        Reply(b'<!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/passwd">]><urlset><url><loc>&x;</loc></url></urlset>'),
        Reply(b'<!DOCTYPE u [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>'),
        Reply(b'<?xml version="1.0" encoding="made-up"?><urlset/>'),
    ],
)
def test_a_sitemap_that_is_empty_broken_or_hostile_stops_the_run(site: Site, reading: Reading, answer: Reply) -> None:
    site.pages["/sitemap.xml"] = answer
    reading.refused("sitemap", sitemap=f"{site.address}/sitemap.xml")


def test_a_nested_sitemap_that_fails_stops_the_run(site: Site, reading: Reading) -> None:
    at = site.address
    site.pages["/sitemap.xml"] = sitemap(f"{at}/one.xml", f"{at}/two.xml", kind="sitemap", root="sitemapindex")
    site.pages["/one.xml"] = sitemap(f"{at}/a")
    site.page("/a")
    site.pages["/two.xml"] = DOWN
    reading.refused(r"two\.xml", sitemap=f"{at}/sitemap.xml")
