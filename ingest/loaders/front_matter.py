"""The block of settings some Markdown files begin with, between lines of three hyphens. Knows no YAML beyond titles and days."""

from __future__ import annotations

import re
from datetime import date

from ingest.dates import latest

_BLOCK = re.compile(
    r"---[ \t]*\n((?>(?:[\w.-]+[ \t]*:|[ \t]*#|[ \t]+|- |[ \t]*$).*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.MULTILINE
)
_TITLE = re.compile(r"^title[ \t]*:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_DAYS = re.compile(
    r"^(?:date|(?:last[_-]?)?(?:updated?|modified|mod|reviewed)(?:[_-](?:at|on))?)[ \t]*:[ \t]*(.+)$",
    re.MULTILINE | re.IGNORECASE,
)
"""`date`, `updated`, `lastmod`, `last_modified`, `last-reviewed`, `updated_at`..."""


def front_matter_end(text: str) -> int:
    """Offset behind the front matter; 0 if the text does not begin with one."""
    block = _BLOCK.match(text)
    return block.end() if block and ":" in block[1] else 0


def front_matter_title(text: str) -> str:
    """The value of `title:` in the front matter, unquoted; "" if there is none."""
    block = _BLOCK.match(text)
    title = _TITLE.search(block[1]) if block else None
    return title[1].strip().strip("\"'").strip() if title else ""


def front_matter_day(text: str) -> date | None:
    """The latest day that the front matter says the text was written, changed or looked over; None if it says none."""
    block = _BLOCK.match(text)
    return latest(_DAYS.findall(block[1])) if block else None
