"""Says how far the embedder is trusted, and in which language that is measured. Knows not how it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ingest.wording import counted
from retrieval import generations, trust
from retrieval.database import open_database, reading
from retrieval.index import DATABASE, MIGRATIONS
from retrieval.trust import Trust

_NAMES = {"en": "English", "ja": "Japanese"}


def language_name(code: str) -> str:
    """What an ISO 639-1 code is called; the code itself of a language that Kura cannot tell."""
    return _NAMES.get(code, code)


def trust_in(folder: Path) -> str:
    """How far the embedder of what answers in a data folder is trusted, in words; reads SQLite only."""
    if not (folder / DATABASE).is_file():
        return "once something is ingested"
    engine = open_database(folder / DATABASE, MIGRATIONS)
    try:
        with reading(engine) as connection:
            current = generations.current(connection)
            return told(trust.stored(connection, current) if current else [])
    finally:
        engine.dispose()


def told(measured: Sequence[Trust]) -> str:
    """What was measured, in words."""
    return "; ".join(map(_one, measured)) or "as it says which languages it speaks (too few passages to measure it on)"


def _one(measured: Trust) -> str:
    name, on = language_name(measured.language), counted(measured.sentences, "sentence")
    if measured.weight is None:
        return f"in {name} as it says that it speaks it (only {on} to measure it on)"
    return f"{'' if measured.weight else 'not '}in {name} ({measured.weight:g}, measured on {on})"
