"""Looks at an installation without changing it: what `kura status` shows and what `kura doctor` checks."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DatabaseError

from bot.errors import explain
from bot.settings import Settings
from bot.wiring import listen
from bot.wiring.models import engine_options, made_index, make_embedder, running_card, speed_book
from models.errors import ModelError
from models.gguf import check
from retrieval import authority, words
from retrieval.chroma import VectorIndex
from retrieval.data_folder import DataFolder
from retrieval.database import open_database, reading
from retrieval.errors import DataFolderHeld
from retrieval.index import DATABASE, MIGRATIONS, VECTORS, collection_name

LEAST_FREE_BYTES = 500 * 2**20
"""Less than this, and an ingest may fill the disk."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source, as `kura status` shows it."""

    name: str
    root: str
    readers: list[str]
    discord: bool
    documents: int
    synced_at: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """A data folder at a glance."""

    data_dir: str
    held_by: str | None
    model: str
    embedder: str
    documents: int
    chunks: int
    bytes: int
    sources: list[SourceStatus]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `kura doctor`."""

    check: str
    ok: bool
    detail: str


def describe(settings: Settings) -> Status:
    """What is in the data folder; reads SQLite only, so it works while a server holds the folder."""
    folder = settings.data_dir
    sources: list[SourceStatus] = []
    documents = chunks = 0
    if (folder / DATABASE).is_file():
        engine = open_database(folder / DATABASE, MIGRATIONS)
        try:
            with reading(engine) as connection:
                documents, chunks = _counts(connection)
                sources = [_source_status(connection, source) for source in authority.sources(connection)]
        finally:
            engine.dispose()
    chosen, named = settings.model, settings.embedder
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0
    return Status(
        data_dir=str(folder),
        held_by=_held_by(folder),
        model=chosen.component or chosen.served_model or _model_name(settings),
        embedder=named.component or named.name or str(named.path or "starter (wordllama, 256 dimensions)"),
        documents=documents,
        chunks=chunks,
        bytes=size,
        sources=sources,
    )


def _model_name(settings: Settings) -> str:
    try:
        return running_card(settings).name
    except ModelError:
        return f"{settings.model.name or 'starter'} (not installed)"


def examine(settings: Settings) -> list[Finding]:
    """Check everything `kura` stands on. A fault in one check does not keep the others from being made."""
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("python", _python),
        ("llama.cpp", _llama),
        ("model", _model),
        ("embedder", _embedder),
        ("data folder", _data_folder),
        ("disk", _disk),
        ("index", _index),
        ("port", _port),
        ("discord", _discord),
    ]
    return [_finding(name, one, settings) for name, one in checks]


class _Fault(Exception):
    """A check failed; its message says how and what to do."""


def _finding(name: str, one: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name, True, one(settings))
    except _Fault as fault:
        return Finding(name, False, str(fault))
    except Exception as error:  # noqa: BLE001 - a doctor reports every fault, the unforeseen too
        explained = explain(error)
        return Finding(name, False, explained.sentence if explained.known else f"{type(error).__name__}: {error}")


def _python(_: Settings) -> str:
    import sqlite3

    return f"{sys.version.split()[0]} at {sys.executable}, SQLite {sqlite3.sqlite_version}"


def _llama(_: Settings) -> str:
    from models.llamacpp_model import build_info

    return build_info()


def _model(settings: Settings) -> str:
    chosen = settings.model
    if chosen.component:
        return f"{chosen.component} (not called)"
    if chosen.servers:
        if chosen.api_key_file and not os.access(chosen.api_key_file, os.R_OK):
            raise _Fault(f"{chosen.api_key_file} cannot be read: check model.api_key_file and its permissions")
        return f"{chosen.served_model} on {', '.join(chosen.servers)} (not called)"
    card = running_card(settings)
    header = check(card.path, card.sha256)
    if card.adapter:
        check(card.adapter, card.adapter_sha256)
    verified = "checksum right" if card.sha256 else "checksum not set (model.sha256)"
    size = card.path.stat().st_size / 2**20
    speed = speed_book(settings).get(card, engine_options(settings, card, alone=False))
    measured = f", reads {speed.prefill:g} and writes {speed.decode:g} tokens a second here" if speed else ""
    return (
        f"{card.name}, {size:.0f} MiB, {header.architecture}, licence {card.licence or 'unknown'}, {verified}{measured}"
    )


def _embedder(settings: Settings) -> str:
    if settings.embedder.component:
        return f"{settings.embedder.component} (not called)"
    embedder = make_embedder(settings)
    return f"{embedder.fingerprint}, {len(embedder.embed_query('hello'))} dimensions"


def _data_folder(settings: Settings) -> str:
    folder = settings.data_dir
    if not folder.exists():
        return f"{folder} does not exist yet; the first `kura ingest` makes it"
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        raise _Fault(f"{folder} can be entered by others (mode {mode:o}): run chmod 700 {folder}")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _Fault(f"{folder} cannot be read and written by this user: change its owner or its mode")
    holder = _held_by(folder)
    return f"{folder}, private" + (f", in use by {holder}" if holder else "")


def _disk(settings: Settings) -> str:
    folder = next(parent for parent in (settings.data_dir, *settings.data_dir.parents) if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise _Fault(f"{free / 2**20:.0f} MiB free at {folder}: free some space before ingesting")
    return f"{free / 2**30:.1f} GiB free"


def _index(settings: Settings) -> str:
    folder = settings.data_dir
    if not (folder / DATABASE).is_file():
        return "nothing ingested yet"
    engine = open_database(folder / DATABASE, MIGRATIONS)
    try:
        # Before the whole file: SQLite's own check finds this damage too, and only this kind can be mended here.
        for problem in _damaged_words(engine):
            raise _Fault(f"{problem}: run `kura repair`")
        with reading(engine) as connection:
            broken = connection.execute(text("PRAGMA quick_check")).scalar()
            if broken != "ok":
                raise _Fault(
                    f"{folder / DATABASE} is damaged ({broken}): restore it from a backup, or delete it and ingest again"
                )
            for problem in _differences(connection):
                raise _Fault(f"{problem}: run `kura repair`")
            documents, chunks = _counts(connection)
            if _held_by(folder):
                return f"{documents} documents, {chunks} passages; words agree; vectors not looked at, the folder is in use"
            for problem in _vector_differences(connection, settings):
                raise _Fault(f"{problem}: run `kura repair`")
        return f"{documents} documents, {chunks} passages; words and vectors agree"
    finally:
        engine.dispose()


def _port(settings: Settings) -> str:
    try:
        with listen(settings.server.host, settings.server.port) as socket:
            return f"{settings.server.host}:{socket.getsockname()[1]} is free"
    except Exception:
        if _held_by(settings.data_dir):
            return f"{settings.server.host}:{settings.server.port} is in use, as the data folder is: a server runs"
        raise


def _discord(settings: Settings) -> str:
    from bot.settings import discord_token

    shown = [source.name for source in settings.sources if source.discord]
    may = f"may show {', '.join(shown)}" if shown else "may show nothing (no source has discord = true)"
    return f"{'a token is set' if discord_token(settings) else 'no token, so no bot'}; it {may}"


def _counts(connection: Connection) -> tuple[int, int]:
    documents = connection.execute(
        text("SELECT count(*) FROM documents WHERE live_version_id IS NOT NULL")
    ).scalar_one()
    chunks = connection.execute(
        text("SELECT count(*) FROM chunks c JOIN documents d ON d.live_version_id = c.version_id")
    ).scalar_one()
    return int(documents), int(chunks)


def _source_status(connection: Connection, source: authority.Source) -> SourceStatus:
    return SourceStatus(
        name=source.name,
        root=source.root,
        readers=sorted(source.readers.groups),
        discord=source.readers.discord,
        documents=len(authority.manifest(connection, source.id)),
        synced_at=source.synced_at.isoformat() if source.synced_at else None,
    )


def _live(connection: Connection, reader_set: int) -> dict[int, str]:
    """Internal id and key of every live chunk of a set of readers."""
    rows = connection.execute(
        text(
            "SELECT c.id, c.key FROM chunks c JOIN documents d ON d.live_version_id = c.version_id"
            " WHERE d.reader_set_id = :set"
        ),
        {"set": reader_set},
    )
    return {row.id: row.key for row in rows}


def _differences(connection: Connection) -> Iterator[str]:
    for reader_set, readers in authority.reader_sets(connection).items():
        live = set(_live(connection, reader_set))
        found = words.chunk_ids(connection, reader_set)
        if live != found:
            yield f"the words of {readers.key} lack {len(live - found)} passages and hold {len(found - live)} too many"


def _damaged_words(engine: Engine) -> list[str]:
    """FTS5's own check of each word table, in a transaction that keeps nothing."""
    with reading(engine) as connection:
        sets = authority.reader_sets(connection)
    problems = []
    for reader_set, readers in sets.items():
        table = f"words_{reader_set}"
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                connection.exec_driver_sql(f"INSERT INTO {table}({table}) VALUES ('integrity-check')")
            except DatabaseError as error:
                problems.append(f"the words of {readers.key} are damaged ({error.orig})")
            finally:
                connection.rollback()
    return problems


def _vector_differences(connection: Connection, settings: Settings) -> Iterator[str]:
    folder = settings.data_dir
    made_by = authority.get_state(connection, "embedder") or ""
    if made_by and not made_index(settings, made_by):
        yield f"the index was made with the embedder {made_by}, which is not the one that is set"
        return
    with DataFolder(folder, holder="kura doctor"):
        vectors = VectorIndex(folder / VECTORS)
        try:
            for reader_set, readers in authority.reader_sets(connection).items():
                live = set(_live(connection, reader_set).values())
                found = vectors.keys(collection_name(made_by, reader_set))
                if live != found:
                    yield f"the vectors of {readers.key} lack {len(live - found)} passages and hold {len(found - live)} too many"
        finally:
            vectors.close()


def _held_by(folder: Path) -> str | None:
    """Who holds the folder, or None; takes the lock for a moment to find out, if there is one."""
    if not (folder / "lock").is_file():
        return None
    try:
        DataFolder(folder, holder="kura status").release()
    except DataFolderHeld as error:
        return error.holder
    return None
