"""A process that works on a data folder and is killed at a named step, and what must be true afterwards.

`work` runs in a child that is forked from a process which has loaded Chroma already. Every wrapper is put around the
product from outside. `benchmarks/kills.py` does the same at random moments.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

import retrieval.index
from ingest import reading as reading_documents
from ingest.fakes import InlineParser
from ingest.feeds import Feed, recipe
from ingest.folders import Folders
from ingest.parsing import ParseRequest
from ingest.sources.folder import FolderSource
from ingest.sync import Ingestor
from models.fakes import HashingEmbeddings
from retrieval import authority, building, generations, outbox, purging, words
from retrieval.access import EVERYBODY, Principal, Readers
from retrieval.building import Builder
from retrieval.chroma import VectorIndex
from retrieval.database import reading
from retrieval.index import Index
from retrieval.search import Searcher
from retrieval.words import WordTable

HR = Readers(frozenset({"hr"}))
SOMEBODY = Principal("somebody", frozenset({EVERYBODY}))
IN_HR = Principal("mori", frozenset({EVERYBODY, "hr"}))

BEFORE = {"apple.md": 1, "birch.md": 1, "cedar.md": 1, "date.md": 1, "elder.md": 1}
AFTER = {"apple.md": 2, "birch.md": 2, "moved/cedar.md": 1, "elder.md": 1, "fir.md": 1}
"""Files and which version of their text they hold: two are changed, one moved, one deleted, one is new."""
NAMES = sorted({Path(item).stem for item in BEFORE | AFTER})
PASSAGE, OTHER_PASSAGE = 90, 160
BATCH_CHUNKS = 5

OWNERS: dict[str, Any] = {
    "Index": Index,
    "Builder": Builder,
    "VectorIndex": VectorIndex,
    "Connection": Connection,
    "authority": authority,
    "generations": generations,
    "outbox": outbox,
    "purging": purging,
    "words": words,
    "Folders": Folders,
    "Ingestor": Ingestor,
}


@dataclass(frozen=True, slots=True)
class Point:
    """A named step: a function, whether before or after it, and of which call."""

    function: str
    when: str = "before"
    call: int = 1

    def __str__(self) -> str:
        return f"{self.when} {self.function} {self.call}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Some work: the files as they are now, what the index wants to be, and what is done with them."""

    files: dict[str, int]
    do: Callable[[Index, Path], None]
    dimensions: int = 64
    passage: int = PASSAGE
    empty: bool = False
    """Whether nothing was ingested before."""
    gone: bool = False
    """Whether the documents are gone afterwards."""
    readers: Readers | None = None
    """Who may read afterwards, if not everybody."""


def text_of(item: str, version: int) -> str:
    name = Path(item).stem
    parts = (f"## Part {part}\n\nThe {name} part {part} of version{version} allows {part}0 euros." for part in range(4))
    return f"# {name.title()}\n\n" + "\n\n".join(parts) + "\n"


def write(docs: Path, files: dict[str, int]) -> None:
    shutil.rmtree(docs, ignore_errors=True)
    for item, version in files.items():
        (docs / item).parent.mkdir(parents=True, exist_ok=True)
        (docs / item).write_text(text_of(item, version))


@contextmanager
def opened(folder: Path, *, dimensions: int = 64, passage: int = PASSAGE) -> Iterator[Index]:
    index = Index(
        folder,
        HashingEmbeddings(dimensions),
        recipe=recipe(passage),
        spec=str(dimensions),
        reopen=lambda spec: HashingEmbeddings(int(spec)),
    )
    try:
        yield index
    finally:
        index.close()


def folders(index: Index) -> Folders:
    passage = int(index.recipe.rpartition("/")[2])
    return Folders(Ingestor(index, InlineParser(passage=passage)))


def ingest(index: Index, docs: Path, readers: Readers | None = None) -> None:
    folders(index).ingest(docs, readers=readers)


def switch(index: Index, docs: Path) -> None:
    """What a run does when the settings want another embedder and other passages; then the former index is dropped."""
    builder, passage = Builder(index), int(index.recipe.rpartition("/")[2])
    if builder.wanted():
        made = builder.begin()
        feed = Feed("docs", "folder", FolderSource(docs), Readers(frozenset({EVERYBODY})))
        Ingestor(index, InlineParser(passage=passage)).fill(feed, made)
        builder.catch_up(made)
        builder.flip(made)
    with reading(index.engine) as connection:
        others = [one.id for one in generations.every(connection) if one != generations.current(connection)]
    for number in others:
        builder.drop(number)
    index.tidy(purge=True)
    builder.sweep()


def remove(index: Index, docs: Path) -> None:
    with reading(index.engine) as connection:
        there = [one.name for one in authority.sources(connection)]
    for name in there:
        Ingestor(index, InlineParser()).remove(name)
    index.tidy(purge=True)


SCENARIOS = {
    "first": Scenario(BEFORE, ingest, empty=True),
    "change": Scenario(AFTER, ingest),
    "permit": Scenario(BEFORE, partial(ingest, readers=HR), readers=HR),
    "switch": Scenario(BEFORE, switch, dimensions=32, passage=OTHER_PASSAGE),
    "embedder": Scenario(BEFORE, switch, dimensions=32),
    "remove": Scenario(BEFORE, remove, gone=True),
}


def prepare(folder: Path, kept: Path) -> None:
    """A data folder and its documents: two generations, the second of which answers. Its state is kept in `kept`."""
    (folder / "data").mkdir(parents=True)
    write(folder / "docs", BEFORE)
    with opened(folder / "data", dimensions=48) as index:
        ingest(index, folder / "docs")
    with opened(folder / "data") as index:
        builder = Builder(index)
        made = builder.begin()
        builder.catch_up(made)
        builder.flip(made)
    shutil.copytree(folder, kept)


def set_up(name: str, folder: Path, kept: Path) -> None:
    """The prepared state again, with the files as the scenario has them."""
    scenario = SCENARIOS[name]
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
    if scenario.empty:
        shutil.rmtree(folder / "data")
        (folder / "data").mkdir()
    write(folder / "docs", scenario.files)


def run(name: str, folder: Path) -> None:
    """The work of a scenario, here and now."""
    scenario = SCENARIOS[name]
    reading_documents.BATCH_CHUNKS = building.BATCH_CHUNKS = BATCH_CHUNKS
    with opened(folder / "data", dimensions=scenario.dimensions, passage=scenario.passage) as index:
        scenario.do(index, folder / "docs")


def trust_chroma() -> Callable[[], None]:
    """Open Chroma's files without the child that looks at them first, which takes a second; returns what undoes it."""
    real = retrieval.index.open_vectors
    retrieval.index.open_vectors = lambda path, _engine: VectorIndex(path)  # type: ignore[assignment]
    return lambda: setattr(retrieval.index, "open_vectors", real)


def work(name: str, folder: Path, point: Point | None) -> None:
    """The same in a child, which dies at the point."""
    trust_chroma()
    if point is not None:
        arm(point)
    run(name, folder)


def arm(point: Point) -> None:
    owner, _, function = point.function.rpartition(".")
    real, calls = getattr(OWNERS[owner], function), 0

    def deadly(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        mine = calls == point.call
        if mine and point.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **named)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(OWNERS[owner], function, deadly)


def child(name: str, folder: Path, point: Point | None = None) -> Any:
    """Started; forked from a server that has Chroma loaded but not opened."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, "chromadb", "alembic.command"])
    process = context.Process(target=work, args=(name, folder, point))
    process.start()
    return process


# --- what must be true ------------------------------------------------------------------------------------------------


def consistent(index: Index) -> list[str]:
    """What is wrong in the index, between runs: words and vectors hold exactly the live chunks, and nothing is left over."""
    wrong: list[str] = []
    with reading(index.engine) as connection:
        expected: set[str] = set()
        for generation in generations.every(connection):
            for reader_set in authority.reader_sets(connection):
                live = generations.live_chunks(connection, generation, reader_set)
                table = WordTable(generation.id, reader_set)
                there = table in words.tables(connection, generation.id)
                if (words.chunk_ids(connection, table) if there else set()) != set(live):
                    wrong.append(f"words of {table.name}")
                if there and words.totals(connection, table).chunks != len(live):
                    wrong.append(f"totals of {table.name}")
                expected.add(name := generation.collection(reader_set))
                if index.vectors.keys(name) != set(live.values()):
                    wrong.append(f"vectors of {name}")
        if stray := index.vectors.collections() - expected:
            wrong.append(f"collections of no generation {stray}")
        for what, statement in {
            "outbox": "SELECT count(*) FROM outbox",
            "versions that are not live": "SELECT count(*) FROM versions WHERE id NOT IN (SELECT version_id FROM live)",
            "documents that are not live": "SELECT count(*) FROM documents WHERE id NOT IN (SELECT document_id FROM live)",
            "chunks of no version": "SELECT count(*) FROM chunks WHERE version_id NOT IN (SELECT id FROM versions)",
            "vectors of no chunk": "SELECT count(*) FROM vectors v"
            " WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.embedded_sha256 = v.embedded_sha256)",
        }.items():
            if count := connection.execute(text(statement)).scalar():
                wrong.append(f"{count} {what}")
    return wrong


Seen = tuple[tuple[str, ...], tuple[str, ...]]
"""Where the document of a name is, and its passages: what a reader can know of it."""


def seen(index: Index, docs: Path, name: str, principal: Principal) -> Seen:
    hits = [hit for hit in Searcher(index).search(name, principal=principal, k=100).hits if hit.words > 0]
    if any(hit.similarity is None for hit in hits):
        return ("not in the vectors",), ()
    for hit in hits:
        stored = Searcher(index).document(hit.document_id, principal=principal)
        if stored.text[hit.start : hit.end] != hit.text:
            return ("cut otherwise",), ()
    places = {str(Path(hit.address).relative_to(docs)) for hit in hits}
    return tuple(sorted(places)), tuple(sorted(hit.text for hit in hits))


def held(files: dict[str, int], name: str, passage: int) -> Seen:
    """What a reader knows of a name that has these files."""
    found = {item: version for item, version in files.items() if Path(item).stem == name}
    if not found:
        return (), ()
    ((item, version),) = found.items()
    request = ParseRequest(item, item, text_of(item, version).encode(), "", "")
    ((_, parsed),) = InlineParser(passage=passage).parse_all([request])
    whole = parsed.document.text  # type: ignore[union-attr]
    return (item,), tuple(sorted(whole[chunk.start : chunk.end] for chunk in parsed.chunks))  # type: ignore[union-attr]


def wrong_at_once(name: str, folder: Path) -> list[str]:
    """What a reader sees that is neither the old state of a document nor the new one, right after a kill."""
    scenario = SCENARIOS[name]
    with opened(folder / "data", dimensions=scenario.dimensions, passage=scenario.passage) as index:
        wrong = []
        for one in NAMES:
            old = ((), ()) if scenario.empty else held(BEFORE, one, PASSAGE)
            new = ((), ()) if scenario.gone else held(scenario.files, one, scenario.passage)
            if (sees := seen(index, folder / "docs", one, IN_HR)) not in (old, new):
                wrong.append(f"{one}: {sees}")
            others = seen(index, folder / "docs", one, SOMEBODY)
            if others not in (sees, ((), ())) or (others != sees and scenario.readers is None):
                wrong.append(f"{one}, to others: {others}")
        return wrong


def wrong_in_the_end(name: str, folder: Path) -> list[str]:
    """What is not as it should be after the next ordinary run."""
    scenario = SCENARIOS[name]
    run(name, folder)
    with opened(folder / "data", dimensions=scenario.dimensions, passage=scenario.passage) as index:
        wrong = consistent(index)
        with reading(index.engine) as connection:
            wrong += ["deleted text was not overwritten"] * purging.due(connection)
        for one in NAMES:
            new = ((), ()) if scenario.gone else held(scenario.files, one, scenario.passage)
            if (sees := seen(index, folder / "docs", one, IN_HR)) != new:
                wrong.append(f"{one}: {sees} and not {new}")
            if seen(index, folder / "docs", one, SOMEBODY) != (((), ()) if scenario.readers else new):
                wrong.append(f"{one}, to others")
        return wrong
