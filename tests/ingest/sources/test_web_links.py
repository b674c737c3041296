from __future__ import annotations

import pytest

from ingest.sources.web_fetch import FetchFault
from ingest.sources.web_links import MOST_LINKS, Said, obey_header, read_page, read_sitemap

AT = "https://docs.example/guide/page"


def links(html: str) -> list[str]:
    return read_page(AT, html.encode()).links


def test_links_are_absolute_once_and_without_fragments() -> None:
    html = (
        '<a href="a">1</a><A HREF=\'/b#x\'>2</A><a class=x href=c?d&amp;e>3</a><a href="a#y">4</a><area href="//docs.example/f">'
        '<a href="mailto:x@y">5</a><a name="z">6</a><a href="g" rel="nofollow noopener">7</a><a href="">8</a>'
    )
    assert links(html) == [
        "https://docs.example/guide/a",
        "https://docs.example/b",
        "https://docs.example/guide/c?d&e",
        "https://docs.example/f",
    ]


def test_comments_and_scripts_lead_nowhere() -> None:
    html = (
        '<!-- <a href="no1"> --><script>var x = \'<a href="no2">\';</script><a href="yes1">'
        '<STYLE>/* <a href="no3"> */</STYLE ><a href="yes2"><!-- <a href="no4">'
    )
    assert links(html) == ["https://docs.example/guide/yes1", "https://docs.example/guide/yes2"]


def test_base_refresh_and_canonical() -> None:
    said = read_page(
        AT,
        b'<base href="/root/"><meta http-equiv="Refresh" content="0; URL=\'next\'"><link rel="Canonical" href="self">'
        b'<a href="a">',
    )
    assert said.links == ["https://docs.example/root/next", "https://docs.example/root/a"]
    assert said.canonical == "https://docs.example/root/self"


def test_pages_in_other_encodings_have_links() -> None:
    text = '<html><head><meta charset="shift_jis"></head><a href="/目次">目次のページはこちらです</a>'
    assert read_page(AT, text.encode("cp932"), "shift_jis").links == ["https://docs.example/%E7%9B%AE%E6%AC%A1"]
    assert read_page(AT, text.encode("utf-16")).links == ["https://docs.example/%E7%9B%AE%E6%AC%A1"]
    assert read_page(AT, b'\x81\x00\xfa\x81<a href="a">').links == ["https://docs.example/guide/a"]


@pytest.mark.parametrize(
    "hostile",
    [
        "<a " * 300_000,
        "<!--" * 300_000,
        "<script" * 200_000,
        '<a href="x' * 200_000,
        '<a href="x>' * 100_000,
        "<b>" * 400_000,
        "<a " + "x=" * 500_000 + ">",
        "<a " + "x " * 1_900 + ">",
    ],
)
def test_hostile_pages_take_no_longer_than_their_size(hostile: str) -> None:
    assert links(hostile + '--></script><a href="/end">')[-1:] in ([], ["https://docs.example/end"])


def test_links_of_one_page_have_an_end() -> None:
    assert len(links("".join(f'<a href="{number}">' for number in range(MOST_LINKS + 10)))) == MOST_LINKS


def test_robots_headers_for_others_are_not_for_us() -> None:
    said = Said()
    obey_header(said, "googlebot: noindex, kura: nofollow, noarchive")
    assert (said.index, said.follow) == (True, False)
    obey_header(said, "none")
    assert not said.index


def test_a_sitemap_without_a_namespace_and_what_is_none() -> None:
    assert read_sitemap(b"<urlset><url><loc>a</loc><loc>b</loc></url><x><loc>c</loc></x></urlset>").pages == ("a", "b")
    with pytest.raises(FetchFault, match="no sitemap"):
        read_sitemap(b"<rss/>")
