"""Proves that index and sources are the same, and mends the index from what is stored: `kura verify`, `kura repair`.

Verifying changes nothing: Chroma is looked at by a child process, so that damage is reported and not yet mended. A server
has Chroma open, and its files are for one process: beside it they are looked at through what it answers from.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.errors import SettingsError
from bot.ingesting import ConfiguredSource
from ingest.errors import IngestError
from ingest.feeds import Feed
from ingest.reports import Progress
from ingest.sources.folder import FolderSource
from ingest.verification import SourceProof, orphans, verify_sources
from ingest.wording import counted
from retrieval import authority, checking, generations
from retrieval.building import Builder, MayAnswer
from retrieval.checking import Fault, StoredSource, index_faults, stored_sources
from retrieval.data_folder import DataFolder
from retrieval.database import open_database, reading, writing
from retrieval.errors import DataFolderError, IndexDamaged
from retrieval.index import DATABASE, MIGRATIONS, VECTORS, Index
from retrieval.probing import Unsound, discard_quarantined, misleading, probe, quarantine, quarantined

_QUICK_CHECK = """\
import sqlite3, sys
print(sqlite3.connect(sys.argv[1], uri=True).execute("PRAGMA quick_check(1)").fetchone()[0])
"""
"""Asked by a process of its own: a second SQLite that closes a file lets go of the locks that Chroma's has on it here."""


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


def verify(
    folder: Path,
    sources: Sequence[ConfiguredSource],
    names: Sequence[str] = (),
    *,
    index: Index | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Verification:
    """Compare the index in a data folder with itself, and the named sources (all, without a name) with it. Changes nothing.

    `index` is that of a process which holds the folder and answers from it; without one the folder is held meanwhile.
    Raises SettingsError for a name that is none, DataFolderHeld if another process has the folder, IndexDamaged if the
    database does not open.
    """
    started = time.perf_counter()
    if not (folder / DATABASE).is_file():
        raise SettingsError(f"Nothing was ever ingested into {folder} yet: run `kura ingest` first.")
    with ExitStack() as closing:
        if index is None:
            closing.enter_context(DataFolder(folder, holder="kura verify"))
            engine = open_database(folder / DATABASE, MIGRATIONS)
            closing.callback(engine.dispose)
        else:
            engine = index.engine
        stored = stored_sources(engine)
        with reading(engine) as connection:
            kept_out = authority.kept_out(connection)
        feeds, faulty = _feeds(sources, stored, kept_out)
        known = [*(feed.name for feed in feeds), *(one.name for one in (s.source for s in stored))]
        known += [one.source for one in faulty]
        if unknown := [name for name in names if name not in known]:
            raise SettingsError(
                f"There is no source {unknown[0]}: known are {', '.join(sorted(set(known))) or 'none'}."
            )
        lost = [one for one in orphans(feeds, stored) if one.source not in {f.source for f in faulty}]
        chosen = [feed for feed in feeds if not names or feed.name in names]
        proofs: list[SourceProof] = []
        for done, feed in enumerate(chosen):
            on_progress(Progress("sources", done, len(chosen), feed.name))
            proofs += verify_sources([feed], stored)
        on_progress(Progress("sources", len(chosen), len(chosen), "the index itself"))
        proofs += [one for one in (*faulty, *lost) if not names or one.source in names]
        faults = index_faults(engine, None if index else folder / VECTORS, deep=True)
        if index is not None:
            faults += _open_vector_faults(index, folder / VECTORS)
        with reading(engine) as connection:
            current = generations.current(connection)
            documents, chunks = generations.counts(connection, current) if current else (0, 0)
    return Verification(tuple(proofs), tuple(faults), documents, chunks, time.perf_counter() - started)


def repair(index: Index, folder: Path, *, shared: bool = False, may_answer: MayAnswer = lambda _: None) -> list[str]:
    """Make the indexes of a data folder anew from its stored documents; what was done, in sentences.

    `index` must not have opened its vectors yet; unless it is `shared`: this process answers from it meanwhile, and files
    that are damaged as a whole cannot be taken from under it. Raises DataFolderError, IndexDamaged, what the embedder raises, and
    what `may_answer` raises: then the former generation answers on.
    """
    said: list[str] = []
    vectors = folder / VECTORS
    # 1. Files that Chroma does not survive, or that hold other vectors than it was given, are not built upon.
    if shared:
        if why := _damage_of_open(index, vectors):
            raise IndexDamaged(
                f"The files of the vector index are damaged ({why}), and the server has them open: stop `kura serve`, and"
                " run `kura repair` again."
            )
    elif vectors.exists() and (why := _unusable(vectors, folder / DATABASE)):
        quarantine(vectors)
        said.append(f"The vector index was damaged ({why}), and a new one was begun.")
    # 2. Text that is not what was read cannot be mended from here: its documents are read again.
    with writing(index.engine) as connection:
        altered = checking.altered_versions(connection)
        checking.distrust(connection, altered)
    if altered:
        said.append(
            f"The stored text of {counted(len(altered), 'document')} was altered: run `kura ingest` to read them again."
        )
    # 3. A new generation from the authority; the former one and what was moved aside go.
    builder, aside = Builder(index), quarantined(vectors)
    said.append(f"Made anew: {counted(builder.rebuild(may_answer), 'passage')}.")
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


def _open_vector_faults(index: Index, path: Path) -> list[Fault]:
    """All that does not hold of the vectors in the folder `path`, which this process answers from."""
    if why := _damage_of_open(index, path):
        return [Fault("vectors", f"the vector index cannot be used: {why}")]
    try:
        with reading(index.engine) as connection:
            return list(checking.vector_faults(connection, index.vectors, deep=True))
    except IndexDamaged as error:
        return [Fault("vectors", f"the vector index cannot be used: Chroma fails: {error.__cause__ or error}")]


def _damage_of_open(index: Index, path: Path) -> str:
    """Why Chroma's files in the folder `path`, which this process has open, cannot be used at all; "" if they can."""
    try:
        index.vectors.collections()
    except IndexDamaged as error:
        return f"Chroma fails: {error.__cause__ or error}"
    command = [sys.executable, "-I", "-c", _QUICK_CHECK, f"{(path / 'chroma.sqlite3').absolute().as_uri()}?mode=ro"]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - our own
    except OSError as error:
        raise DataFolderError(
            f"The vector index in {path} cannot be looked at ({error.strerror}): free some memory and try again."
        ) from error
    said = (done.stdout or done.stderr).decode("utf-8", "replace").strip().rsplit("\n", 1)[-1]
    return "" if said == "ok" else f"Chroma's database is damaged ({said})"


def _drop_unsound(index: Index, builder: Builder) -> list[str]:
    with reading(index.engine) as connection:
        current = generations.current(connection)
        others = [one for one in generations.every(connection) if one != current]
        unsound = bool(others) and any(checking.vector_faults(connection, index.vectors, deep=False))
    if not others or not (unsound or checking.word_faults(index.engine, deep=True)):
        return []
    for one in others:
        builder.drop(one.id)
    return [f"{counted(len(others), 'generation')} that did not answer had to be dropped: something was damaged."]


def _feeds(
    chosen: Sequence[ConfiguredSource], stored: Sequence[StoredSource], kept_out: set[str]
) -> tuple[list[Feed], list[SourceProof]]:
    """Every source: the configured ones, and folders that were ingested by their path; and those that do not open."""
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
