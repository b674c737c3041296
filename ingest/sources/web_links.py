"""What a page or a sitemap says to a crawler: links, its canonical address, whether it may be kept. Fetches nothing.

Only whole tags of the few kinds that matter are looked at, found in time that grows with the page and no faster: this runs
outside the child process that parses documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

from ingest.decoding import decode
from ingest.errors import UndecodableText
from ingest.sources.web_address import Refused, parse_address
from ingest.sources.web_fetch import AGENT, FetchFault, unpacked

MOST_LINKS = 5000
"""Of one page; more is a trap or a list that a sitemap says better."""
MOST_SITEMAP_BYTES = 50 * 2**20
"""By the sitemap protocol, unpacked."""
_TAG = re.compile(r"<(?:a|area|base|link|meta)\s[^<>]{0,4096}>", re.IGNORECASE)
"""Bounded, because the parser's time grows faster than a tag."""
_SCRIPT = re.compile(r"<(script|style|template)\b", re.IGNORECASE)
_REFRESH = re.compile(r"\s*\d*\s*[;,]\s*url\s*=\s*[\"']?([^\"']+)", re.IGNORECASE)
_GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class Said:
    """What a page says; the addresses are absolute."""

    links: list[str] = field(default_factory=list)
    canonical: str = ""
    index: bool = True
    follow: bool = True


@dataclass(frozen=True, slots=True)
class Sitemap:
    """Pages, or further sitemaps."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()


class _Tags(HTMLParser):
    """Collects from whole tags."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.said = Said()
        self._base = url

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in reversed(attrs)}
        href, rel = values.get("href", ""), values.get("rel", "").lower().split()
        if tag in {"a", "area"} and href and "nofollow" not in rel:
            self._link(href)
        elif tag == "base" and href:
            self._base = self._absolute(href) or self._base
        elif tag == "link" and "canonical" in rel and href and not self.said.canonical:
            self.said.canonical = self._absolute(href)
        elif tag == "meta" and values.get("name", "").lower() in {"robots", AGENT}:
            _obey(self.said, values.get("content", ""))
        elif (
            tag == "meta"
            and values.get("http-equiv", "").lower() == "refresh"
            and (found := _REFRESH.match(values.get("content", "")))
        ):
            self._link(found[1])

    def _link(self, href: str) -> None:
        target = self._absolute(href)
        if target and len(self.said.links) < MOST_LINKS:
            self.said.links.append(target)

    def _absolute(self, href: str) -> str:
        try:
            return str(parse_address(href, self._base))
        except Refused:  # mailto:, javascript: and what no browser could follow either
            return ""


def read_page(url: str, data: bytes, charset: str = "") -> Said:
    """What an HTML page at `url` says."""
    try:
        text = decode(data, declared=charset)
    except UndecodableText:
        text = data.decode("latin-1")  # tags are ASCII in whatever encoding this is
    tags = _Tags(url)
    for part in _outside(text):
        for found in _TAG.finditer(part):
            tags.reset()  # a tag that does not close its quotes is lost by itself
            tags.feed(found[0])
    tags.said.links = list(dict.fromkeys(tags.said.links))
    return tags.said


def _outside(text: str) -> Iterator[str]:
    """The text that is neither a comment nor in a script."""
    for number, part in enumerate(text.split("<!--")):
        shown = part.partition("-->")[2] if number else part
        pieces = _SCRIPT.split(shown)
        yield pieces[0]
        for name, piece in zip(pieces[1::2], pieces[2::2], strict=True):
            closed = re.search(f"</{name}", piece, re.IGNORECASE)
            if closed:
                yield piece[closed.end() :]


def obey_header(said: Said, value: str) -> None:
    """Take note of X-Robots-Tag; what it says to other crawlers by name is not for us."""
    for rule in value.split(","):
        agent, colon, directive = rule.rpartition(":")
        if not colon or agent.strip().lower() == AGENT:
            _obey(said, directive)


def _obey(said: Said, content: str) -> None:
    words = {word.strip().lower() for word in content.split(",")}
    if words & {"noindex", "none"}:
        said.index = False
    if words & {"nofollow", "none"}:
        said.follow = False


def read_sitemap(data: bytes) -> Sitemap:
    """The addresses in a sitemap or an index of sitemaps, packed or not. Raises FetchFault if it is neither."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    if data.startswith(_GZIP):
        data = b"".join(unpacked([data], "gzip", MOST_SITEMAP_BYTES))
    try:
        root = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise FetchFault("it is no sitemap") from error
    kind = root.tag.rpartition("}")[2]
    if kind not in {"urlset", "sitemapindex"}:
        raise FetchFault("it is no sitemap")
    found = (
        place.text.strip()
        for entry in root
        if entry.tag.rpartition("}")[2] in {"url", "sitemap"}
        for place in entry
        if place.tag.rpartition("}")[2] == "loc" and place.text
    )
    places = tuple(dict.fromkeys(found))
    return Sitemap(pages=places) if kind == "urlset" else Sitemap(sitemaps=places)
