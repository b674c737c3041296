"""The SQL of the authority: documents, versions, chunks, vectors, readers, sources. Every function takes a connection.

What is kept here is the truth; FTS5 (`retrieval/words.py`) and Chroma (`retrieval/chroma.py`) can be rebuilt from it.
Knows nothing of embedding or ranking, and hands no text to people: `retrieval/passages.py` does, for a principal.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy import Connection

from retrieval.access import Readers
from retrieval.database import slices, sql
from retrieval.documents import Chunk, Document
from retrieval.vectors import Vectors, from_bytes, to_bytes

ReaderSets = dict[int, Readers]
"""Sets of readers by their id."""


@dataclass(frozen=True, slots=True)
class Source:
    """Something that was ingested, and who may read it. `root` is a path or an address, `kind` says of what."""

    id: int
    name: str
    root: str
    readers: Readers
    synced_at: datetime | None
    kind: str = "folder"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one live item of a source."""

    document_id: str
    content_sha256: str
    recipe: str
    readers: Readers
    version_id: int
    source_version: str
    """What the source said of the bytes; see `ingest/sources`."""
    address: str = ""
    """What people open."""


def now() -> str:
    """The present moment, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


# --- state -----------------------------------------------------------------------------------------------------------


def get_state(connection: Connection, key: str) -> str | None:
    """A value of the state table."""
    value = connection.execute(sql("SELECT value FROM state WHERE key = :key"), {"key": key}).scalar()
    return None if value is None else str(value)


def set_state(connection: Connection, key: str, value: str) -> None:
    """Set a value of the state table."""
    connection.execute(sql("INSERT OR REPLACE INTO state VALUES (:key, :value)"), {"key": key, "value": value})


# --- readers ---------------------------------------------------------------------------------------------------------


def reader_sets(connection: Connection) -> ReaderSets:
    """All sets of readers."""
    rows = connection.execute(sql("SELECT id, groups, discord FROM reader_sets ORDER BY id"))
    return {row.id: Readers(frozenset(json.loads(row.groups)), bool(row.discord)) for row in rows}


def ensure_reader_set(connection: Connection, readers: Readers) -> int:
    """The id of a set of readers, made if it is new."""
    found = connection.execute(sql("SELECT id FROM reader_sets WHERE key = :key"), {"key": readers.key}).scalar()
    if found is not None:
        return int(found)
    statement = sql("INSERT INTO reader_sets (key, groups, discord) VALUES (:key, :groups, :discord) RETURNING id")
    values = {"key": readers.key, "groups": json.dumps(sorted(readers.groups)), "discord": readers.discord}
    return int(connection.execute(statement, values).scalar_one())


def reader_sets_of(connection: Connection, documents: Iterable[str]) -> dict[str, int]:
    """The id of the set of readers of each document that has a live version; the others are left out."""
    statement = sql(
        "SELECT id, reader_set_id FROM documents WHERE id IN :ids"
        " AND EXISTS (SELECT 1 FROM live WHERE document_id = documents.id)",
        "ids",
    )
    return {
        id_: int(reader_set)
        for some in slices([*documents])
        for id_, reader_set in connection.execute(statement, {"ids": some})
    }


# --- sources ---------------------------------------------------------------------------------------------------------


def sources(connection: Connection) -> list[Source]:
    """All sources, by name."""
    sets = reader_sets(connection)
    rows = connection.execute(sql("SELECT id, name, root, reader_set_id, synced_at, kind FROM sources ORDER BY name"))
    return [
        Source(
            row.id,
            row.name,
            row.root,
            sets[row.reader_set_id],
            row.synced_at and datetime.fromisoformat(row.synced_at),
            row.kind,
        )
        for row in rows
    ]


def put_source(connection: Connection, name: str, root: str, readers: Readers, kind: str = "folder") -> int:
    """Make a source, or change the one with this root or, else, with this name; returns its id.

    Name and root must not belong to two different sources.
    """
    values = {"name": name, "root": root, "set": ensure_reader_set(connection, readers), "kind": kind}
    found = connection.execute(
        sql("SELECT id FROM sources WHERE root = :root OR name = :name ORDER BY root = :root DESC"), values
    ).scalar()
    if found is None:
        statement = (
            "INSERT INTO sources (name, root, reader_set_id, kind) VALUES (:name, :root, :set, :kind) RETURNING id"
        )
    else:
        statement = (
            "UPDATE sources SET name = :name, root = :root, reader_set_id = :set, kind = :kind WHERE id = :id"
            " RETURNING id"
        )
    return int(connection.execute(sql(statement), values | {"id": found}).scalar_one())


def move_addresses(connection: Connection, source_id: int, former: str, present: str) -> None:
    """Let the documents of a source that moved be found where they are now."""
    statement = sql(
        "UPDATE documents SET address = :present || substr(address, length(:former) + 1)"
        " WHERE source_id = :id AND substr(address, 1, length(:former)) = :former"
    )
    connection.execute(statement, {"id": source_id, "former": former, "present": present})


def delete_source(connection: Connection, source_id: int) -> None:
    """Remove a source that has no documents any more."""
    connection.execute(sql("DELETE FROM unread WHERE source_id = :id"), {"id": source_id})
    connection.execute(sql("DELETE FROM sources WHERE id = :id"), {"id": source_id})


def kept_out(connection: Connection) -> set[str]:
    """Folders that were sources of their own and were removed: one around them does not take them in by itself."""
    return set(json.loads(get_state(connection, "kept out") or "[]"))


def keep_out(connection: Connection, roots: Iterable[str]) -> None:
    """Note which folders those are, in place of what was noted before."""
    set_state(connection, "kept out", json.dumps(sorted(roots)))


def mark_synced(connection: Connection, source_id: int) -> None:
    """Note that a source was brought to its present state just now."""
    connection.execute(sql("UPDATE sources SET synced_at = :at WHERE id = :id"), {"at": now(), "id": source_id})


def manifest(connection: Connection, source_id: int, generation: int) -> dict[str, Known]:
    """The items of a source that are live in a generation."""
    sets = reader_sets(connection)
    statement = sql(
        "SELECT d.item, d.id, v.content_sha256, v.recipe, d.reader_set_id, v.id AS version_id, v.source_version,"
        " d.address"
        " FROM documents d JOIN live l ON l.document_id = d.id AND l.generation_id = :generation"
        " JOIN versions v ON v.id = l.version_id WHERE d.source_id = :source"
    )
    rows = connection.execute(statement, {"source": source_id, "generation": generation}).all()
    # unpacked by place: this is most of the cost of a source in which nothing changed
    return {
        item: Known(document, content, recipe, sets[reader_set], version, said, address)
        for item, document, content, recipe, reader_set, version, said, address in rows
    }


def documents_of(connection: Connection, source_id: int) -> list[str]:
    """The ids of all documents of a source, in whatever generation they are live."""
    found = connection.execute(sql("SELECT id FROM documents WHERE source_id = :source"), {"source": source_id})
    return [str(one) for one in found.scalars()]


def set_source_versions(connection: Connection, seen: Mapping[int, str]) -> None:
    """Note what the source says now of versions (by id) whose content is the same as before."""
    if seen:
        values = [{"id": version, "seen": said} for version, said in seen.items()]
        connection.execute(sql("UPDATE versions SET source_version = :seen WHERE id = :id"), values)


def set_addresses(connection: Connection, addresses: Mapping[str, str]) -> None:
    """Let documents (by id) be found at other addresses, in every generation."""
    if addresses:
        values = [{"id": document, "address": address} for document, address in addresses.items()]
        connection.execute(sql("UPDATE documents SET address = :address WHERE id = :id"), values)


# --- writing a version -----------------------------------------------------------------------------------------------


def document_id(source_id: int, item: str) -> str:
    """The id of a document: stable for a source, whatever it is called, and the item's path below it."""
    return sha256(f"{source_id}\0{item}".encode()).hexdigest()[:16]


def add_documents(connection: Connection, rows: Iterable[tuple[str, int, str, str, int]]) -> None:
    """Rows of documents, as (id, source, item, address, set of readers); those that are there stay as they are."""
    names = ("id", "source", "item", "address", "set")
    values = [dict(zip(names, row, strict=True)) for row in rows]
    connection.execute(
        sql(
            "INSERT INTO documents (id, source_id, item, address, reader_set_id) VALUES (:id, :source, :item, :address, :set)"
            " ON CONFLICT (id) DO NOTHING"
        ),
        values,
    )


def add_version(
    connection: Connection,
    document_id: str,
    document: Document,
    *,
    content_sha256: str,
    recipe: str,
    source_version: str,
) -> int:
    """Write a version of a document, which is not live yet; returns its id."""
    statement = sql(
        "INSERT INTO versions (document_id, title, language, text, content_sha256, recipe, created_at, source_version,"
        " dated) VALUES (:document, :title, :language, :text, :sha, :recipe, :at, :source_version, :dated) RETURNING id"
    )
    values = {
        "document": document_id,
        "title": document.title,
        "language": document.language,
        "text": document.text,
        "sha": content_sha256,
        "recipe": recipe,
        "at": now(),
        "source_version": source_version,
        "dated": document.dated.isoformat() if document.dated else None,
    }
    return int(connection.execute(statement, values).scalar_one())


def chunk_key(document_id: str, version_id: int, ordinal: int) -> str:
    """The public id of a chunk: never used twice, and tells nothing about how many others there are."""
    return sha256(f"{document_id}/{version_id}/{ordinal}".encode()).hexdigest()[:20]


def add_chunks(connection: Connection, written: Iterable[tuple[int, Sequence[tuple[str, Chunk, str]]]]) -> None:
    """Write the chunks of versions, each with its key and the hash of its embedded text, in order."""
    values = [
        {
            "key": key,
            "version": version_id,
            "ordinal": ordinal,
            "start": chunk.start,
            "end": chunk.end,
            "heading": json.dumps(chunk.heading, ensure_ascii=False),
            "line": chunk.line,
            "page": chunk.page,
            "embedded": digest,
        }
        for version_id, chunks in written
        for ordinal, (key, chunk, digest) in enumerate(chunks)
    ]
    if values:
        connection.execute(
            sql(
                'INSERT INTO chunks (key, version_id, ordinal, start, "end", heading, line, page, embedded_sha256)'
                " VALUES (:key, :version, :ordinal, :start, :end, :heading, :line, :page, :embedded)"
            ),
            values,
        )


def chunk_ids(connection: Connection, version_id: int) -> list[tuple[int, str]]:
    """The internal id and key of each chunk of a version, in order."""
    return chunk_ids_of(connection, [version_id])[version_id]


def chunk_ids_of(connection: Connection, versions: Collection[int]) -> dict[int, list[tuple[int, str]]]:
    """The same of several versions."""
    found: dict[int, list[tuple[int, str]]] = {version: [] for version in versions}
    statement = sql(
        "SELECT version_id, id, key FROM chunks WHERE version_id IN :versions ORDER BY version_id, ordinal", "versions"
    )
    for some in slices([*found]):
        for version, id_, key in connection.execute(statement, {"versions": some}):
            found[version].append((id_, key))
    return found


def stored_version(connection: Connection, version_id: int) -> tuple[Document, list[Chunk]]:
    """A version's text and chunks, in order, for making the indexes anew; headings and pages stand in the chunks."""
    found = connection.execute(sql("SELECT title, language, text FROM versions WHERE id = :v"), {"v": version_id}).one()
    rows = connection.execute(
        sql('SELECT start, "end" AS "end", heading, line, page FROM chunks WHERE version_id = :v ORDER BY ordinal'),
        {"v": version_id},
    )
    chunks = [Chunk(row.start, row.end, tuple(json.loads(row.heading)), row.line, row.page) for row in rows]
    return Document(found.title, found.text, found.language), chunks


def delete_version(connection: Connection, version_id: int) -> None:
    """Remove a version with its chunks and text."""
    connection.execute(sql("DELETE FROM chunks WHERE version_id = :v"), {"v": version_id})
    connection.execute(sql("DELETE FROM versions WHERE id = :v"), {"v": version_id})


# --- vectors ---------------------------------------------------------------------------------------------------------


def vectors(connection: Connection, fingerprint: str, digests: Iterable[str]) -> dict[str, Vectors]:
    """The stored vectors of these embedded texts."""
    statement = sql(
        "SELECT embedded_sha256, vector FROM vectors WHERE fingerprint = :fingerprint AND embedded_sha256 IN :digests",
        "digests",
    )
    found: dict[str, Vectors] = {}
    for some in slices([*set(digests)]):
        for name, vector in connection.execute(statement, {"fingerprint": fingerprint, "digests": some}):
            found[name] = from_bytes(vector)
    return found


def chunk_vectors(connection: Connection, fingerprint: str, version_id: int) -> dict[str, Vectors]:
    """The vector of each chunk of a version by its key; chunks this embedder has not embedded are left out."""
    statement = sql(
        "SELECT c.key, x.vector FROM chunks c JOIN vectors x ON x.embedded_sha256 = c.embedded_sha256"
        " WHERE c.version_id = :version AND x.fingerprint = :fingerprint ORDER BY c.ordinal"
    )
    rows = connection.execute(statement, {"version": version_id, "fingerprint": fingerprint})
    return {row.key: from_bytes(row.vector) for row in rows}


def put_vectors(connection: Connection, fingerprint: str, new: Mapping[str, Vectors]) -> None:
    """Store vectors; those that are stored stay as they are."""
    if new:
        values = [{"f": fingerprint, "d": digest, "v": to_bytes(vector)} for digest, vector in new.items()]
        connection.execute(sql("INSERT OR IGNORE INTO vectors VALUES (:f, :d, :v)"), values)


def vector_fingerprints(connection: Connection) -> set[str]:
    """The embedders of all stored vectors."""
    return {str(one) for one in connection.execute(sql("SELECT DISTINCT fingerprint FROM vectors")).scalars()}


def delete_unused_vectors(connection: Connection) -> int:
    """Remove the vectors of texts that no chunk holds any more; returns how many."""
    unused = sql("DELETE FROM vectors WHERE embedded_sha256 NOT IN (SELECT embedded_sha256 FROM chunks)")
    return connection.execute(unused).rowcount
