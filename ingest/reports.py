"""What happens while a source is brought up to date, and what happened. Plain values; knows nobody who shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from retrieval.access import Readers


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one source is: `done` of `total` documents; `item` is the next."""

    source: str
    done: int
    total: int
    item: str
    chunks: int = 0
    """Passages written so far."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """A sentence for each item that could not be read so far."""


@dataclass(slots=True)
class Stages:
    """Seconds by stage. Parsing runs beside the others, in a process of its own: the sum is more than the time taken."""

    listing: float = 0.0
    reading: float = 0.0
    parsing: float = 0.0
    embedding: float = 0.0
    writing: float = 0.0
    tidying: float = 0.0


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What happened to one source. `failed` holds a sentence for each item that could not be read."""

    source: str
    root: str
    readers: Readers
    added: tuple[str, ...]
    replaced: tuple[str, ...]
    moved: Mapping[str, str]
    """Where it is now -> where it was."""
    repermitted: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    chunks: int
    embedded: int
    """Texts that were embedded: passages that are new in the whole index."""
    failed: Mapping[str, str]
    skipped: Mapping[str, str]
    """What was passed over -> why, in a few words."""
    seconds: float
    stages: Stages
    fault: str = ""
    """Why not everything was done: a sentence."""
    dry_run: bool = False
    """Nothing was done: this is what would be."""
