"""A web site as a source: the pages that its start pages lead to, or that its sitemap names. Knows no format.

The bytes of what changed wait in one file without a name, which is gone when the sync ends, however it ends. Between syncs
only addresses, validators and links are kept, never text.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from ingest.errors import DocumentError, SourceError
from ingest.loaders import SUFFIXES
from ingest.sources import UNKNOWN_KIND, Content, Listing, SourceItem
from ingest.sources.globs import Globs, shown
from ingest.sources.web_address import Address, Refused, parse_address
from ingest.sources.web_crawl import Crawl, matched
from ingest.sources.web_fetch import Fetcher, FetchFault, Limits, TooLarge
from ingest.sources.web_memory import Page, load, save

MOST_SPOOLED = 2**30
"""Bytes of pages that wait on the disk to be read; what comes beyond is fetched again when its turn comes."""


class WebSource:
    """A `Source` over http and https. `cache` is a folder of this source alone: remove it with the source.

    `start` are pages whose links are followed on their hosts, `sitemap` names pages by itself; either will do.
    `include` and `exclude` are patterns as in .gitignore, on the path of an address; an excluded page is not asked for.
    `allow_hosts` are hosts (or host:port) that may be machines of the company itself; without them only public ones are.
    Raises SourceError if a setting cannot be.
    """

    def __init__(
        self,
        *,
        start: Sequence[str] = (),
        sitemap: str = "",
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        allow_hosts: Iterable[str] = (),
        suffixes: Collection[str] = SUFFIXES,
        cache: Path,
        limits: Limits | None = None,
        fetcher: Callable[[], Fetcher] | None = None,
    ) -> None:
        if isinstance(start, str) or not (start or sitemap):
            raise SourceError("A web source needs a list of start pages, or a sitemap: name one in its settings.")
        self._start = [_checked(url) for url in start]
        self._sitemap = _checked(sitemap) if sitemap else ""
        self._patterns = (tuple(include), tuple(exclude))
        self._include = Globs(self._patterns[0])
        self._exclude = Globs((), self._patterns[1])
        self._suffixes = suffixes
        self._cache = cache
        self._limits = limits or Limits()
        hosts = tuple(allow_hosts)
        self._make_fetcher = fetcher or (lambda: Fetcher(hosts, self._limits))
        try:
            Fetcher(hosts).close()
        except Refused as error:
            raise SourceError(
                f"allow_hosts of the source {self.root} holds what is no host: write host or host:port."
            ) from error
        self._fetcher: Fetcher | None = None
        self._spool: IO[bytes] | None = None
        self._waiting: dict[str, tuple[int, Page, int]] = {}
        self._refused: dict[str, str] = {}

    @property
    def root(self) -> str:
        """The address of the sitemap, or else of the first start page, and patterns where they are set."""
        return (self._sitemap or self._start[0]) + shown(self._patterns)

    def list(self, known: Mapping[str, str]) -> Listing:
        """The pages there are now; each is asked for, and comes if it has changed."""
        self.close()
        try:
            self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._spool = tempfile.TemporaryFile(dir=self._cache)  # noqa: SIM115 - open until `close`
            memory_file = self._cache / "pages.json"
            memory = load(memory_file, self.root)
            crawl = self._crawl(memory, known)
            kept = {url: memory[url] for url in crawl.failed if url in memory}
            save(memory_file, self.root, kept | crawl.pages)
        except OSError as error:
            self.close()
            raise SourceError(
                f"What {self.root} needs cannot be written to {self._cache} ({error.strerror}): free some space or check its"
                " permissions."
            ) from error
        except SourceError:
            self.close()
            raise
        return self._listing(crawl, known)

    def read(self, item: SourceItem) -> Content:
        """The bytes that came with the listing, or else come now."""
        if item.item in self._refused:
            raise DocumentError(self._refused[item.item])
        if self._spool and item.item in self._waiting:
            place, page, size = self._waiting[item.item]
            self._spool.seek(place)
            return Content(self._spool.read(size), page.version, dated=page.dated)
        if self._fetcher is None:
            raise OSError(errno.EBADF, "the sync it was listed for has ended")
        try:
            answer = self._fetcher.get(item.item)
        except TooLarge as fault:
            raise DocumentError(f"{item.item} cannot be a document ({fault}): exclude it from the source.") from fault
        except (FetchFault, Refused) as fault:
            raise OSError(errno.EIO, str(fault)) from fault
        if answer.status != 200:
            raise OSError(errno.EIO, f"its server answers with status {answer.status}")
        page = Page(hashlib.sha256(answer.body).hexdigest(), modified=answer.headers.get("last-modified", ""))
        return Content(answer.body, page.version, dated=page.dated)

    def close(self) -> None:
        """Let go of the bytes that came, and of the connection."""
        if self._spool:
            self._spool.close()
        if self._fetcher:
            self._fetcher.close()
        self._spool = self._fetcher = None
        self._waiting.clear()
        self._refused = {}

    def _crawl(self, memory: Mapping[str, Page], known: Mapping[str, str]) -> Crawl:
        self._fetcher = self._make_fetcher()

        def keep(url: str, page: Page, body: bytes) -> None:
            spool = self._spool
            if spool is None or not page.ending or page.version == known.get(url):
                return
            place = spool.seek(0, 2)
            if place + len(body) <= MOST_SPOOLED:
                spool.write(body)
                self._waiting[url] = (place, page, len(body))

        crawl = Crawl(self._fetcher, self._limits, self._include, self._exclude, self._suffixes, memory, keep)
        crawl.walk(self._start, self._sitemap, known)
        return crawl

    def _listing(self, crawl: Crawl, known: Mapping[str, str]) -> Listing:
        items: dict[str, SourceItem] = {}
        skipped = dict(crawl.skipped)
        documents = {url: page for url, page in crawl.pages.items() if page.index and self._is_wanted(url)}
        for url, page in documents.items():
            if not page.ending:
                skipped[url] = UNKNOWN_KIND
            elif not self._stands_elsewhere(page, documents, crawl.failed.keys() & known.keys()):
                items[url] = SourceItem(url, page.version, url, _name(parse_address(url), page.ending))
        for url, sentence in crawl.refused.items():
            if self._is_wanted(url):
                self._refused[url] = sentence
                items[url] = SourceItem(url, "", url, _name(parse_address(url), ".html"))
        unreadable = {url: said for url, said in crawl.failed.items() if url in known or self._is_wanted(url)}
        return Listing(tuple(items[url] for url in sorted(items)), skipped, unreadable)

    def _is_wanted(self, url: str) -> bool:
        path = matched(parse_address(url))
        return self._include.takes(path) and self._exclude.takes_below(path)

    @staticmethod
    def _stands_elsewhere(page: Page, documents: Mapping[str, Page], kept: Collection[str]) -> bool:
        """Whether a page is a copy of another one that is listed, or stored and kept."""
        other = documents.get(page.canonical)
        return page.canonical in kept or (other is not None and bool(other.ending) and not other.canonical)


def _checked(url: str) -> str:
    with contextlib.suppress(Refused):
        return str(parse_address(url))
    raise SourceError("An address of a web source cannot be: give it as https://host/path, without credentials.")


def _name(address: Address, ending: str) -> str:
    """A file name for a page: the last part of its path, with the ending of its kind."""
    last = PurePosixPath(address.path).name or address.host
    shown = "".join(sign if sign.isprintable() else "_" for sign in last)
    return shown if shown.lower().endswith(ending) else shown + ending
