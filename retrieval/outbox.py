"""The list of what Chroma must forget. What is on it is gone from every answer already; a killed process loses none of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine

from retrieval.chroma import VectorIndex
from retrieval.database import reading, sql, writing
from retrieval.errors import IndexDamaged


def forget(connection: Connection, collection: str, keys: Sequence[str]) -> None:
    """Note keys that a collection must forget."""
    if keys:
        values = [{"collection": collection, "key": key} for key in keys]
        connection.execute(sql("INSERT INTO outbox (collection, chunk_key) VALUES (:collection, :key)"), values)


def keep(connection: Connection, collection: str, keys: Sequence[str]) -> None:
    """Take keys from the list again: what they were written for has come about."""
    if keys:
        values = [{"collection": collection, "key": key} for key in keys]
        connection.execute(sql("DELETE FROM outbox WHERE chunk_key = :key AND collection = :collection"), values)


def work_off(engine: Engine, vectors: Callable[[], VectorIndex]) -> None:
    """Let Chroma forget what it must, and read back that it did. Raises IndexDamaged if not; the list stays then."""
    with reading(engine) as connection:
        rows = connection.execute(sql("SELECT id, collection, chunk_key FROM outbox")).all()
    by_collection: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        by_collection[row.collection].add(row.chunk_key)
    for name, keys in by_collection.items():
        vectors().delete(name, sorted(keys))
        if kept := vectors().present(name, sorted(keys)):
            raise IndexDamaged(f"The vector index kept {len(kept)} passages that were deleted: run `kura repair`.")
    if rows:
        with writing(engine) as connection:
            connection.execute(sql("DELETE FROM outbox WHERE id <= :last"), {"last": rows[-1].id})
