"""Compares the indexes with the authority, and the authority with itself: SQL and counts. Changes nothing but `distrust`.

What holds of a sound index: in every generation, for every set of readers, live chunks, word rows and vectors are the same
set; every chunk lies within its version's text, whose hash is the one it was embedded under (so that every offset that can
be cited is proved); and nothing waits to be done. Hands no text to people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from retrieval import authority, generations, purging, words
from retrieval.chroma import VectorIndex
from retrieval.database import reading, slices, sql
from retrieval.generations import Generation
from retrieval.prepared import digest, embedded_text
from retrieval.probing import Unsound, probe, stored_vectors
from retrieval.terms import chunk_words
from retrieval.unread import Unread, unread
from retrieval.vectors import same, stacked
from retrieval.words import WordTable

Kind = Literal["file", "text", "stored vectors", "words", "vectors", "surplus vectors", "left over"]
"""What is wrong: the database file; the authority's text or vectors; words; vectors that answers need; vectors that no chunk
has; what a killed run left."""
SAMPLE = 2_000
"""Vectors of a collection that are compared when not all are: damage in many places shows in one of so many."""
SEARCHED = 500
"""Of those, how many are searched for: each must find itself."""
LEAST_FOUND = 0.95
"""Share of them that find themselves in a sound index: its search is approximate, and of 591 passages that are much alike it
missed 8. A graph that is damaged loses far more."""
TOLERANCE = 1e-4
"""How much a component of a vector may differ: Chroma makes it of unit length once more."""
_NAMED = 3
"""Documents named in a sentence; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not hold."""

    kind: Kind
    sentence: str


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A source, and what is known of each of its items in the generation that answers."""

    source: authority.Source
    known: Mapping[str, authority.Known]
    unread: Mapping[str, Unread] = field(default_factory=dict)
    """What it holds and could not be read."""


def stored_sources(engine: Engine) -> list[StoredSource]:
    """Every source that was ever ingested and not removed, by name."""
    with reading(engine) as connection:
        current = generations.current(connection)
        return [
            StoredSource(
                one,
                authority.manifest(connection, one.id, current.id) if current else {},
                unread(connection, one.id),
            )
            for one in authority.sources(connection)
        ]


def stored_names(engine: Engine) -> list[tuple[str, str]]:
    """Address and title of every document of the generation that answers."""
    statement = sql(
        "SELECT d.address, v.title FROM documents d JOIN live l ON l.document_id = d.id AND l.generation_id = :g"
        " JOIN versions v ON v.id = l.version_id ORDER BY d.id"
    )
    with reading(engine) as connection:
        current = generations.current(connection)
        rows = connection.execute(statement, {"g": current.id if current else 0}).all()
    return [(str(row.address), str(row.title)) for row in rows]


def stored_content(engine: Engine, document_id: str) -> tuple[str, str] | None:
    """The item of a document in its source, and the hash of the bytes it was read from; None if it is not live."""
    statement = sql(
        "SELECT d.item, v.content_sha256 FROM documents d JOIN live l ON l.document_id = d.id AND l.generation_id = :g"
        " JOIN versions v ON v.id = l.version_id WHERE d.id = :d"
    )
    with reading(engine) as connection:
        current = generations.current(connection)
        row = connection.execute(statement, {"d": document_id, "g": current.id if current else 0}).first()
    return None if row is None else (str(row.item), str(row.content_sha256))


def index_faults(engine: Engine, vectors: Path | None, *, deep: bool) -> list[Fault]:
    """All that does not hold; `vectors` is Chroma's folder (None: not looked at), which no process may have open.

    With `deep` every vector and every word is compared, else a sample. Raises DataFolderError.
    """
    faults = word_faults(engine, deep=deep)
    live = 0
    with reading(engine) as connection:
        if not faults:  # SQLite's check of the file finds damaged words too, and those can be mended
            faults += file_faults(connection)
        if not any(one.kind == "file" for one in faults):
            faults += authority_faults(connection)
            live = sum(generations.counts(connection, one)[1] for one in generations.every(connection))
    if vectors is None:
        return faults
    if vectors.exists():
        try:
            faults += probe(vectors, Path(str(engine.url.database)), deep=deep)
        except Unsound as error:
            faults.append(Fault("vectors", f"the vector index cannot be used: {error}"))
    elif live:
        faults.append(Fault("vectors", f"the vector index {vectors} is not there"))
    return faults


def file_faults(connection: Connection) -> Iterator[Fault]:
    """What SQLite's own check finds wrong with the file."""
    broken = str(connection.execute(sql("PRAGMA quick_check(1)")).scalar())
    if broken != "ok":
        yield Fault(
            "file", f"the database is damaged ({broken}): restore it from a backup, or ingest into a new folder"
        )


def authority_faults(connection: Connection) -> Iterator[Fault]:
    """Whether the database says the same thing everywhere, and nothing in it waits to be done."""
    if altered := altered_versions(connection):
        yield Fault("text", f"the stored text of {_named(connection, altered)} is not what was indexed")
    for generation in generations.every(connection):
        if lacking := _without_vector(connection, generation):
            yield Fault("stored vectors", f"generation {generation.id} lacks the stored vectors of {lacking} passages")
    unpointed = connection.execute(
        sql("SELECT count(*) FROM versions WHERE id NOT IN (SELECT version_id FROM live)")
    ).scalar_one()
    if unpointed:
        yield Fault("left over", f"{unpointed} versions of documents are in no index: a run was killed")
    waiting = connection.execute(sql("SELECT count(*) FROM outbox")).scalar_one()
    if waiting:
        yield Fault("left over", f"{waiting} vectors wait to be deleted: a run was killed")
    if purging.due(connection):
        yield Fault("left over", "deleted text waits to be overwritten: a run was killed, or the database was in use")


def altered_versions(connection: Connection) -> list[int]:
    """Versions whose chunks do not ascend within the text, or whose text is not the one that was embedded."""
    altered = []
    for version_id in connection.execute(sql("SELECT id FROM versions ORDER BY id")).scalars().all():
        document, chunks = authority.stored_version(connection, version_id)
        hashes = connection.execute(
            sql("SELECT embedded_sha256 FROM chunks WHERE version_id = :v ORDER BY ordinal"), {"v": version_id}
        ).scalars()
        within = all(0 <= one.start < one.end <= len(document.text) for one in chunks)
        ascend = all(one.end <= two.start for one, two in pairwise(chunks))
        same = [digest(embedded_text(document, chunk)) for chunk in chunks] == list(hashes)
        if not (within and ascend and same):
            altered.append(int(version_id))
    return altered


def distrust(connection: Connection, versions: Sequence[int]) -> None:
    """Forget what bytes versions were made of, so that the next sync reads their documents again."""
    if versions:
        statement = sql("UPDATE versions SET content_sha256 = '', source_version = '' WHERE id = :id")
        connection.execute(statement, [{"id": one} for one in versions])


def word_faults(engine: Engine, *, deep: bool) -> list[Fault]:
    """Each word table by FTS5's own check, its rows and counts; with `deep`, every row against its chunk's text."""
    with reading(engine) as connection:
        tables = [
            (generation, table)
            for generation in generations.every(connection)
            for table in words.tables(connection, generation.id)
        ]
    damaged = [(table, why) for _, table in tables if (why := _integrity(engine, table))]
    faults = [Fault("words", f"the words of {_shown(engine, table)} are damaged ({why})") for table, why in damaged]
    bad = {table for table, _ in damaged}
    with reading(engine) as connection:
        for generation in generations.every(connection):
            faults += _untabled(connection, generation)
        for generation, table in tables:
            if table not in bad:
                faults += _table_faults(connection, generation, table)
        if deep and not faults:
            faults += _word_texts(connection)
    return faults


def vector_faults(connection: Connection, index: VectorIndex, *, deep: bool) -> Iterator[Fault]:
    """Keys of every collection, and their vectors against the stored ones: all of them, or a sample."""
    there, named = index.collections(), set()
    for generation in generations.every(connection):
        for reader_set, readers in authority.reader_sets(connection).items():
            collection = generation.collection(reader_set)
            named.add(collection)
            live = set(generations.live_chunks(connection, generation, reader_set).values())
            found = index.keys(collection) if collection in there else set()
            shown = f"{readers.key} in generation {generation.id}"
            if lacking := live - found:
                yield Fault("vectors", f"the vectors of {shown} lack {len(lacking)} of {len(live)} passages")
            if surplus := found - live:
                yield Fault("surplus vectors", f"the vectors of {shown} hold {len(surplus)} passages too many")
            keys = sorted(live & found)
            step = 1 if deep else max(1, len(keys) // SAMPLE)
            yield from _collection_faults(connection, index, generation, collection, keys[::step], shown)
    if strays := there - named:
        yield Fault("surplus vectors", f"{len(strays)} collections of vectors belong to no generation")


# --- the steps ---


def _without_vector(connection: Connection, generation: Generation) -> int:
    statement = sql(
        "SELECT count(*) FROM live l JOIN chunks c ON c.version_id = l.version_id WHERE l.generation_id = :g"
        " AND NOT EXISTS (SELECT 1 FROM vectors x WHERE x.fingerprint = :f AND x.embedded_sha256 = c.embedded_sha256)"
    )
    return int(connection.execute(statement, {"g": generation.id, "f": generation.fingerprint}).scalar_one())


def _named(connection: Connection, versions: Sequence[int]) -> str:
    statement = sql("SELECT d.address FROM versions v JOIN documents d ON d.id = v.document_id WHERE v.id = :v")
    shown = [str(connection.execute(statement, {"v": one}).scalar()) for one in versions[:_NAMED]]
    more = f" and {len(versions) - _NAMED} more" if len(versions) > _NAMED else ""
    return ", ".join(shown) + more


def _shown(engine: Engine, table: WordTable) -> str:
    with reading(engine) as connection:
        return f"{authority.reader_sets(connection)[table.readers].key} in generation {table.generation}"


def _integrity(engine: Engine, table: WordTable) -> str:
    """What FTS5 finds wrong with a table; asked in a transaction that keeps nothing."""
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            connection.exec_driver_sql(f"INSERT INTO {table.name}({table.name}) VALUES ('integrity-check')")
        except DatabaseError as error:
            return str(error.orig)
        finally:
            connection.rollback()
    return ""


def _untabled(connection: Connection, generation: Generation) -> Iterator[Fault]:
    """Sets of readers that have live chunks and no word table."""
    tabled = {table.readers for table in words.tables(connection, generation.id)}
    for reader_set, readers in authority.reader_sets(connection).items():
        if reader_set not in tabled and (live := generations.live_chunks(connection, generation, reader_set)):
            yield Fault(
                "words", f"the words of {readers.key} in generation {generation.id} lack all {len(live)} passages"
            )


def _table_faults(connection: Connection, generation: Generation, table: WordTable) -> Iterator[Fault]:
    shown = f"{authority.reader_sets(connection)[table.readers].key} in generation {generation.id}"
    live = set(generations.live_chunks(connection, generation, table.readers))
    found = words.chunk_ids(connection, table)
    if live != found:
        lacking, surplus = len(live - found), len(found - live)
        yield Fault("words", f"the words of {shown} lack {lacking} passages and hold {surplus} too many")
    rows = words.rows_of(connection, table, sorted(found))
    counted = words.Totals(
        len(rows), *(sum(len(getattr(row, part)) for row in rows) for part in ("title", "heading", "body"))
    )
    if words.totals(connection, table) != counted:
        yield Fault("words", f"the words of {shown} are counted wrong, which misleads the ranking")


def _word_texts(connection: Connection) -> Iterator[Fault]:
    """Whether the words of each chunk are those of its text."""
    statement = sql(
        "SELECT l.version_id, d.reader_set_id FROM live l JOIN documents d ON d.id = l.document_id"
        " WHERE l.generation_id = :g"
    )
    for generation in generations.every(connection):
        wrong = 0
        for row in connection.execute(statement, {"g": generation.id}).all():
            document, chunks = authority.stored_version(connection, row.version_id)
            ids = [id_ for id_, _ in authority.chunk_ids(connection, row.version_id)]
            table = WordTable(generation.id, row.reader_set_id)
            found = {one.chunk: (one.title, one.heading, one.body) for one in words.rows_of(connection, table, ids)}
            made = [(one.title.split(), one.heading.split(), one.body.split()) for one in chunk_words(document, chunks)]
            wrong += sum(found.get(id_) != one for id_, one in zip(ids, made, strict=True))
        if wrong:
            yield Fault(
                "words", f"the words of {wrong} passages in generation {generation.id} are not those of their text"
            )


def _collection_faults(
    connection: Connection,
    index: VectorIndex,
    generation: Generation,
    collection: str,
    keys: Sequence[str],
    shown: str,
) -> Iterator[Fault]:
    differ = searched = lost = 0
    every = max(1, len(keys) // SEARCHED)
    for page in slices(keys):
        stored = stored_vectors(connection, generation, page)
        found = index.stored(collection, page)
        differ += sum(key not in found or not same(found[key], vector, TOLERANCE) for key, vector in stored.items())
        probes = [stored[key] for key in page[::every] if key in stored and stored[key].any()]
        if probes:
            searched += len(probes)
            nearest = index.own_similarities(collection, stacked(probes))
            lost += sum(not similarity >= 1 - TOLERANCE for similarity in nearest)
    if differ:
        yield Fault("vectors", f"{differ} vectors of {shown} are not the stored ones")
    if lost > (1 - LEAST_FOUND) * searched:
        yield Fault("vectors", f"of {searched} vectors of {shown} a search does not find {lost}")
