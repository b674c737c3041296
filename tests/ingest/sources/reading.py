"""A test site read as a source, sync after sync."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest.errors import SourceError
from ingest.sources import Listing
from ingest.sources.web import WebSource
from ingest.sources.web_fetch import Fetcher, Limits
from tests.ingest.sources.site import Site


class Reading:
    """A site, and a source over it that is made anew for each listing, as each sync does."""

    def __init__(self, site: Site, cache: Path) -> None:
        self.site = site
        self.cache = cache
        self.waited: list[float] = []
        self.known: dict[str, str] = {}
        self.source: WebSource | None = None

    def make(self, **settings: Any) -> WebSource:
        self.close()
        limits = Limits(**{"delay_s": 0.0, "timeout_s": 2.0, "page_bytes": 100_000, **settings.pop("limits", {})})
        hosts = settings.pop("allow_hosts", [self.site.host])
        if "sitemap" not in settings:
            settings.setdefault("start", [self.site.address])
        self.source = WebSource(
            **settings,
            allow_hosts=hosts,
            cache=self.cache,
            limits=limits,
            fetcher=lambda: Fetcher(hosts, limits, wait=self.waited.append),
        )
        return self.source

    def list(self, **settings: Any) -> Listing:
        """A sync in short: list, read what is new, remember the versions of what is there or kept."""
        source = self.make(**settings)
        listing = source.list(self.known)
        self.texts = {}
        for item in listing.items:
            if self.known.get(item.item) != item.version:
                self.texts[self.short(item.item)] = source.read(item).data
        kept = {item: version for item, version in self.known.items() if item in listing.unreadable}
        self.known = kept | {item.item: item.version for item in listing.items}
        return listing

    def listed(self, **settings: Any) -> set[str]:
        return {self.short(item.item) for item in self.list(**settings).items}

    def refused(self, word: str, **settings: Any) -> None:
        with pytest.raises(SourceError, match=word) as caught:
            self.make(**settings).list(self.known)
        assert str(caught.value).endswith(".")
        assert "\n" not in str(caught.value)

    def short(self, url: str) -> str:
        return url.removeprefix(self.site.address)

    def close(self) -> None:
        if self.source:
            self.source.close()
