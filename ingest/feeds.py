"""A source as it is to be ingested, and how it is told apart from those that are stored. Lists and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import SourceError
from ingest.loaders import LOADER_VERSION
from ingest.sources import Listing, Source
from ingest.splitting import PASSAGE, SPLITTER_VERSION
from retrieval import authority
from retrieval.access import Readers
from retrieval.authority import Known
from retrieval.terms import TERMS_VERSION


@dataclass(frozen=True, slots=True)
class Feed:
    """A source as it is to be ingested: what it is called, who may read it, and what language it is said to be in."""

    name: str
    kind: str
    source: Source
    readers: Readers
    language: str = ""
    deliberate: bool = False
    """What is gone from it was taken away one by one, on purpose (uploads): any number may go, the last one too."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a source holds, and what is stored of it."""

    listing: Listing
    known: Mapping[str, Known]
    seconds: float = 0.0


def recipe(passage: int = PASSAGE) -> str:
    """What a document is made by: versions of loaders, splitter and terms, and the size of passages."""
    return f"{LOADER_VERSION}/{SPLITTER_VERSION}/{TERMS_VERSION}/{passage}"


def made_by_recipe(made: str, feed: Feed) -> str:
    """The recipe of a source's documents: what it says of their language is part of what they are made by."""
    return f"{made}+{feed.language}" if feed.language else made


def stored_source(stored: list[authority.Source], feed: Feed) -> authority.Source | None:
    """The source as it is known: the one at this root, else the one of this name, which then has moved.

    Raises SourceError if the name is another one's, or was another kind's.
    """
    at_root = next((one for one in stored if one.root == feed.source.root), None)
    named = next((one for one in stored if one.name == feed.name), None)
    found = at_root or named
    if at_root and named and at_root.id != named.id:
        raise SourceError(
            f"The name {feed.name} belongs to the source at {named.root}: give this one another name, or run"
            f" `kura remove {feed.name}` first. Nothing was changed."
        )
    if found is not None and found.kind != feed.kind:
        raise SourceError(
            f"{found.name} was ingested as a source of kind {found.kind}: run `kura remove {found.name}` first. Nothing was"
            " changed."
        )
    return found


def lies_inside(root: str, outer: str) -> bool:
    """Whether a folder lies below another."""
    return root != outer and Path(root).is_relative_to(outer)
