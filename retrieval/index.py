"""Writes to the index: documents become live, are replaced, re-permitted and removed; Chroma and FTS5 follow the authority.

The order of every change, so that a process killed anywhere leaves nothing a later one cannot finish:

1. one transaction writes versions, chunks and vectors that are not live yet, and notes their keys in the outbox, the
   list of what Chroma must forget: a change that never happens is undone from there;
2. their vectors go to Chroma and are read back;
3. one transaction flips the live versions, moves the words, drops the old text, and puts the old keys in the outbox
   instead of the new ones;
4. the outbox is worked off.

A search sees the old version or the new one, never a mix, because it keeps only what is live in its snapshot.
Knows nothing of sources or files; one thread writes at a time.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, Engine, text

from models.embedders import Embedder
from retrieval import authority, words
from retrieval.access import Readers
from retrieval.chroma import VectorIndex, Vectors, as_vectors
from retrieval.database import open_database, reading, writing
from retrieval.documents import Chunk, Document
from retrieval.errors import IndexDamaged, IndexMismatch
from retrieval.terms import terms

MIGRATIONS = Path(__file__).parent / "migrations"
DATABASE = "documents.db"
VECTORS = "chroma"
_EMBEDDER = "embedder"
_REBUILDING = "(rebuilding)"
"""Stands in place of the embedder's fingerprint while the indexes are made anew."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document read, split, and ready to be written. `item` is its path below the source's root."""

    item: str
    address: str
    readers: Readers
    document: Document
    chunks: tuple[Chunk, ...]
    content_sha256: str
    """Of the source's bytes."""
    recipe: str
    """The versions of loader and splitter that made it."""


@dataclass(frozen=True, slots=True)
class _Written:
    document_id: str
    version_id: int
    reader_set: int
    keys: list[str]
    digests: list[str]
    prepared: Prepared


def embedded_text(document: Document, chunk: Chunk) -> str:
    """What the embedder reads of a chunk: title and heading path, then the text."""
    return "\n".join((" › ".join((document.title, *chunk.heading)), document.text[chunk.start : chunk.end]))


def collection_name(fingerprint: str, reader_set: int) -> str:
    """The Chroma collection of an embedder and a set of readers."""
    return f"v{sha256(fingerprint.encode()).hexdigest()[:16]}-r{reader_set}"


class Index:
    """The index in a data folder that this process holds. `close` it before the folder is let go.

    Raises DataFolderError, IndexDamaged when it does not open.
    """

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self.engine: Engine = open_database(folder / DATABASE, MIGRATIONS)
        self.embedder = embedder
        self._folder = folder
        self._vectors: VectorIndex | None = None
        self._opening = threading.Lock()
        self._writer = threading.Lock()

    @property
    def vectors(self) -> VectorIndex:
        """Chroma, opened at first use: what needs only SQLite does not pay for it."""
        with self._opening:
            if self._vectors is None:
                self._vectors = VectorIndex(self._folder / VECTORS)
            return self._vectors

    def collection(self, reader_set: int) -> str:
        """The Chroma collection of a set of readers, for the embedder that is set."""
        return collection_name(self.embedder.fingerprint, reader_set)

    def check_embedder(self, connection: Connection) -> None:
        """Raises IndexMismatch if the vectors were made by another embedder, or were not all made."""
        made_by = authority.get_state(connection, _EMBEDDER)
        if made_by == _REBUILDING:
            raise IndexMismatch("The indexes were being made anew and that broke off: run `kura repair` again.")
        if made_by not in (None, self.embedder.fingerprint):
            raise IndexMismatch(
                f"The index was made with the embedder {made_by}, but the settings name {self.embedder.fingerprint}:"
                " run `kura repair` to embed the stored documents again, or set the former embedder."
            )

    # --- writing ---

    def put(self, source_id: int, prepared: Sequence[Prepared]) -> None:
        """Make these documents live, each replacing its former version. All of them or, when killed, none."""
        with self._writer:
            vectors = self._embed(prepared)
            with writing(self.engine) as connection:
                self.check_embedder(connection)
                authority.set_state(connection, _EMBEDDER, self.embedder.fingerprint)
                authority.put_vectors(connection, self.embedder.fingerprint, vectors)
                written = [self._write(connection, source_id, one) for one in prepared]
                for one in written:
                    self._forget(connection, one.reader_set, one.keys)
            self._send(written, vectors)
            with writing(self.engine) as connection:
                for one in written:
                    self._go_live(connection, one)
            self._work_off_outbox()

    def set_readers(self, documents: Iterable[str], readers: Readers) -> None:
        """Give documents other readers, without touching text or vectors."""
        with self._writer:
            with writing(self.engine) as connection:
                target = authority.ensure_reader_set(connection, readers)
            for document_id in documents:
                self._move(document_id, target)
            self._work_off_outbox()

    def remove(self, documents: Sequence[str]) -> None:
        """Remove documents: gone from the very next search, and their text from the authority."""
        with self._writer:
            with writing(self.engine) as connection:
                for document_id in documents:
                    self._retire(connection, document_id)
                    connection.execute(text("DELETE FROM documents WHERE id = :id"), {"id": document_id})
            self._work_off_outbox()

    def tidy(self, *, purge: bool) -> None:
        """Finish what a killed process left, and with `purge` overwrite what was deleted, in the words and on the disk."""
        with self._writer:
            with writing(self.engine) as connection:
                rows = connection.execute(
                    text(
                        "SELECT v.id AS version, d.id AS document, d.reader_set_id AS readers FROM versions v"
                        " JOIN documents d ON d.id = v.document_id WHERE d.live_version_id IS NOT v.id"
                    )
                ).all()
                for row in rows:
                    self._drop_version(connection, row.version, row.readers)
                connection.execute(text("DELETE FROM documents WHERE live_version_id IS NULL"))
                authority.delete_unused_vectors(connection)
                if purge:
                    for reader_set in authority.reader_sets(connection):
                        words.purge(connection, reader_set)
            self._work_off_outbox()
            if purge:
                with self.engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def rebuild(self) -> int:
        """Make Chroma and FTS5 anew from the authority, for the embedder that is set; returns the number of chunks.

        Whatever the embedder has not embedded yet comes first: as long as that may fail, nothing is touched. Broken off
        later, the index says so until this is run again.
        """
        with self._writer:
            with reading(self.engine) as connection:
                statement = text("SELECT id FROM documents WHERE live_version_id IS NOT NULL ORDER BY id")
                live = [str(document_id) for document_id in connection.execute(statement).scalars()]
            for document_id in live:
                self._embed_stored(document_id)
            with writing(self.engine) as connection:
                authority.set_state(connection, _EMBEDDER, _REBUILDING)
                connection.execute(text("DELETE FROM outbox"))
                for reader_set in authority.reader_sets(connection):
                    words.drop(connection, reader_set)
                    words.create(connection, reader_set)
            for name in self.vectors.collections():
                self.vectors.drop(name)
            count = sum(self._rebuild_document(document_id) for document_id in live)
            with writing(self.engine) as connection:
                authority.set_state(connection, _EMBEDDER, self.embedder.fingerprint)
                connection.execute(
                    text("DELETE FROM vectors WHERE fingerprint != :f"), {"f": self.embedder.fingerprint}
                )
            return count

    def close(self) -> None:
        """Let go of SQLite and Chroma."""
        with self._opening:
            if self._vectors is not None:
                self._vectors.close()
                self._vectors = None
        self.engine.dispose()

    # --- the steps ---

    def _embed(self, prepared: Sequence[Prepared]) -> dict[str, Vectors]:
        """The vector of each embedded text, by its hash; only what was never embedded costs anything."""
        texts: dict[str, str] = {}
        for one in prepared:
            for chunk in one.chunks:
                whole = embedded_text(one.document, chunk)
                texts[_digest(whole)] = whole
        with reading(self.engine) as connection:
            vectors = authority.vectors(connection, self.embedder.fingerprint, texts)
        missing = [digest for digest in texts if digest not in vectors]
        if missing:
            made = as_vectors(self.embedder.embed_documents([texts[digest] for digest in missing]))
            vectors.update(zip(missing, made, strict=True))
        return vectors

    def _write(self, connection: Connection, source_id: int, one: Prepared) -> _Written:
        document_id = authority.document_id(source_id, one.item)
        reader_set = authority.ensure_reader_set(connection, one.readers)
        version_id = authority.add_version(
            connection,
            source_id=source_id,
            document=one.document,
            document_id=document_id,
            item=one.item,
            address=one.address,
            reader_set=reader_set,
            content_sha256=one.content_sha256,
            recipe=one.recipe,
        )
        digests = [_digest(embedded_text(one.document, chunk)) for chunk in one.chunks]
        keys = authority.add_chunks(connection, document_id, version_id, one.chunks, digests)
        return _Written(document_id, version_id, reader_set, keys, digests, one)

    def _send(self, written: Sequence[_Written], vectors: dict[str, Vectors]) -> None:
        """Vectors to Chroma, and read back."""
        by_set: dict[int, list[_Written]] = defaultdict(list)
        for one in written:
            by_set[one.reader_set].append(one)
        for reader_set, group in by_set.items():
            keys = [key for one in group for key in one.keys]
            rows = [vectors[digest] for one in group for digest in one.digests]
            if not keys:
                continue
            name = self.collection(reader_set)
            self.vectors.upsert(name, keys, np.stack(rows))
            if missing := len(set(keys) - self.vectors.present(name, keys)):
                raise IndexDamaged(
                    f"The vector index lost {missing} of {len(keys)} chunks just written: run `kura repair`."
                )

    def _go_live(self, connection: Connection, one: _Written) -> None:
        self._retire(connection, one.document_id)
        connection.execute(
            text("UPDATE documents SET live_version_id = :v, reader_set_id = :s, address = :a WHERE id = :d"),
            {"v": one.version_id, "s": one.reader_set, "a": one.prepared.address, "d": one.document_id},
        )
        self._keep(connection, one.reader_set, one.keys)
        ids = [id_ for id_, _ in authority.chunk_ids(connection, one.version_id)]
        words.insert(connection, one.reader_set, word_rows(ids, one.prepared.document, one.prepared.chunks))

    def _retire(self, connection: Connection, document_id: str) -> None:
        """Take a document's live version out of words and authority, and note it for Chroma."""
        row = connection.execute(
            text("SELECT live_version_id AS version, reader_set_id AS readers FROM documents WHERE id = :id"),
            {"id": document_id},
        ).first()
        if row is None or row.version is None:
            return
        connection.execute(text("UPDATE documents SET live_version_id = NULL WHERE id = :id"), {"id": document_id})
        self._drop_version(connection, row.version, row.readers)

    def _drop_version(self, connection: Connection, version_id: int, reader_set: int) -> None:
        chunks = authority.chunk_ids(connection, version_id)
        words.delete(connection, reader_set, [id_ for id_, _ in chunks])
        self._forget(connection, reader_set, [key for _, key in chunks])
        authority.delete_version(connection, version_id)

    def _written_collection(self, connection: Connection, reader_set: int) -> str:
        """The Chroma collection that was written, by whichever embedder: to change it, none needs to be there."""
        made_by = authority.get_state(connection, _EMBEDDER) or self.embedder.fingerprint
        return collection_name(made_by, reader_set)

    def _forget(self, connection: Connection, reader_set: int, keys: Sequence[str]) -> None:
        values = [{"collection": self._written_collection(connection, reader_set), "key": key} for key in keys]
        if values:
            connection.execute(text("INSERT INTO outbox (collection, chunk_key) VALUES (:collection, :key)"), values)

    def _keep(self, connection: Connection, reader_set: int, keys: Sequence[str]) -> None:
        values = [{"collection": self._written_collection(connection, reader_set), "key": key} for key in keys]
        if values:
            connection.execute(text("DELETE FROM outbox WHERE chunk_key = :key AND collection = :collection"), values)

    def _move(self, document_id: str, target: int) -> None:
        with reading(self.engine) as connection:
            row = connection.execute(
                text("SELECT live_version_id AS version, reader_set_id AS readers FROM documents WHERE id = :id"),
                {"id": document_id},
            ).first()
            if row is None or row.version is None or row.readers == target:
                return
            chunks = authority.chunk_ids(connection, row.version)
            made_by = authority.get_state(connection, _EMBEDDER) or ""
            name = self._written_collection(connection, target)
            vectors = authority.chunk_vectors(connection, made_by, row.version)
        with writing(self.engine) as connection:
            self._forget(connection, target, list(vectors))
        if vectors:
            self.vectors.upsert(name, list(vectors), np.stack(list(vectors.values())))
        with writing(self.engine) as connection:
            self._keep(connection, target, list(vectors))
            connection.execute(
                text("UPDATE documents SET reader_set_id = :s WHERE id = :id"), {"s": target, "id": document_id}
            )
            words.move(connection, [id_ for id_, _ in chunks], row.readers, target)
            self._forget(connection, row.readers, [key for _, key in chunks])

    def _work_off_outbox(self) -> None:
        with reading(self.engine) as connection:
            rows = connection.execute(text("SELECT id, collection, chunk_key FROM outbox")).all()
        by_collection: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            by_collection[row.collection].add(row.chunk_key)
        for name, keys in by_collection.items():
            self.vectors.delete(name, sorted(keys))
        if rows:
            with writing(self.engine) as connection:
                connection.execute(text("DELETE FROM outbox WHERE id <= :last"), {"last": rows[-1].id})

    def _embed_stored(self, document_id: str) -> None:
        """Embed what the embedder that is set has not embedded of a live document."""
        with reading(self.engine) as connection:
            version_id, _ = self._live(connection, document_id)
            document, chunks = authority.stored_version(connection, version_id)
            texts = {_digest(whole): whole for whole in (embedded_text(document, chunk) for chunk in chunks)}
            known = authority.vectors(connection, self.embedder.fingerprint, texts)
        missing = [digest for digest in texts if digest not in known]
        if missing:
            made = as_vectors(self.embedder.embed_documents([texts[digest] for digest in missing]))
            with writing(self.engine) as connection:
                authority.put_vectors(connection, self.embedder.fingerprint, dict(zip(missing, made, strict=True)))

    def _rebuild_document(self, document_id: str) -> int:
        with reading(self.engine) as connection:
            version_id, reader_set = self._live(connection, document_id)
            document, chunks = authority.stored_version(connection, version_id)
            ids = [id_ for id_, _ in authority.chunk_ids(connection, version_id)]
            vectors = authority.chunk_vectors(connection, self.embedder.fingerprint, version_id)
        if vectors:
            self.vectors.upsert(self.collection(reader_set), list(vectors), np.stack(list(vectors.values())))
        with writing(self.engine) as connection:
            words.insert(connection, reader_set, word_rows(ids, document, chunks))
        return len(chunks)

    @staticmethod
    def _live(connection: Connection, document_id: str) -> tuple[int, int]:
        """The live version and the set of readers of a document."""
        statement = text("SELECT live_version_id AS version, reader_set_id AS readers FROM documents WHERE id = :id")
        row = connection.execute(statement, {"id": document_id}).one()
        return row.version, row.readers


def word_rows(ids: Sequence[int], document: Document, chunks: Sequence[Chunk]) -> list[words.WordRow]:
    """The terms of each chunk, by field."""
    title = terms(document.title)
    return [
        words.WordRow(id_, title, terms("\n".join(chunk.heading)), terms(document.text[chunk.start : chunk.end]))
        for id_, chunk in zip(ids, chunks, strict=True)
    ]


def _digest(whole: str) -> str:
    return sha256(whole.encode()).hexdigest()
