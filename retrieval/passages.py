"""What a principal may read of the live documents of a generation: every function takes the sets of readers (`readable`).

The filter stands inside each query, so that what may not be seen looks exactly like what is not there.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Row

from retrieval.access import Principal
from retrieval.authority import ReaderSets, reader_sets
from retrieval.database import Part, slices, sql
from retrieval.documents import Around, Chunk
from retrieval.filters import Filters
from retrieval.vectors import Vectors, from_bytes


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A live document with its whole text."""

    id: str
    title: str
    address: str
    language: str
    text: str
    source_kind: str


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A live chunk with its text, as a search needs it; `id` is internal, `key` public."""

    id: int
    key: str
    document_id: str
    title: str
    address: str
    language: str
    heading: tuple[str, ...]
    line: int
    page: int | None
    start: int
    end: int
    text: str
    source_kind: str
    source_version: str
    source: str
    dated: date | None


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source that somebody may read from: its name, how many of its documents they may read, and when it was read last."""

    name: str
    documents: int
    synced_at: datetime | None


def readable(connection: Connection, *, principal: Principal) -> ReaderSets:
    """The sets of readers that the principal belongs to."""
    return {id_: readers for id_, readers in reader_sets(connection).items() if principal.may_read(readers)}


_FROM_CHUNKS = (
    "chunks c CROSS JOIN versions v ON v.id = c.version_id"
    " CROSS JOIN live l ON l.version_id = v.id AND l.generation_id = :generation"
    " CROSS JOIN documents d ON d.id = l.document_id"
)
"""What is live, looked up from a few chunks: left to itself, SQLite begins with all that is live, a hundred times slower."""
_LIVE = "live l JOIN versions v ON v.id = l.version_id JOIN documents d ON d.id = l.document_id AND l.generation_id = :generation"
_KIND = "(SELECT kind FROM sources WHERE id = d.source_id) AS source_kind"
_CHUNK = (
    "c.id, c.key, d.id AS document_id, v.title, d.address, v.language, c.heading, c.line, c.page, c.start,"
    ' c."end" AS "end", substr(v.text, c.start + 1, c."end" - c.start) AS text, v.source_version, v.dated,'
    f" {_KIND}, (SELECT name FROM sources WHERE id = d.source_id) AS source"
)


def chunks(
    connection: Connection,
    *,
    generation: int,
    readable: ReaderSets,
    ids: Sequence[int] = (),
    keys: Sequence[str] = (),
) -> list[StoredChunk]:
    """The live chunks with one of these ids or keys that may be read, in no order."""
    statement = sql(
        f"SELECT {_CHUNK} FROM {_FROM_CHUNKS} WHERE d.reader_set_id IN :sets AND (c.id IN :ids OR c.key IN :keys)",
        *("sets", "ids", "keys"),
    )
    values = {"generation": generation, "sets": list(readable), "ids": list(ids), "keys": list(keys)}
    rows = connection.execute(statement, values)
    return [_stored_chunk(row) for row in rows]


NEIGHBOURS = 40
"""Chunks to either side of one that are its surroundings at most."""


def around(
    connection: Connection, *, generation: int, readable: ReaderSets, keys: Sequence[str], reach: int
) -> dict[str, Around]:
    """What stands around each live chunk with one of these keys that may be read, `reach` characters to either side."""
    if not keys:
        return {}
    values = {"generation": generation, "sets": list(readable), "keys": list(keys), "reach": reach, "most": NEIGHBOURS}
    found = f"FROM {_FROM_CHUNKS} WHERE d.reader_set_id IN :sets AND c.key IN :keys"
    texts = sql(
        "SELECT c.key, max(c.start - :reach, 0) AS start,"
        ' substr(v.text, max(c.start - :reach, 0) + 1, c."end" + :reach - max(c.start - :reach, 0)) AS text ' + found,
        *("sets", "keys"),
    )
    near = sql(
        'SELECT own.key, c.start, c."end", c.heading, c.line, c.page'
        f' FROM (SELECT c.key, c.version_id, c.ordinal, c.start, c."end" {found}) own'
        " CROSS JOIN chunks c ON c.version_id = own.version_id AND c.ordinal BETWEEN own.ordinal - :most AND own.ordinal + :most"
        ' AND c.start >= own.start - :reach AND c."end" <= own."end" + :reach ORDER BY own.key, c.ordinal',
        *("sets", "keys"),
    )
    chunks: dict[str, list[Chunk]] = {}
    for row in connection.execute(near, values):
        chunks.setdefault(row.key, []).append(
            Chunk(row.start, row.end, tuple(json.loads(row.heading)), row.line, row.page)
        )
    return {row.key: Around(row.start, row.text, tuple(chunks[row.key])) for row in connection.execute(texts, values)}


ANY_DOCUMENT = Part("", (), {})
"""What `fits` makes of no filters."""


def fits(connection: Connection, filters: Filters) -> Part:
    """What the filters ask of a document `d` in its version `v`; nothing where nothing is set.

    A source is meant by its name in any width and in upper or lower case, which SQLite tells of ASCII letters alone. Sources
    that may not be read are among them: what stands in them is taken away like everything else that may not be read.
    """
    asked: list[tuple[str, str, object]] = []
    if filters.sources:
        wanted = {_folded(name) for name in filters.sources}
        named = [
            id_ for id_, name in connection.execute(sql("SELECT id, name FROM sources")) if _folded(name) in wanted
        ]
        asked.append(("d.source_id IN :named", "named", named))
    if filters.languages:
        asked.append(("v.language IN :languages", "languages", sorted(filters.languages)))
    if filters.after:
        asked.append(("v.dated >= :after", "after", filters.after.isoformat()))
    if filters.before:
        asked.append(("v.dated < :before", "before", filters.before.isoformat()))
    return Part(
        "".join(f" AND {condition}" for condition, _, _ in asked),
        tuple(name for _, name, value in asked if isinstance(value, list)),
        {name: value for _, name, value in asked},
    )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def chunk_numbers(
    connection: Connection,
    *,
    generation: int,
    readable: ReaderSets,
    keys: Sequence[str],
    fits: Part = ANY_DOCUMENT,
) -> dict[str, int]:
    """The internal id of each live chunk with one of these keys that may be read, and whose document `fits`."""
    statement = sql(
        f"SELECT c.key, c.id FROM {_FROM_CHUNKS} WHERE d.reader_set_id IN :sets AND c.key IN :keys{fits.statement}",
        *("sets", "keys", *fits.lists),
    )
    values = {"generation": generation, "sets": list(readable), **fits.values}
    return {row.key: row.id for some in slices(keys) for row in connection.execute(statement, {**values, "keys": some})}


def fitting(*, generation: int, readable: ReaderSets, fits: Part) -> Part:
    """A query of the ids of the live chunks that may be read and whose documents fit."""
    statement = (
        f"SELECT c.id FROM {_LIVE} JOIN chunks c ON c.version_id = v.id WHERE d.reader_set_id IN :sets{fits.statement}"
    )
    return Part(statement, ("sets", *fits.lists), {"generation": generation, "sets": list(readable), **fits.values})


def origins(
    connection: Connection, *, generation: int, readable: ReaderSets, ids: Sequence[int]
) -> dict[int, tuple[str, date | None]]:
    """The source's name and the document's day of each of these live chunks that may be read."""
    statement = sql(
        f"SELECT c.id, s.name, v.dated FROM {_FROM_CHUNKS} CROSS JOIN sources s ON s.id = d.source_id"
        " WHERE d.reader_set_id IN :sets AND c.id IN :ids",
        *("sets", "ids"),
    )
    values = {"generation": generation, "sets": list(readable)}
    return {
        id_: (name, dated and date.fromisoformat(dated))
        for some in slices(ids)
        for id_, name, dated in connection.execute(statement, {**values, "ids": some})
    }


def first_ids(connection: Connection, among: Part, most: int) -> list[int]:
    """At most so many of the ids that a query gives."""
    statement = sql(f"{among.statement} LIMIT :most", *among.lists)
    return [int(one) for one in connection.execute(statement, {**among.values, "most": most}).scalars()]


def vectors_of(connection: Connection, fingerprint: str, ids: Sequence[int]) -> dict[int, Vectors]:
    """The stored vector of each of these chunks, by an embedder."""
    statement = sql(
        "SELECT c.id, x.vector FROM chunks c JOIN vectors x ON x.embedded_sha256 = c.embedded_sha256"
        " WHERE c.id IN :ids AND x.fingerprint = :fingerprint",
        "ids",
    )
    return {
        id_: from_bytes(vector)
        for some in slices(ids)
        for id_, vector in connection.execute(statement, {"ids": some, "fingerprint": fingerprint})
    }


def sources(connection: Connection, *, generation: int, readable: ReaderSets) -> list[SourceView]:
    """Those with a live document that may be read, by name."""
    statement = sql(
        f"SELECT s.name, s.synced_at, count(*) AS documents FROM {_LIVE} JOIN sources s ON s.id = d.source_id"
        " WHERE d.reader_set_id IN :sets GROUP BY s.id ORDER BY s.name",
        "sets",
    )
    rows = connection.execute(statement, {"generation": generation, "sets": list(readable)})
    return [
        SourceView(row.name, row.documents, row.synced_at and datetime.fromisoformat(row.synced_at)) for row in rows
    ]


def titles(connection: Connection, *, generation: int, readable: ReaderSets) -> dict[str, str]:
    """Id and title of every live document that may be read."""
    statement = sql(f"SELECT d.id, v.title FROM {_LIVE} WHERE d.reader_set_id IN :sets ORDER BY d.id", "sets")
    values = {"generation": generation, "sets": list(readable)}
    return {row.id: row.title for row in connection.execute(statement, values)}


def by_document(connection: Connection, *, generation: int, readable: ReaderSets) -> dict[str, list[int]]:
    """The internal ids of the live chunks of every document that may be read, in the order of its text."""
    statement = sql(
        f"SELECT d.id, c.id AS chunk FROM {_LIVE} JOIN chunks c ON c.version_id = v.id"
        " WHERE d.reader_set_id IN :sets ORDER BY d.id, c.ordinal",
        "sets",
    )
    found: dict[str, list[int]] = {}
    for document_id, chunk in connection.execute(statement, {"generation": generation, "sets": list(readable)}):
        found.setdefault(document_id, []).append(chunk)
    return found


def chunks_of(
    connection: Connection, documents: Collection[str], *, generation: int, readable: ReaderSets
) -> dict[str, int]:
    """Key and internal id of every live chunk of these documents that may be read."""
    if not documents:
        return {}
    statement = sql(
        f"SELECT c.key, c.id FROM {_LIVE} JOIN chunks c ON c.version_id = v.id"
        " WHERE d.reader_set_id IN :sets AND d.id IN :documents",
        *("sets", "documents"),
    )
    values = {"generation": generation, "sets": list(readable), "documents": list(documents)}
    return {row.key: row.id for row in connection.execute(statement, values)}


def document(
    connection: Connection, document_id: str, *, generation: int, readable: ReaderSets
) -> StoredDocument | None:
    """A live document, or None if there is none or it may not be read."""
    statement = sql(
        f"SELECT d.id, v.title, d.address, v.language, v.text, {_KIND} FROM {_LIVE}"
        " WHERE d.id = :id AND d.reader_set_id IN :sets",
        "sets",
    )
    values = {"id": document_id, "generation": generation, "sets": list(readable)}
    row = connection.execute(statement, values).first()
    return None if row is None else StoredDocument(**row._mapping)


def _stored_chunk(row: Row[tuple[object, ...]]) -> StoredChunk:
    values = row._mapping
    dated = values["dated"] and date.fromisoformat(values["dated"])
    return StoredChunk(**{**values, "heading": tuple(json.loads(values["heading"])), "dated": dated})
