"""The SQL of generations: each is a whole index (words and vectors) over the authority's documents; one answers.

Another embedder, size of passages or parser makes a new generation beside the one that answers; a pointer is flipped when
it is whole. Which version of a document is live is said for each generation. Knows nothing of embedding or of files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, Row

from retrieval import authority
from retrieval.database import slices, sql

_CURRENT = "generation"


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation. `embedder` is what its embedder is opened from again, as whoever opened it first wrote it."""

    id: int
    fingerprint: str
    recipe: str
    embedder: str
    collections: str
    ready: bool
    created_at: datetime | None

    def collection(self, reader_set: int) -> str:
        """The Chroma collection of a set of readers."""
        return f"{self.collections}-r{reader_set}"


@dataclass(frozen=True, slots=True)
class Live:
    """A document's version in one generation."""

    generation: Generation
    version_id: int


_COLUMNS = "id, fingerprint, recipe, embedder, collections, ready, created_at"


def every(connection: Connection) -> list[Generation]:
    """All generations, oldest first."""
    return [_generation(row) for row in connection.execute(sql(f"SELECT {_COLUMNS} FROM generations ORDER BY id"))]


def current(connection: Connection) -> Generation | None:
    """The generation that answers; None before anything was ingested."""
    statement = sql(
        f"SELECT {_COLUMNS} FROM generations WHERE id = (SELECT CAST(value AS INTEGER) FROM state WHERE key = :key)"
    )
    row = connection.execute(statement, {"key": _CURRENT}).first()
    return None if row is None else _generation(row)


def add(connection: Connection, *, fingerprint: str, recipe: str, embedder: str) -> Generation:
    """Make a generation that is not ready and holds nothing."""
    statement = sql(
        "INSERT INTO generations (fingerprint, recipe, embedder, collections, ready, created_at)"
        f" VALUES (:fingerprint, :recipe, :embedder, '', 0, :at) RETURNING {_COLUMNS}"
    )
    values = {"fingerprint": fingerprint, "recipe": recipe, "embedder": embedder, "at": authority.now()}
    made = connection.execute(statement, values).one()
    # The name must differ from that of every other generation, dropped ones too: the id is never used twice.
    prefix = f"g{made.id}-{sha256(fingerprint.encode()).hexdigest()[:16]}"
    connection.execute(sql("UPDATE generations SET collections = :c WHERE id = :id"), {"c": prefix, "id": made.id})
    return _generation(made, collections=prefix)


def make_current(connection: Connection, generation: Generation) -> None:
    """Let a generation answer from now on: the pointer, and that it is ready."""
    connection.execute(sql("UPDATE generations SET ready = 1 WHERE id = :id"), {"id": generation.id})
    authority.set_state(connection, _CURRENT, str(generation.id))


def delete(connection: Connection, generation: Generation) -> None:
    """Remove a generation's row, and its documents' from it; their versions stay until nothing points to them."""
    connection.execute(sql("DELETE FROM live WHERE generation_id = :g"), {"g": generation.id})
    connection.execute(sql("DELETE FROM generations WHERE id = :g"), {"g": generation.id})


def point(connection: Connection, generation: Generation, versions: Mapping[str, int]) -> None:
    """Make a version of each document live."""
    if versions:
        values = [{"g": generation.id, "d": document_id, "v": version} for document_id, version in versions.items()]
        connection.execute(sql("INSERT OR REPLACE INTO live VALUES (:g, :d, :v)"), values)


def unpoint(connection: Connection, generation: Generation, document_id: str) -> None:
    """Let no version of a document be live in a generation."""
    connection.execute(
        sql("DELETE FROM live WHERE generation_id = :g AND document_id = :d"), {"g": generation.id, "d": document_id}
    )


def is_live(connection: Connection, version_id: int) -> bool:
    """Whether a version is live in any generation."""
    statement = sql("SELECT 1 FROM live WHERE version_id = :v LIMIT 1")
    return connection.execute(statement, {"v": version_id}).first() is not None


def lives(connection: Connection, document_id: str) -> list[Live]:
    """The version of a document that is live, in each generation that has one."""
    return lives_of(connection, [document_id])[document_id]


def lives_of(connection: Connection, documents: Collection[str]) -> dict[str, list[Live]]:
    """The same of several documents."""
    found: dict[str, list[Live]] = {one: [] for one in documents}
    known: dict[int, Generation] = {}
    statement = sql(
        "SELECT document_id, generation_id, version_id FROM live WHERE document_id IN :ids"
        " ORDER BY document_id, generation_id",
        "ids",
    )
    for some in slices([*found]):
        rows = connection.execute(statement, {"ids": some}).all()
        known = known or ({one.id: one for one in every(connection)} if rows else {})
        for document_id, generation, version in rows:
            found[document_id].append(Live(known[generation], version))
    return found


def behind(connection: Connection, generation: Generation, other: Generation) -> list[str]:
    """Documents that `other` has and `generation` lacks, ascending."""
    statement = sql(
        "SELECT o.document_id FROM live o LEFT JOIN live m"
        " ON m.document_id = o.document_id AND m.generation_id = :mine"
        " WHERE o.generation_id = :other AND m.version_id IS NULL ORDER BY o.document_id"
    )
    return [str(one) for one in connection.execute(statement, {"mine": generation.id, "other": other.id}).scalars()]


def counts(connection: Connection, generation: Generation) -> tuple[int, int]:
    """How many documents and chunks are live in it."""
    documents = connection.execute(
        sql("SELECT count(*) FROM live WHERE generation_id = :g"), {"g": generation.id}
    ).scalar_one()
    chunks = connection.execute(
        sql("SELECT count(*) FROM chunks c JOIN live l ON l.version_id = c.version_id WHERE l.generation_id = :g"),
        {"g": generation.id},
    ).scalar_one()
    return int(documents), int(chunks)


def contents(connection: Connection, generation: Generation) -> str:
    """Which versions of which documents a generation holds, as a digest: the same says the same."""
    statement = sql("SELECT document_id, version_id FROM live WHERE generation_id = :g ORDER BY document_id")
    told = sha256()
    for document_id, version_id in connection.execute(statement, {"g": generation.id}):
        told.update(f"{document_id} {version_id}\n".encode())
    return told.hexdigest()


def live_chunks(connection: Connection, generation: Generation, reader_set: int) -> dict[int, str]:
    """Internal id and key of every live chunk of a set of readers: what words and vectors must hold, no more, no less."""
    rows = connection.execute(
        sql(
            "SELECT c.id, c.key FROM live l JOIN documents d ON d.id = l.document_id"
            " JOIN chunks c ON c.version_id = l.version_id WHERE l.generation_id = :g AND d.reader_set_id = :set"
        ),
        {"g": generation.id, "set": reader_set},
    )
    return {row.id: row.key for row in rows}


def _generation(row: Row[tuple[object, ...]], collections: str = "") -> Generation:
    values = dict(row._mapping)
    at = values.pop("created_at")
    values["collections"] = collections or values["collections"]
    return Generation(
        **{**values, "ready": bool(values["ready"])}, created_at=datetime.fromisoformat(at) if at else None
    )
