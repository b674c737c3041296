"""Looks at an installation without changing it: what `kura status` shows and what `kura doctor` checks.

Builds nothing: how its parts are made is handed in.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import socket
from typing import Any

from bot.calibration.storing import standing
from bot.errors import explain
from bot.inspection_discord import discord_detail, discord_faults
from bot.settings import Settings
from bot.trusting import trust_in
from ingest.wording import counted
from models.cards import ModelCard
from models.embedders import Embedder
from models.errors import ModelError
from models.gguf import check
from models.rerank import Reranker
from models.speed import Speed
from retrieval import generations
from retrieval.checking import StoredSource, index_faults, stored_names, stored_sources
from retrieval.data_folder import DataFolder
from retrieval.database import open_database, reading
from retrieval.errors import DataFolderHeld
from retrieval.index import DATABASE, MIGRATIONS, VECTORS

LEAST_FREE_BYTES = 500 * 2**20
"""Less than this, and an ingest may fill the disk."""


@dataclass(frozen=True, slots=True)
class Parts:
    """How the parts of an installation are made, each when it is looked at; `bot/wiring/parts.py` says how."""

    model: Callable[[], ModelCard]
    """The local model as it would run."""
    speed: Callable[[ModelCard], Speed | None]
    """How fast it was here, if that was measured."""
    embedder: Callable[[], Embedder]
    made_index: Callable[[str], bool]
    """Whether the embedder has this fingerprint."""
    listening: Callable[[], AbstractContextManager[socket]]
    """The server's socket."""
    reranker: Callable[[], AbstractContextManager[Reranker | None]] = nullcontext
    """The reranker, if one is set."""


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
    refusals: str
    """Which threshold answers need, and why that."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class GenerationStatus:
    """One generation of the index, as `kura index list` shows it."""

    number: int
    answers: bool
    ready: bool
    documents: int
    chunks: int
    embedder: str
    recipe: str
    created_at: str | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `kura doctor`."""

    check: str
    ok: bool
    detail: str


def describe(settings: Settings, parts: Parts) -> Status:
    """What is in the data folder; reads SQLite only, so it works while a server holds the folder."""
    folder = settings.data_dir
    sources: list[SourceStatus] = []
    documents = chunks = 0
    current = None
    if (folder / DATABASE).is_file():
        engine = open_database(folder / DATABASE, MIGRATIONS)
        try:
            sources = [_source_status(one) for one in stored_sources(engine)]
            with reading(engine) as connection:
                current = generations.current(connection)
                documents, chunks = generations.counts(connection, current) if current else (0, 0)
        finally:
            engine.dispose()
    chosen, named = settings.model, settings.embedder
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0
    return Status(
        data_dir=str(folder),
        held_by=_held_by(folder),
        model=chosen.component or chosen.served_model or _model_name(settings, parts),
        embedder=named.component or named.name or str(named.path or "starter (wordllama, 256 dimensions)"),
        documents=documents,
        chunks=chunks,
        bytes=size,
        sources=sources,
        refusals=standing(folder, current).detail,
    )


def describe_generations(settings: Settings) -> list[GenerationStatus]:
    """Every generation, oldest first; reads SQLite only."""
    if not (settings.data_dir / DATABASE).is_file():
        return []
    engine = open_database(settings.data_dir / DATABASE, MIGRATIONS)
    try:
        with reading(engine) as connection:
            current = generations.current(connection)
            return [
                GenerationStatus(
                    number=one.id,
                    answers=one == current,
                    ready=one.ready,
                    documents=(counted := generations.counts(connection, one))[0],
                    chunks=counted[1],
                    embedder=one.fingerprint,
                    recipe=one.recipe,
                    created_at=one.created_at.isoformat() if one.created_at else None,
                )
                for one in generations.every(connection)
            ]
    finally:
        engine.dispose()


def _model_name(settings: Settings, parts: Parts) -> str:
    try:
        return parts.model().name
    except ModelError:
        return f"{settings.model.name or 'starter'} (not installed)"


def examine(settings: Settings, parts: Parts) -> list[Finding]:
    """Check everything `kura` stands on. A fault in one check does not keep the others from being made."""
    checks: list[tuple[str, Callable[[Settings, Parts], str]]] = [
        ("python", _python),
        ("llama.cpp", _llama),
        ("model", _model),
        ("embedder", _embedder),
        ("reranker", _reranker),
        ("data folder", _data_folder),
        ("disk", _disk),
        ("index", _index),
        ("glossary", _glossary),
        ("refusals", _refusals),
        ("prompts", _prompts),
        ("golden questions", _golden),
        ("port", _port),
        ("discord", _discord),
    ]
    return [_finding(name, one, settings, parts) for name, one in checks]


class _Fault(Exception):
    """A check failed; its message says how and what to do."""


def _finding(name: str, one: Callable[[Settings, Parts], str], settings: Settings, parts: Parts) -> Finding:
    try:
        return Finding(name, True, one(settings, parts))
    except _Fault as fault:
        return Finding(name, False, str(fault))
    except Exception as error:  # noqa: BLE001 - a doctor reports every fault, the unforeseen too
        explained = explain(error)
        return Finding(name, False, explained.sentence if explained.known else f"{type(error).__name__}: {error}")


def _python(_: Settings, __: Parts) -> str:
    import sqlite3

    return f"{sys.version.split()[0]} at {sys.executable}, SQLite {sqlite3.sqlite_version}"


def _llama(_: Settings, __: Parts) -> str:
    from models.llamacpp_model import build_info

    return build_info()


def _model(settings: Settings, parts: Parts) -> str:
    chosen = settings.model
    if chosen.component:
        return f"{chosen.component} (not called)"
    if chosen.servers:
        if chosen.api_key_file and not os.access(chosen.api_key_file, os.R_OK):
            raise _Fault(f"{chosen.api_key_file} cannot be read: check model.api_key_file and its permissions")
        return f"{chosen.served_model} on {', '.join(chosen.servers)} (not called)"
    card = parts.model()
    header = check(card.path, card.sha256)
    if card.adapter:
        check(card.adapter, card.adapter_sha256)
    verified = "checksum right" if card.sha256 else "checksum not set (model.sha256)"
    size = card.path.stat().st_size / 2**20
    speed = parts.speed(card)
    measured = f", reads {speed.prefill:g} and writes {speed.decode:g} tokens a second here" if speed else ""
    return (
        f"{card.name}, {size:.0f} MiB, {header.architecture}, licence {card.licence or 'unknown'}, {verified}{measured}"
    )


def _embedder(settings: Settings, parts: Parts) -> str:
    trusted = f"trusted {trust_in(settings.data_dir)}"
    if settings.embedder.component:
        return f"{settings.embedder.component} (not called); {trusted}"
    embedder = parts.embedder()
    return f"{embedder.fingerprint}, {len(embedder.embed_query('hello'))} dimensions; {trusted}"


def _reranker(settings: Settings, parts: Parts) -> str:
    chosen = settings.rerank
    if chosen.likelihood:
        return "the likelihoods of the chat model (not called)"
    with parts.reranker() as reranker:
        if reranker is None:
            return "none is set"
        (said,) = reranker.score("hello", ["hello"])
    return f"{chosen.name or chosen.path}, says {said:.2f} of a passage that is the question"


def _data_folder(settings: Settings, _: Parts) -> str:
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


def _disk(settings: Settings, _: Parts) -> str:
    folder = next(parent for parent in (settings.data_dir, *settings.data_dir.parents) if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise _Fault(f"{free / 2**20:.0f} MiB free at {folder}: free some space before ingesting")
    return f"{free / 2**30:.1f} GiB free"


def _index(settings: Settings, parts: Parts) -> str:
    folder = settings.data_dir
    if not (folder / DATABASE).is_file():
        return "nothing ingested yet"
    engine = open_database(folder / DATABASE, MIGRATIONS)
    try:
        held = _held_by(folder)
        if held:
            faults = index_faults(engine, None, deep=False)
        else:
            with DataFolder(folder, holder="kura doctor"):
                faults = index_faults(engine, folder / VECTORS, deep=False)
        if faults:
            advice = "" if faults[0].kind == "file" else ": run `kura repair`"
            raise _Fault(f"{faults[0].sentence}{advice}")
        with reading(engine) as connection:
            current = generations.current(connection)
            documents, chunks = generations.counts(connection, current) if current else (0, 0)
        if current and not parts.made_index(current.fingerprint):
            raise _Fault(
                f"the index was made with the embedder {current.fingerprint}, which is not the one that is set: run"
                " `kura ingest` or `kura repair` to make it anew"
            )
        seen = "words agree; vectors not looked at, the folder is in use" if held else "words and vectors agree"
        return f"{counted(documents, 'document')}, {counted(chunks, 'passage')}; {seen}"
    finally:
        engine.dispose()


def _glossary(settings: Settings, _: Parts) -> str:
    if settings.search.glossary is None:
        return "none is set"
    from retrieval.glossary import load_glossary

    load_glossary(settings.search.glossary)
    return f"{settings.search.glossary} reads well"


def _refusals(settings: Settings, _: Parts) -> str:
    folder = settings.data_dir
    if not (folder / DATABASE).is_file():
        return "nothing ingested yet"
    engine = open_database(folder / DATABASE, MIGRATIONS)
    try:
        with reading(engine) as connection:
            found = standing(folder, generations.current(connection))
    finally:
        engine.dispose()
    if found.damaged:
        raise _Fault(found.detail)
    return found.detail


def _prompts(settings: Settings, _: Parts) -> str:
    from bot.prompt_files import load_prompts

    own = settings.answer.prompts
    versions = ", ".join(one.version for one in load_prompts(own).values())
    return f"{versions} ({f'with those of {own}' if own else 'of Kura itself'})"


def _golden(settings: Settings, _: Parts) -> str:
    from bot.evaluation.golden import inspected

    if settings.answer.golden is None:
        return "none are set"
    folder = settings.data_dir
    if not (folder / DATABASE).is_file():
        return "nothing ingested yet"
    engine = open_database(folder / DATABASE, MIGRATIONS)
    try:
        return inspected(settings.answer.golden, folder, stored_names(engine))
    finally:
        engine.dispose()


def _port(settings: Settings, parts: Parts) -> str:
    try:
        with parts.listening() as listening:
            return f"{settings.server.host}:{listening.getsockname()[1]} is free"
    except Exception:
        if _held_by(settings.data_dir):
            return f"{settings.server.host}:{settings.server.port} is in use, as the data folder is: a server runs"
        raise


def _discord(settings: Settings, _: Parts) -> str:
    if faults := discord_faults(settings):
        raise _Fault("; ".join(faults))
    return discord_detail(settings)


def _source_status(one: StoredSource) -> SourceStatus:
    source = one.source
    return SourceStatus(
        name=source.name,
        root=source.root,
        readers=sorted(source.readers.groups),
        discord=source.readers.discord,
        documents=len(one.known),
        synced_at=source.synced_at.isoformat() if source.synced_at else None,
    )


def _held_by(folder: Path) -> str | None:
    """Who holds the folder, or None; takes the lock for a moment to find out, if there is one."""
    if not (folder / "lock").is_file():
        return None
    try:
        DataFolder(folder, holder="kura status").release()
    except DataFolderHeld as error:
        return error.holder
    return None
