"""What wrote a zip file, and what follows for its members: Confluence, Notion, Slack, or nobody in particular.

Told by names and by a page's own words; a kind that is not recognised is a plain archive. Parses no format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Protocol

from ingest.dates import day
from ingest.sources.safezip import SafeZip
from ingest.sources.slack import SlackExport

_INDEX_WITHIN = 2**20
"""Bytes of a Confluence index; a larger one is some other page."""
_NUMBERED_PAGE = re.compile(r"(?:.*_)?\d+\.html", re.DOTALL)
_NOTION_ID = re.compile(r"[ _-]([0-9a-f]{32})(?=(?:_all)?(?:\.\w+)?(?:/|$))")
_CONTENT = re.compile(rb"<div[^>]{1,200}\bid=\"main-content\"")
_AFTER = re.compile(rb"<div[^>]{0,200}>\s{0,200}<div[^>]{0,200}>\s{0,200}<h2 id=\"attachments\"|<div id=\"footer\"")


class Export(Protocol):
    """How the members of one archive become documents."""

    notes: Mapping[str, str]
    """Parts of it (below the archive's own path) that are passed over, with the reason."""

    def name(self, path: str) -> str:
        """The file name a member is parsed by; "" if it is passed over without a word."""

    def read(self, path: str, most: int) -> bytes:
        """A member's bytes as a parser shall see them. Raises as `SafeZip.read`."""

    def dated(self, path: str) -> date | None:
        """The day of a member's last change, or that it is of."""


class Plain:
    """An archive of files: they are what they are."""

    notes: Mapping[str, str] = {}

    def __init__(self, archive: SafeZip) -> None:
        self._archive = archive

    def name(self, path: str) -> str:
        return path

    def read(self, path: str, most: int) -> bytes:
        return self._archive.read(path, most)

    def dated(self, path: str) -> date | None:
        return day(*self._archive.members[path].date_time[:3])


class Notion(Plain):
    """Pages as Markdown (or HTML) and tables as CSV, with an id in each name; a table comes twice."""

    def name(self, path: str) -> str:
        table = path.removesuffix("_all.csv") + ".csv"
        if path.endswith("_all.csv") and table in self._archive.members:
            return ""
        return "" if path == "index.html" else _NOTION_ID.sub("", path)


class Confluence(Plain):
    """A space as HTML. A page's path and authors, its attachments and the date of the export are no content of it."""

    def __init__(self, archive: SafeZip, index: str) -> None:
        super().__init__(archive)
        self._index = index

    def name(self, path: str) -> str:
        return "" if path == self._index else path

    def read(self, path: str, most: int) -> bytes:
        data = super().read(path, most)
        body = data.find(b"<body")
        content = _CONTENT.search(data, body) if body >= 0 else None
        if content is None:
            return data
        after = _AFTER.search(data, content.end())
        return data[:body] + b"<body>" + data[content.start() : after.start() if after else len(data)]


def recognise(archive: SafeZip) -> Export:
    """How to read an archive. Raises DocumentError if it is an export of Slack's whose lists cannot be read."""
    members = archive.members
    for path in members:
        folder = path[: path.rfind("/") + 1]
        if path == folder + "channels.json" and folder + "users.json" in members:
            return SlackExport(archive, folder)
    if any(_NOTION_ID.search(path) for path in members):
        return Notion(archive)
    indexes = [path for path in members if path.count("/") <= 1 and path.rsplit("/")[-1] == "index.html"]
    for index in indexes:
        folder = index[: -len("index.html")]
        pages = any(path.startswith(folder) and _NUMBERED_PAGE.fullmatch(path, len(folder)) for path in members)
        small = members[index].file_size <= _INDEX_WITHIN
        if pages and small and b"confluence" in archive.read(index, _INDEX_WITHIN).lower():
            return Confluence(archive, index)
    return Plain(archive)
