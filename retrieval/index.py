"""Writes to the index: documents become live, are replaced, re-permitted and removed; Chroma and FTS5 follow the authority.

The order of every change, so that a process killed anywhere leaves nothing a later one cannot finish:

1. one transaction writes versions, chunks and vectors that are not live yet;
2. their vectors go to Chroma and are read back;
3. one transaction flips the live versions, moves the words, drops the old text, and notes the old keys in the outbox,
   the list of what Chroma must forget;
4. the outbox is worked off, and what was to be forgotten is read back as gone.

A version that nothing points to is what a killed run left; `tidy` takes it back. A search sees the old version or the new
one, never a mix, because it keeps only what is live in its snapshot. All this happens in one generation of the index, the
one that answers unless another is named (`retrieval/building.py` makes those). Knows nothing of sources or files; one
thread writes at a time.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine

from models.embedders import Embedder
from retrieval import authority, generations, outbox, purging, words
from retrieval.access import Readers
from retrieval.chroma import VectorIndex
from retrieval.courtesy import Courtesy
from retrieval.database import open_database, reading, sql, writing
from retrieval.errors import IndexDamaged, IndexMismatch
from retrieval.generations import Generation
from retrieval.prepared import Embedded, Prepared, digest, embedded_text, texts_of
from retrieval.probing import open_vectors
from retrieval.terms import ChunkWords
from retrieval.vectors import Vectors, as_vectors, stacked
from retrieval.words import WordTable

MIGRATIONS = Path(__file__).parent / "migrations"
DATABASE = "documents.db"
VECTORS = "chroma"
VersionWords = tuple[int, Sequence[ChunkWords]]
"""A version by its id, and the words of its chunks."""
_EMBEDDED_AT_ONCE = 64
"""Texts between two looks whether somebody searches."""
_SENT_BESIDE_SEARCHES = 128
"""Vectors that Chroma takes into its graph at once while somebody searches, who waits for it: some 40 ms. All at once takes
less than half the time in all."""
_MOVED_AT_ONCE = 256
"""Documents given other readers in one go."""


@dataclass(frozen=True, slots=True)
class Put:
    """What a `put` cost: texts embedded (the others were known), seconds spent on them and on writing."""

    embedded: int
    embedding: float
    writing: float


@dataclass(frozen=True, slots=True)
class _Written:
    document_id: str
    version_id: int
    reader_set: int
    keys: list[str]
    digests: list[str]
    prepared: Prepared


def _by_readers(written: Sequence[_Written]) -> dict[int, list[_Written]]:
    groups: dict[int, list[_Written]] = defaultdict(list)
    for one in written:
        groups[one.reader_set].append(one)
    return groups


class Index:
    """The index in a data folder that this process holds. `close` it before the folder is let go.

    `embedder` and `recipe` are what the settings want; `spec` is what `reopen` makes that embedder from again, when the
    settings want another one and this one's generation still answers.
    Raises DataFolderError, IndexDamaged when it does not open.
    """

    def __init__(
        self,
        folder: Path,
        embedder: Embedder,
        *,
        recipe: str = "",
        spec: str = "",
        reopen: Callable[[str], Embedder] | None = None,
    ) -> None:
        self.engine: Engine = open_database(folder / DATABASE, MIGRATIONS)
        self.embedder = embedder
        self.recipe = recipe
        self.spec = spec
        self.writer = threading.RLock()
        self.courtesy = Courtesy()
        self._folder = folder
        self._reopen = reopen
        self._reopened: dict[int, Embedder] = {}
        self._vectors: VectorIndex | None = None
        self._opening = threading.Lock()

    @property
    def vectors(self) -> VectorIndex:
        """Chroma, opened at first use: what needs only SQLite does not pay for it."""
        with self._opening:
            if self._vectors is None:
                self._vectors = open_vectors(self._folder / VECTORS, self.engine)
            return self._vectors

    def embedder_of(self, generation: Generation) -> Embedder:
        """The embedder a generation was made with, opened again if the settings name another.

        Raises IndexMismatch if it cannot be had.
        """
        if generation.fingerprint == self.embedder.fingerprint:
            return self.embedder
        with self._opening:
            made = self._reopened.get(generation.id)
            if made is None and self._reopen is not None and generation.embedder:
                made = self._reopen(generation.embedder)
                self._reopened[generation.id] = made
        if made is None or made.fingerprint != generation.fingerprint:
            raise IndexMismatch(
                f"The index was made with the embedder {generation.fingerprint or 'of a rebuild that broke off'}, and the"
                f" settings name {self.embedder.fingerprint}: run `kura repair` to embed the stored documents again, or set"
                " the former embedder."
            )
        return made

    def answering(self, connection: Connection) -> Generation | None:
        """The generation that answers; None before anything was ingested. Raises IndexMismatch if it is not whole."""
        found = generations.current(connection)
        if found is not None and not found.ready:
            raise IndexMismatch("The indexes were being made anew and that broke off: run `kura repair` again.")
        return found

    # --- writing ---

    def embed(self, prepared: Sequence[Prepared], *, generation: Generation | None = None) -> Embedded:
        """The vectors of documents for a `put`, so that the next ones can be embedded while one batch is written.

        Only texts without a stored vector cost anything. Without a `generation` they are for the one that answers.
        """
        started = time.perf_counter()
        target = generation or self._answering_or_first()
        vectors, new = self.embed_new(target, texts_of(prepared))
        return Embedded(target.fingerprint, vectors, len(new), time.perf_counter() - started)

    def put(
        self,
        source_id: int,
        prepared: Sequence[Prepared],
        *,
        embedded: Embedded | None = None,
        generation: Generation | None = None,
        instead_of: Sequence[str] = (),
    ) -> Put:
        """Make these documents live, each replacing its former version. All of them or, when killed, none.

        Without a `generation` it is the one that answers; every other one then loses what was replaced. With one, a
        document that is there keeps its address and readers, which are those of every generation. The documents
        `instead_of` which these come (they moved) go in the same moment.
        """
        with self.writer:
            target = generation or self._answering_or_first()
            if embedded is None or embedded.fingerprint != target.fingerprint:
                embedded = self.embed(prepared, generation=target)
            started = time.perf_counter()
            self.courtesy.give_way()  # not within a transaction, which others may wait for
            with writing(self.engine) as connection:
                authority.put_vectors(connection, target.fingerprint, embedded.vectors)
                written = self._write(connection, source_id, prepared, everywhere=generation is None)
            self._send(target, written, embedded.vectors)
            self.courtesy.give_way()
            with writing(self.engine) as connection:
                for document_id in instead_of:
                    purging.delete_document(connection, document_id)
                self._go_live(connection, target, written, everywhere=generation is None)
            self.work_off_outbox()
            return Put(embedded.new, embedded.seconds, time.perf_counter() - started)

    def set_readers(self, documents: Iterable[str], readers: Readers) -> None:
        """Give documents other readers, without touching text or vectors; those that are gone are passed over."""
        with self.writer:
            with writing(self.engine) as connection:
                target = authority.ensure_reader_set(connection, readers)
            moving = list(documents)
            for at in range(0, len(moving), _MOVED_AT_ONCE):
                self._move(moving[at : at + _MOVED_AT_ONCE], target)
                self.work_off_outbox()

    def remove(self, documents: Sequence[str]) -> None:
        """Remove documents: gone from the very next search, and their text from the authority."""
        with self.writer:
            with writing(self.engine) as connection:
                for document_id in documents:
                    purging.delete_document(connection, document_id)
            self.work_off_outbox()

    def tidy(self, *, purge: bool, vectors: bool = True) -> None:
        """Finish what a killed process left, and overwrite what was deleted since this was done last.

        With `purge` what was moved aside of Chroma goes even if nothing was deleted. Without `vectors` those of texts that
        are not stored any more stay for what comes next, which may hold the same texts. See `retrieval/purging.py`.
        """
        with self.writer:
            with writing(self.engine) as connection:
                purging.take_back_left(connection, vectors=vectors)
                if purge:
                    purging.mark(connection)
                due = purging.due(connection)
            self.work_off_outbox()
            if due:
                purging.purge(self.engine, self._folder / VECTORS)

    def close(self) -> None:
        """Let go of SQLite and Chroma."""
        with self._opening:
            if self._vectors is not None:
                self._vectors.close()
                self._vectors = None
            for made in self._reopened.values():
                if callable(close := getattr(made, "close", None)):
                    close()
            self._reopened.clear()
        self.engine.dispose()

    # --- the steps ---

    def work_off_outbox(self) -> None:
        """See `retrieval/outbox.py`."""
        outbox.work_off(self.engine, lambda: self.vectors)

    def _answering_or_first(self) -> Generation:
        with reading(self.engine) as connection:
            found = self.answering(connection)
        if found is not None:
            return found
        with self.writer, writing(self.engine) as connection:
            found = self.answering(connection)
            if found is None:
                found = generations.add(
                    connection, fingerprint=self.embedder.fingerprint, recipe=self.recipe, embedder=self.spec
                )
                generations.make_current(connection, found)
        return found

    def embed_new(self, target: Generation, texts: dict[str, str]) -> tuple[dict[str, Vectors], list[str]]:
        """The vectors of texts by their hash, from what is stored where that can be, and which are new; stores nothing."""
        with reading(self.engine) as connection:
            vectors = authority.vectors(connection, target.fingerprint, texts)
        missing = [one for one in texts if one not in vectors]
        for at in range(0, len(missing), _EMBEDDED_AT_ONCE):
            self.courtesy.give_way()
            some = missing[at : at + _EMBEDDED_AT_ONCE]
            made = as_vectors(self.embedder_of(target).embed_documents([texts[one] for one in some]))
            vectors.update(zip(some, made, strict=True))
        return vectors, missing

    def _write(
        self, connection: Connection, source_id: int, prepared: Sequence[Prepared], *, everywhere: bool
    ) -> list[_Written]:
        """Versions that are not live yet."""
        sets = {one.readers: authority.ensure_reader_set(connection, one.readers) for one in prepared}
        ids = [authority.document_id(source_id, one.item) for one in prepared]
        kept = {} if everywhere else authority.reader_sets_of(connection, ids)
        named = [(id_, kept.get(id_, sets[one.readers]), one) for id_, one in zip(ids, prepared, strict=True)]
        authority.add_documents(
            connection, ((id_, source_id, one.item, one.address, reader_set) for id_, reader_set, one in named)
        )
        written: list[_Written] = []
        for document_id, reader_set, one in named:
            version_id = authority.add_version(
                connection,
                document_id,
                one.document,
                content_sha256=one.content_sha256,
                recipe=one.recipe,
                source_version=one.source_version,
            )
            keys = [authority.chunk_key(document_id, version_id, ordinal) for ordinal in range(len(one.chunks))]
            digests = [digest(embedded_text(one.document, chunk)) for chunk in one.chunks]
            written.append(_Written(document_id, version_id, reader_set, keys, digests, one))
        authority.add_chunks(
            connection,
            ((one.version_id, [*zip(one.keys, one.prepared.chunks, one.digests, strict=True)]) for one in written),
        )
        return written

    def _send(self, target: Generation, written: Sequence[_Written], vectors: Mapping[str, Vectors]) -> None:
        for reader_set, group in _by_readers(written).items():
            keys = [key for one in group for key in one.keys]
            self.send(target.collection(reader_set), keys, [vectors[name] for one in group for name in one.digests])

    def send(self, collection: str, keys: Sequence[str], rows: Sequence[Vectors]) -> None:
        """Vectors to Chroma, and read back. Raises IndexDamaged if one is not there afterwards."""
        if not keys:
            return
        size = _SENT_BESIDE_SEARCHES if self.courtesy.expected else len(keys)
        for at in range(0, len(keys), size):
            self.courtesy.give_way()
            self.vectors.upsert(collection, keys[at : at + size], stacked(rows[at : at + size]))
        if missing := len(set(keys) - self.vectors.present(collection, keys)):
            raise IndexDamaged(
                f"The vector index lost {missing} of {len(keys)} chunks just written: run `kura repair`."
            )

    def _go_live(
        self, connection: Connection, target: Generation, written: Sequence[_Written], *, everywhere: bool
    ) -> None:
        lives = generations.lives_of(connection, [one.document_id for one in written])
        for document_id, former in lives.items():
            purging.retire(connection, document_id, [one for one in former if everywhere or one.generation == target])
        found_at = [
            {"s": one.reader_set, "a": one.prepared.address, "d": one.document_id}
            for one in written
            if everywhere or not lives[one.document_id]
        ]
        if found_at:
            connection.execute(sql("UPDATE documents SET reader_set_id = :s, address = :a WHERE id = :d"), found_at)
        generations.point(connection, target, {one.document_id: one.version_id for one in written})
        for reader_set, group in _by_readers(written).items():
            self.add_words(connection, target, reader_set, [(one.version_id, one.prepared.words) for one in group])

    def add_words(
        self, connection: Connection, target: Generation, reader_set: int, versions: Sequence[VersionWords]
    ) -> None:
        """The words of versions that go live in a generation."""
        table = WordTable(target.id, reader_set)
        words.ensure(connection, table)
        ids = authority.chunk_ids_of(connection, [version_id for version_id, _ in versions])
        rows: list[tuple[int, ChunkWords]] = []
        for version_id, terms in versions:
            rows += zip([id_ for id_, _ in ids[version_id]], terms, strict=True)
        words.insert(connection, table, rows)

    def _move(self, documents: Sequence[str], target: int) -> None:
        """Give documents a set of readers: copies of their vectors first, then one transaction."""
        with reading(self.engine) as connection:
            moving = [
                (document_id, origin, generations.lives(connection, document_id))
                for document_id, origin in authority.reader_sets_of(connection, documents).items()
                if origin != target
            ]
            vectors: dict[str, dict[str, Vectors]] = defaultdict(dict)  # by target collection, by key
            for _, _, lives in moving:
                for live in lives:
                    stored = authority.chunk_vectors(connection, live.generation.fingerprint, live.version_id)
                    vectors[live.generation.collection(target)].update(stored)
        with writing(self.engine) as connection:
            for name, stored in vectors.items():
                outbox.forget(connection, name, list(stored))
        for name, stored in vectors.items():
            self.send(name, list(stored), list(stored.values()))
        with writing(self.engine) as connection:
            for name, stored in vectors.items():
                outbox.keep(connection, name, list(stored))
            for document_id, origin, lives in moving:
                for live in lives:
                    chunks = authority.chunk_ids(connection, live.version_id)
                    table = WordTable(live.generation.id, target)
                    words.ensure(connection, table)
                    former = WordTable(live.generation.id, origin)
                    words.move(connection, [id_ for id_, _ in chunks], former, table)
                    purging.mark(connection, former)
                    outbox.forget(connection, live.generation.collection(origin), [key for _, key in chunks])
                connection.execute(
                    sql("UPDATE documents SET reader_set_id = :s WHERE id = :id"), {"s": target, "id": document_id}
                )
