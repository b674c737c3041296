"""Takes documents and versions out of the index, and overwrites what was deleted.

Whatever deletes text marks the purge as due in the same transaction, with the word tables it took terms from; the mark goes
last, once those terms are merged away, what was moved aside of Chroma is deleted, and the write-ahead log is empty. A
process killed in between, or a reader that holds the log, leaves the mark, and the next one finishes. Chroma forgets by the
outbox (`retrieval/outbox.py`), not here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine

from retrieval import authority, generations, outbox, words
from retrieval.database import BUSY_TIMEOUT_MS, sql, writing
from retrieval.generations import Live
from retrieval.probing import discard_quarantined
from retrieval.words import WordTable

_DUE = "purge"
"""In the state while a purge is due: the word tables that hold deleted terms, as pairs of generation and readers."""
_LOG_TRIES = 4
"""How often the log is tried; each time a new snapshot reads past it already, so that only old ones stand in the way."""
_LOG_WAIT_MS = 250
"""How long each try waits for readers: all writers wait with it."""


# --- in a transaction that deletes ---


def delete_document(connection: Connection, document_id: str) -> None:
    """Remove a document from every generation and from the authority; harmless if it is gone."""
    retire(connection, document_id, generations.lives(connection, document_id))
    left = connection.execute(sql("SELECT id FROM versions WHERE document_id = :d"), {"d": document_id})
    for version_id in left.scalars().all():
        take_back(connection, version_id)
    connection.execute(sql("DELETE FROM documents WHERE id = :d"), {"d": document_id})


def retire(connection: Connection, document_id: str, lives: Sequence[Live]) -> None:
    """Take a document's versions out of generations: words and authority now, Chroma by the outbox."""
    if not lives:
        return
    reader_set = authority.reader_sets_of(connection, [document_id])[document_id]
    for live in lives:
        chunks = authority.chunk_ids(connection, live.version_id)
        table = WordTable(live.generation.id, reader_set)
        words.delete(connection, table, [id_ for id_, _ in chunks])
        outbox.forget(connection, live.generation.collection(reader_set), [key for _, key in chunks])
        generations.unpoint(connection, live.generation, document_id)
        mark(connection, table)
    for version_id in {live.version_id for live in lives}:
        if not generations.is_live(connection, version_id):
            authority.delete_version(connection, version_id)


def take_back(connection: Connection, version_id: int) -> None:
    """Remove a version that no generation points to; its vectors may stand in any collection."""
    keys = [key for _, key in authority.chunk_ids(connection, version_id)]
    for one in generations.every(connection):
        for reader_set in authority.reader_sets(connection):
            outbox.forget(connection, one.collection(reader_set), keys)
    authority.delete_version(connection, version_id)
    mark(connection)


def take_back_left(connection: Connection, *, vectors: bool = True) -> None:
    """Remove everything that no generation points to: what a killed process left, or a dropped generation had alone.

    With `vectors` those in the authority that nothing stored has any more go too.
    """
    left = sql("SELECT id FROM versions WHERE id NOT IN (SELECT version_id FROM live)")
    for version_id in connection.execute(left).scalars().all():
        take_back(connection, version_id)
    connection.execute(sql("DELETE FROM documents WHERE id NOT IN (SELECT document_id FROM live)"))
    if vectors and authority.delete_unused_vectors(connection):
        mark(connection)


def mark(connection: Connection, *touched: WordTable) -> None:
    """Note in a transaction that deletes text that a purge is due, and which word tables lost terms."""
    noted = _noted(connection)
    if noted is None or not noted.issuperset(touched):
        _note(connection, (noted or set()).union(touched))


def due(connection: Connection) -> bool:
    """Whether deleted text still waits to be overwritten."""
    return _noted(connection) is not None


# --- afterwards ---


def purge(engine: Engine, vectors: Path) -> None:
    """Overwrite what was deleted; it stays due if a reader holds the log for long. `vectors` is Chroma's folder.

    Raises DataFolderError.
    """
    # 1. Terms, one table at a time: merging a large one takes a second, and others write in between.
    with writing(engine) as connection:
        tables = _noted(connection) or set()
    for table in sorted(tables, key=lambda one: one.name):
        with writing(engine) as connection:
            words.purge(connection, table)
            tables = tables - {table}
            _note(connection, tables)
    # 2. What was moved aside of Chroma, and the log.
    discard_quarantined(vectors)
    if _empty_log(engine):
        with writing(engine) as connection:
            connection.execute(sql("DELETE FROM state WHERE key = :key"), {"key": _DUE})


def _empty_log(engine: Engine) -> bool:
    """Write the log into the database and cut it off; False if readers of an older state stand in the way."""
    with engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={_LOG_WAIT_MS}")
        try:
            tries = (connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one() for _ in range(_LOG_TRIES))
            return any(busy == 0 for busy, _, _ in tries)
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


def _noted(connection: Connection) -> set[WordTable] | None:
    """Word tables that hold deleted terms; None if no purge is due."""
    noted = authority.get_state(connection, _DUE)
    return None if noted is None else {WordTable(generation, readers) for generation, readers in json.loads(noted)}


def _note(connection: Connection, tables: set[WordTable]) -> None:
    authority.set_state(connection, _DUE, json.dumps(sorted((one.generation, one.readers) for one in tables)))
