"""Proves that index and sources are the same, and mends the index from what is stored: `kura verify`, `kura repair`.

Verifying opens nothing for writing: Chroma is looked at by a child process, so that damage is reported and not yet mended.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.errors import SettingsError
from bot.settings import Settings
from bot.wiring.sources import configured
from ingest.errors import IngestError
from ingest.feeds import Feed
from ingest.sources.folder import FolderSource
from ingest.verification import SourceProof, orphans, verify_sources
from retrieval import authority, checking, generations
from retrieval.building import Builder
from retrieval.checking import Fault, StoredSource, index_faults, stored_sources
from retrieval.data_folder import DataFolder
from retrieval.database import open_database, reading, writing
from retrieval.index import DATABASE, MIGRATIONS, VECTORS, Index
from retrieval.probing import Unsound, discard_quarantined, misleading, probe, quarantine, quarantined


@dataclass(frozen=True, slots=True)
class Verification:
    """What was proved, and what was not. `documents` and `chunks` are those of the generation that answers."""

    sources: tuple[SourceProof, ...]
    faults: tuple[Fault, ...]
    documents: int
    chunks: int
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether index and sources are the same in all that was looked at."""
        return not self.faults and all(one.agrees for one in self.sources)

    def as_json(self) -> dict[str, Any]:
        return {"agrees": self.agrees, **asdict(self)}


def verify(settings: Settings, names: Sequence[str] = ()) -> Verification:
    """Compare the index with itself, and the named sources (all, without a name) with it. Changes nothing.

    Raises SettingsError for a name that is none, DataFolderHeld while a server has the folder, IndexDamaged if the
    database does not open.
    """
    started = time.perf_counter()
    folder = settings.data_dir
    if not (folder / DATABASE).is_file():
        raise SettingsError(f"Nothing was ingested into {folder} yet: run `kura ingest` first.")
    with DataFolder(folder, holder="kura verify"):
        engine = open_database(folder / DATABASE, MIGRATIONS)
        try:
            stored = stored_sources(engine)
            with reading(engine) as connection:
                kept_out = authority.kept_out(connection)
            feeds, faulty = _feeds(settings, stored, kept_out)
            known = [*(feed.name for feed in feeds), *(one.name for one in (s.source for s in stored))]
            known += [one.source for one in faulty]
            if unknown := [name for name in names if name not in known]:
                raise SettingsError(
                    f"There is no source {unknown[0]}: known are {', '.join(sorted(set(known))) or 'none'}."
                )
            lost = [one for one in orphans(feeds, stored) if one.source not in {f.source for f in faulty}]
            chosen = [feed for feed in feeds if not names or feed.name in names]
            proofs = [*verify_sources(chosen, stored), *(p for p in (*faulty, *lost) if not names or p.source in names)]
            faults = index_faults(engine, folder / VECTORS, deep=True)
            with reading(engine) as connection:
                current = generations.current(connection)
                documents, chunks = generations.counts(connection, current) if current else (0, 0)
        finally:
            engine.dispose()
    return Verification(tuple(proofs), tuple(faults), documents, chunks, time.perf_counter() - started)


def repair(index: Index, folder: Path) -> list[str]:
    """Make the indexes of a data folder anew from its stored documents; what was done, in sentences.

    `index` must not have opened its vectors yet. Raises DataFolderError, IndexDamaged, what the embedder raises.
    """
    said: list[str] = []
    vectors = folder / VECTORS
    # 1. Files that Chroma does not survive, or that hold other vectors than it was given, are not built upon.
    if vectors.exists() and (why := _unusable(vectors, folder / DATABASE)):
        quarantine(vectors)
        said.append(f"The vector index was damaged ({why}), and a new one was begun.")
    # 2. Text that is not what was read cannot be mended from here: its documents are read again.
    with writing(index.engine) as connection:
        altered = checking.altered_versions(connection)
        checking.distrust(connection, altered)
    if altered:
        said.append(f"The stored text of {len(altered)} documents was altered: run `kura ingest` to read them again.")
    # 3. A new generation from the authority; the former one and what was moved aside go.
    builder, aside = Builder(index), quarantined(vectors)
    said.append(f"Made anew: {builder.rebuild()} passages.")
    discard_quarantined(vectors)
    if aside:
        said.append("The damaged files were deleted.")
    # 4. Generations that were kept to go back to are mended by being dropped.
    said += _drop_unsound(index, builder)
    return said


def _unusable(vectors: Path, database: Path) -> str:
    try:
        return misleading(probe(vectors, database, deep=True))
    except Unsound as error:
        return str(error)


def _drop_unsound(index: Index, builder: Builder) -> list[str]:
    with reading(index.engine) as connection:
        current = generations.current(connection)
        others = [one for one in generations.every(connection) if one != current]
        unsound = bool(others) and any(checking.vector_faults(connection, index.vectors, deep=False))
    if not others or not (unsound or checking.word_faults(index.engine, deep=True)):
        return []
    for one in others:
        builder.drop(one.id)
    return [f"{len(others)} generations that did not answer were dropped: something in them was damaged."]


def _feeds(
    settings: Settings, stored: Sequence[StoredSource], kept_out: set[str]
) -> tuple[list[Feed], list[SourceProof]]:
    """Every source: the configured ones, and folders that were ingested by their path; and those that do not open."""
    chosen = configured(settings)
    folders = {one.path.resolve() for one in chosen if one.path}
    folders |= {Path(one.source.root) for one in stored if one.source.kind in ("folder", "upload")}
    folders |= {Path(one) for one in kept_out}
    feeds: list[Feed] = []
    faulty: list[SourceProof] = []
    for source in chosen:
        try:
            feeds.append(source.feed(_below(source.path.resolve(), folders) if source.path else ()))
        except (IngestError, SettingsError) as error:
            faulty.append(SourceProof(source.name, "", unreachable=str(error)))
    taken = {feed.source.root for feed in feeds}
    names = {source.name for source in chosen}
    for one in (each.source for each in stored):
        if one.kind == "folder" and one.root not in taken and one.name not in names:
            opened = FolderSource(Path(one.root), apart=_below(Path(one.root), folders))
            feeds.append(Feed(one.name, one.kind, opened, one.readers))
    return feeds, faulty


def _below(root: Path, folders: set[Path]) -> list[Path]:
    return [one for one in folders if one != root and one.is_relative_to(root)]
