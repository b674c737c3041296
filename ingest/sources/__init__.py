"""What a source is: something that lists items and hands out their bytes. Knows no kind of source, format or index.

One module for each kind: `folder`, `git`, `web`, `component` (any LangChain `BaseLoader`); an upload is a folder that the
server itself fills. A source holds no text of its own longer than one sync needs it: what is deleted must be gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

UNKNOWN_KIND = "not a kind of document Kura reads"
"""Why most of what is passed over is."""


@dataclass(frozen=True, slots=True)
class SourceItem:
    """Something a source lists. `item` names it in the source, for good: a path with `/`, or an address."""

    item: str
    version: str
    """Changes with the content: a file's size, times and inode, a blob's id, an ETag. Equal to what was stored: the item
    is not even read. "" says that only reading it can tell."""
    address: str
    """What people open: an absolute path, or a link."""
    name: str
    """A file name whose ending says how to parse it."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of an item, and the version that they are of, should it have changed since it was listed."""

    data: bytes
    version: str
    title: str = ""
    """What the source says it is called; "" leaves that to the document."""
    dated: date | None = None
    """The day (UTC) of its last change as the source says it, which counts where the document itself says none."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds: `items` to read, and things passed over."""

    items: tuple[SourceItem, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    """What is passed over though it is no fault, with a short reason for each."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Items that stand there but cannot be listed or read now, with a sentence for each: what is stored is kept."""
    damaged: Mapping[str, str] = field(default_factory=dict)
    """What stands there and can be no documents as it is (a broken archive), with a sentence for each: what is stored of it
    is known to be outdated, and goes."""

    @property
    def failed(self) -> Mapping[str, str]:
        """A sentence for all that stands there and is not in `items`."""
        return {**self.unreadable, **self.damaged}


class Source(Protocol):
    """One configured source. Used by one thread at a time; `list` comes before `read`."""

    @property
    def root(self) -> str:
        """What tells it from every other source: an absolute path, a repository's or site's address."""

    def list(self, known: Mapping[str, str]) -> Listing:
        """Everything it holds now; `known` is the version of each item that is stored.

        Raises SourceError if the listing could have holes: documents must never seem deleted that are not.
        """

    def read(self, item: SourceItem) -> Content:
        """An item's bytes, at most `folder.MAX_BYTES`. Raises DocumentError, or OSError if it cannot be read now."""

    def close(self) -> None:
        """Let go of what was held for this sync, fetched bytes above all. Harmless when done twice."""
