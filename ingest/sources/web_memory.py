"""What was learned of each page of a site, kept between syncs: validators, links, kind. Never any text of a page."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from email.utils import parsedate_to_datetime
from pathlib import Path

from ingest.dates import day_of

_FORMAT = 1
"""Changes whenever a file of before would be misread."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was when it last came."""

    sha256: str
    ending: str = ""
    """How its file name would end, with the dot; "" if it is of no kind we read."""
    etag: str = ""
    modified: str = ""
    canonical: str = ""
    index: bool = True
    """Whether it may be kept."""
    links: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """By content, so that a server that invents new validators causes no work."""
        return f"sha256:{self.sha256}"

    @property
    def dated(self) -> date | None:
        """The day of its last change, if its server says that."""
        try:
            return day_of(parsedate_to_datetime(self.modified).timestamp())
        except (ValueError, OverflowError):
            return None

    @property
    def conditions(self) -> Mapping[str, str]:
        """Headers by which a server can say that nothing has changed."""
        found = {"If-None-Match": self.etag, "If-Modified-Since": "" if self.etag else self.modified}
        return {name: value for name, value in found.items() if value}


def load(path: Path, root: str) -> dict[str, Page]:
    """The pages in a file that is of the source `root`; none if it is missing, damaged or another's."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if (told["format"], told["root"]) != (_FORMAT, root):
            return {}
        return {url: Page(**{**page, "links": tuple(page["links"])}) for url, page in told["pages"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # everything is fetched once more


def save(path: Path, root: str, pages: Mapping[str, Page]) -> None:
    """Write the file anew, whole or not at all; raises OSError."""
    told = {"format": _FORMAT, "root": root, "pages": {url: asdict(page) for url, page in pages.items()}}
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(told, file)
    part.replace(path)
