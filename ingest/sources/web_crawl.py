"""One walk through a site: which pages there are now, which are gone, which did not come. Knows nothing of items.

A page that did not come makes holes: what only it leads to would seem to be gone. So its former links are followed instead,
and whatever was stored before and still was not met is asked for by itself. The same is done when the walk ends early.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.robotparser import RobotFileParser

from ingest.errors import SourceError
from ingest.sources.globs import Globs
from ingest.sources.web_address import PORTS, Address, Refused, parse_address
from ingest.sources.web_fetch import AGENT, Fetched, Fetcher, FetchFault, Limits, TooLarge
from ingest.sources.web_links import Said, obey_header, read_page, read_sitemap
from ingest.sources.web_memory import Page

MOST_REDIRECTS = 5
MOST_SITEMAPS = 500
FAULTS_IN_A_ROW = 10
"""After so many the site is taken to be down."""
LONGEST_DELAY_S = 10.0
"""Between two requests, whatever robots.txt asks for: more would make a sync last for days."""
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_ENDINGS = {"text/markdown": ".md", "text/x-markdown": ".md", "application/pdf": ".pdf", "text/csv": ".csv"}
_UNTOLD = frozenset({"", "application/octet-stream", "binary/octet-stream", "text/plain"})
"""Content types that say less than an ending."""


@dataclass(frozen=True, slots=True)
class _Step:
    """An address to visit: how far from the start, redirected from where, and whether the source stands on it."""

    url: str
    depth: int = 0
    via: tuple[str, ...] = ()
    is_start: bool = False
    follow: bool = True


class Crawl:
    """Walks with a fetcher; what it found is in its attributes. `keep` is handed the bytes of each page that came.

    Raises SourceError if a start page, a sitemap or robots.txt does not come, or the site is down.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        limits: Limits,
        include: Globs,
        exclude: Globs,
        suffixes: Collection[str],
        memory: Mapping[str, Page],
        keep: Callable[[str, Page, bytes], None],
    ) -> None:
        self._fetcher = fetcher
        self._limits = limits
        self._include = include
        self._exclude = exclude
        self._suffixes = suffixes
        self._memory = memory
        self._keep = keep
        self._hosts: dict[tuple[str, int], str] = {}
        self._robots: dict[str, RobotFileParser] = {}
        self._seen: set[str] = set()
        self._queue: deque[_Step] = deque()
        self._faults = 0
        self._visits = 0
        self._has_holes = False
        self.pages: dict[str, Page] = {}
        self.failed: dict[str, str] = {}
        """Pages that did not come, with a sentence each."""
        self.refused: dict[str, str] = {}
        """Pages that can be no documents, with a sentence each."""
        self.skipped: dict[str, str] = {}
        """What is passed over, with a short reason each."""

    def walk(self, starts: Iterable[str], sitemap: str, known: Iterable[str]) -> None:
        """Visit the start pages and what they link to, or the pages of a sitemap; then see to what was `known` before."""
        begin = [parse_address(url) for url in starts]
        first = parse_address(sitemap) if sitemap else None
        for address in (*begin, *([first] if first else [])):
            self._hosts[_place(address)] = address.scheme
        self._queue.extend(_Step(str(address), is_start=True) for address in begin)
        if first:
            self._queue.extend(self._sitemap_steps(str(first)))
        self._run(self._limits.pages)
        beyond = [step for step in self._queue if step.url not in self._seen]
        if self._has_holes or beyond:
            if beyond:
                self.skipped[f"what lies beyond {self._limits.pages:,} pages"] = "a source has no more"
            self._queue.clear()
            self._queue.extend(_Step(url, follow=False) for text in known if (url := self._admit(text, "")))
            self._run()  # each was stored, so they are no more than a walk's worth

    def _run(self, most: int | None = None) -> None:
        while self._queue and (most is None or self._visits < most):
            step = self._queue.popleft()
            if step.url not in self._seen:
                self._seen.add(step.url)
                self._visit(step)

    def _visit(self, step: _Step) -> None:
        address = parse_address(step.url)
        if not step.is_start and not self._is_of_use(step, address):
            return
        if not self._permitted(address):
            self._leave(step, "robots.txt does not let it be read", self.skipped)
            return
        self._visits += 1
        before = self._memory.get(step.url)
        try:
            answer = self._fetcher.get(step.url, before.conditions if before else None)
        except TooLarge as fault:
            sentence = f"{step.url} cannot be a document ({fault}): exclude it from the source."
            self._leave(step, str(fault), self.refused, sentence)
            self._has_holes = True
        except (FetchFault, Refused) as fault:
            self._fail(step, str(fault))
        else:
            self._take(step, answer, before)

    def _take(self, step: _Step, answer: Fetched, before: Page | None) -> None:
        if answer.status == 304 and before:
            self._arrived(step, before)
        elif answer.status == 200:
            page = self._learn(step.url, answer)
            self._keep(step.url, page, answer.body)
            self._arrived(step, page)
        elif answer.status in {301, 302, 303, 307, 308} and "location" in answer.headers:
            self._redirected(step, answer.headers["location"])
        elif answer.status in {404, 410}:
            self._faults = 0
            self._leave(step, f"its server answers with status {answer.status}", {})
        else:
            down = answer.status >= 500 or answer.status == 429
            self._fail(step, f"its server answers with status {answer.status}", counts=down)

    def _arrived(self, step: _Step, page: Page) -> None:
        self._faults = 0
        self.pages[step.url] = page
        self._lead_on(step, page)

    def _redirected(self, step: _Step, location: str) -> None:
        self._faults = 0
        target = self._admit(location, step.url)
        via = (*step.via, step.url)
        if target in via or len(via) > MOST_REDIRECTS:
            self._fail(step, "its server sends requests round in circles")
        elif target:
            self._queue.appendleft(replace(step, url=target, via=via))
        else:
            self._leave(step, _elsewhere(location, step.url), self.skipped)

    def _fail(self, step: _Step, said: str, *, counts: bool = True) -> None:
        """The page stands there but did not come: what it led to is followed all the same. `counts`: the site may be down."""
        self._leave(step, said, self.failed, f"{step.url} cannot be read now ({said}).")
        self._has_holes = True
        self._faults += counts
        if self._faults >= FAULTS_IN_A_ROW:
            raise SourceError(f"{step.url} and the pages before it cannot be fetched ({said}): try again later.")
        if before := self._memory.get(step.url):
            self._lead_on(step, before)

    @staticmethod
    def _leave(step: _Step, said: str, notes: dict[str, str], sentence: str = "") -> None:
        if step.is_start:
            raise SourceError(
                f"The start page {step.url} cannot be listed ({said}): check the source's settings. Nothing was changed."
            )
        notes[step.url] = sentence or said

    def _lead_on(self, step: _Step, page: Page) -> None:
        if not step.follow:
            return
        if page.canonical:
            self._queue.append(_Step(page.canonical, step.depth))
        if step.depth < self._limits.depth:
            self._queue.extend(_Step(link, step.depth + 1) for link in page.links if link not in self._seen)

    def _is_of_use(self, step: _Step, address: Address) -> bool:
        """Whether a page may be a document, or at least lead to one; what is excluded is not even asked for."""
        path = matched(address)
        return self._exclude.takes_below(path) and (step.follow or self._include.takes(path))

    def _admit(self, text: str, base: str) -> str:
        """The address, if it is on a host of the source; http becomes https where the source says https. Else ""."""
        try:
            address = parse_address(text, base)
        except Refused:
            return ""
        scheme = self._hosts.get(_place(address))
        if scheme is None:
            return ""
        if (scheme, address.scheme, address.port) == ("https", "http", PORTS["http"]):
            address = replace(address, scheme="https", port=PORTS["https"])
        return str(address)

    def _learn(self, url: str, answer: Fetched) -> Page:
        content_type, _, parameters = answer.headers.get("content-type", "").lower().partition(";")
        ending = self._ending(parse_address(url), content_type.strip())
        said = Said()
        if ending in {".html", ".htm"}:
            charset = re.search(r"charset\s*=\s*\"?([\w.:-]{1,40})", parameters)
            said = read_page(url, answer.body, charset[1] if charset else "")
        obey_header(said, answer.headers.get("x-robots-tag", ""))
        inside = (self._admit(link, "") for link in said.links) if said.follow else ()
        canonical = self._admit(said.canonical, "") if said.canonical else ""
        return Page(
            sha256=hashlib.sha256(answer.body).hexdigest(),
            ending=ending if ending in self._suffixes else "",
            etag=answer.headers.get("etag", ""),
            modified=answer.headers.get("last-modified", ""),
            canonical=canonical if canonical != url else "",
            index=said.index,
            links=tuple(dict.fromkeys(link for link in inside if link)),
        )

    def _ending(self, address: Address, content_type: str) -> str:
        if content_type in _HTML:
            return ".html"
        own = PurePosixPath(address.path).suffix.lower()
        if content_type in _UNTOLD:
            return own if own in self._suffixes else (".txt" if content_type == "text/plain" else "")
        told = _ENDINGS.get(content_type) or mimetypes.guess_extension(content_type) or ""
        return told if told in self._suffixes else own

    def _permitted(self, address: Address) -> bool:
        origin = f"{address.scheme}://{address.netloc}"
        if origin not in self._robots:
            self._robots[origin] = self._read_robots(origin)
        return self._robots[origin].can_fetch(AGENT, str(address))

    def _read_robots(self, origin: str) -> RobotFileParser:
        """The site's rules; by RFC 9309 there are none if it has no such file, and no crawl if that cannot be told."""
        rules = RobotFileParser()
        answer = self._settled(f"{origin}/robots.txt", "robots.txt")
        unavailable = 400 <= answer.status < 500 and answer.status != 429
        if answer.status != 200 and not unavailable:
            raise SourceError(
                f"{origin}/robots.txt cannot be read (status {answer.status}), so nobody can tell what the site allows: try"
                " again later. Nothing was changed."
            )
        rules.parse(answer.body.decode("utf-8", "replace").splitlines() if answer.status == 200 else [])
        asked = float(rules.crawl_delay(AGENT) or 0)
        self._fetcher.delay_s = min(max(self._fetcher.delay_s, asked), LONGEST_DELAY_S)
        return rules

    def _sitemap_steps(self, first: str) -> Iterable[_Step]:
        """The pages of a sitemap, and of those that it names."""
        todo, done, steps = deque([first]), {first}, dict[str, _Step]()
        while todo:
            url = todo.popleft()
            if not self._permitted(parse_address(url)):
                raise SourceError(
                    f"The sitemap {url} cannot be read: robots.txt does not let it be. Nothing was changed."
                )
            answer = self._settled(url, "The sitemap")
            try:
                if answer.status != 200:
                    raise FetchFault(f"status {answer.status}")
                found = read_sitemap(answer.body)
            except FetchFault as fault:
                raise SourceError(
                    f"The sitemap {url} cannot be read ({fault}): check it. Nothing was changed."
                ) from fault
            fresh = [one for text in found.sitemaps if (one := self._admit(text, url)) and one not in done]
            done.update(fresh)
            todo.extend(fresh)
            if len(done) > MOST_SITEMAPS:
                raise SourceError(f"{first} names more than {MOST_SITEMAPS} sitemaps: name one of them as the source.")
            for text in found.pages:
                if page := self._admit(text, url):
                    steps[page] = _Step(page, follow=False)
                else:
                    self.skipped[text] = "not on a host of the source"
        if not steps:
            raise SourceError(f"The sitemap {first} names no page of its host: check it. Nothing was changed.")
        return steps.values()

    def _settled(self, url: str, what: str) -> Fetched:
        """The answer where redirects inside the source's hosts end."""
        at = url
        try:
            for _ in range(MOST_REDIRECTS + 1):
                answer = self._fetcher.get(at)
                if answer.status not in {301, 302, 303, 307, 308}:
                    return answer
                before, at = at, self._admit(answer.headers.get("location", ""), at)
                if not at:
                    raise FetchFault(_elsewhere(answer.headers.get("location", ""), before))
            raise FetchFault("its server sends requests round in circles")
        except (FetchFault, Refused) as fault:
            raise SourceError(
                f"{what} at {url} cannot be fetched ({fault}): try again later. Nothing was changed."
            ) from fault


def _elsewhere(location: str, base: str) -> str:
    try:
        host = parse_address(location, base).netloc
    except Refused:
        host = "an address that is none"
    return f"its server sends requests on to {host}"


def _place(address: Address) -> tuple[str, int]:
    """A host, with its port unless that is the web's own."""
    return address.host, 0 if address.port in PORTS.values() else address.port


def matched(address: Address) -> str:
    """What patterns are compared with: the path, where a folder's own page is its index."""
    return address.path + ("index.html" if not address.path or address.path.endswith("/") else "")
