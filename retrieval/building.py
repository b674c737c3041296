"""Makes generations of the index beside the one that answers, lets another one answer, and drops them.

A generation is filled from the authority (`catch_up`), after documents that another recipe makes anew were put into it by
whoever reads sources. It answers only once it holds every document that the one before held: the flip is one transaction.
What changes or goes in the meantime goes from every generation at once, so that going back never brings back the past.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from retrieval import authority, cloze, generations, outbox, purging, words
from retrieval.database import reading, sql, writing
from retrieval.errors import NotFound, RetrievalError
from retrieval.generations import Generation
from retrieval.index import Index
from retrieval.prepared import digest, embedded_text
from retrieval.terms import ChunkWords, chunk_words

BATCH_CHUNKS = 512
"""Chunks taken into a generation at once: enough that transactions and calls of Chroma cost little beside them."""
_DECLINED = "declined"
"""What was set when somebody went back to another generation."""

Progress = Callable[[int, int], None]
"""Told how many documents are done, of how many."""
MayAnswer = Callable[[Generation], None]
"""Raises what stands against a generation that is whole and about to answer."""


@dataclass(frozen=True, slots=True)
class _Answering:
    """A document as it is in the generation that answers; its embedded texts, each behind its hash."""

    document_id: str
    version_id: int
    reader_set: int
    keys: list[str]
    texts: list[tuple[str, str]]
    words: Sequence[ChunkWords]


class Builder:
    """Works on the generations of an index. One thread at a time."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def wanted(self) -> bool:
        """Whether the settings want another embedder or recipe than the generation that answers has.

        Not after somebody went back from just that (`switch`): it is theirs to change the settings, or to go there again.
        """
        with reading(self._index.engine) as connection:
            found = generations.current(connection)
            declined = authority.get_state(connection, _DECLINED)
        if found is None or declined == self._set():
            return False
        return (found.fingerprint, found.recipe) != (self._index.embedder.fingerprint, self._index.recipe)

    def answering(self) -> int:
        """The number of the generation that answers; 0 before anything was ingested."""
        with reading(self._index.engine) as connection:
            found = generations.current(connection)
        return found.id if found else 0

    def begin(self) -> Generation:
        """A generation for the embedder and recipe that are set: one that was begun or left before, or a new one."""
        index = self._index
        with index.writer, writing(index.engine) as connection:
            for one in generations.every(connection):
                same = (one.fingerprint, one.recipe) == (index.embedder.fingerprint, index.recipe)
                if same and one != generations.current(connection):
                    return one
            return generations.add(
                connection, fingerprint=index.embedder.fingerprint, recipe=index.recipe, embedder=index.spec
            )

    def catch_up(
        self,
        generation: Generation,
        on_progress: Progress = lambda _done, _total: None,
        *,
        measuring: Callable[[str], None] = lambda _language: None,
    ) -> int:
        """Take into a generation whatever the answering one holds and it lacks; returns the number of documents.

        What the embedder has not embedded yet is embedded. Broken off, it goes on where it was. Then it is measured how far
        the embedder is to be trusted, where that is due, after `measuring` was told of the language.
        """
        with self._index.writer:
            with reading(self._index.engine) as connection:
                current = generations.current(connection)
                lacking = generations.behind(connection, generation, current) if current else []
            done = 0
            for batch in self._batches(lacking):
                on_progress(done, len(lacking))
                self._adopt(generation, batch)
                done += len(batch)
            on_progress(done, len(lacking))
            cloze.measure(self._index, generation, measuring)
            return done

    def flip(self, generation: Generation) -> None:
        """Let a generation answer. Raises RetrievalError if it lacks a document that the answering one has."""
        index = self._index
        with index.writer, writing(index.engine) as connection:
            current = generations.current(connection)
            if current is not None and (lacking := generations.behind(connection, generation, current)):
                raise RetrievalError(
                    f"Generation {generation.id} lacks {len(lacking)} documents and was not switched to: run `kura ingest`."
                )
            generations.make_current(connection, generation)
            authority.set_state(connection, _DECLINED, "")

    def switch(
        self,
        number: int,
        on_progress: Progress = lambda _done, _total: None,
        *,
        may_answer: MayAnswer = lambda _: None,
    ) -> Generation:
        """Go to another generation: bring it up to date, then flip. Raises NotFound, IndexMismatch; what `may_answer` raises."""
        chosen = self._named(number)
        self.catch_up(chosen, on_progress)
        may_answer(chosen)
        self.flip(chosen)
        if (chosen.fingerprint, chosen.recipe) != (self._index.embedder.fingerprint, self._index.recipe):
            with self._index.writer, writing(self._index.engine) as connection:
                authority.set_state(connection, _DECLINED, self._set())
        return chosen

    def drop_but(self, *kept: int) -> None:
        """Drop every generation whose number is not among these, and that does not answer."""
        with reading(self._index.engine) as connection:
            current = generations.current(connection)
            every = generations.every(connection)
        for one in every:
            if one.id not in kept and one != current:
                self.drop(one.id)

    def drop_abandoned(self) -> None:
        """Drop generations that were begun, never answered, and are not what is set now."""
        wanted = (self._index.embedder.fingerprint, self._index.recipe)
        with reading(self._index.engine) as connection:
            current = generations.current(connection)
            begun = [one for one in generations.every(connection) if not one.ready and one != current]
        for one in begun:
            if (one.fingerprint, one.recipe) != wanted:
                self.drop(one.id)

    def drop(self, number: int) -> None:
        """Remove a generation that does not answer, with its words and vectors. Raises NotFound, RetrievalError."""
        index = self._index
        chosen = self._named(number)
        with index.writer:
            with writing(index.engine) as connection:
                if generations.current(connection) == chosen:
                    raise RetrievalError(f"Generation {number} answers: switch to another before it is dropped.")
                for table in words.tables(connection, chosen.id):
                    words.drop(connection, table)
                generations.delete(connection, chosen)
                purging.mark(connection)
                kept = {one.fingerprint for one in generations.every(connection)} | {index.embedder.fingerprint}
                for fingerprint in authority.vector_fingerprints(connection) - kept:
                    connection.execute(sql("DELETE FROM vectors WHERE fingerprint = :f"), {"f": fingerprint})
            index.tidy(purge=False)  # versions that only this one had, and what is marked is overwritten
            self.sweep()

    def sweep(self) -> None:
        """Remove the Chroma collections of no generation: of dropped ones, and of a process killed between two steps."""
        with reading(self._index.engine) as connection:
            prefixes = tuple(f"{one.collections}-r" for one in generations.every(connection))
        for name in self._index.vectors.collections():
            if not name.startswith(prefixes or ("\0",)):
                self._index.vectors.drop(name)

    def rebuild(self, may_answer: MayAnswer = lambda _: None) -> int:
        """Make words and vectors anew from the authority, for the embedder that is set; returns the number of chunks.

        It is a new generation that takes the place of the former one, which answers until then. What `may_answer` raises is
        raised here, and the new one is gone.
        """
        with self._index.writer:
            with reading(self._index.engine) as connection:
                former = generations.current(connection)
            if former is None:
                return 0
            with writing(self._index.engine) as connection:
                # the texts are not made anew, so the recipe stays what it was
                made = generations.add(
                    connection,
                    fingerprint=self._index.embedder.fingerprint,
                    recipe=former.recipe,
                    embedder=self._index.spec,
                )
            self.catch_up(made)
            try:
                may_answer(made)
            except BaseException:
                self.drop(made.id)
                raise
            self.flip(made)
            self.drop(former.id)
            with reading(self._index.engine) as connection:
                return generations.counts(connection, made)[1]

    def _set(self) -> str:
        """What the settings want, as one text."""
        return json.dumps([self._index.embedder.fingerprint, self._index.recipe])

    def _named(self, number: int) -> Generation:
        with reading(self._index.engine) as connection:
            every = generations.every(connection)
        for one in every:
            if one.id == number:
                return one
        known = ", ".join(str(one.id) for one in every) or "none"
        raise NotFound(f"There is no generation {number}: `kura index list` shows them ({known}).")

    def _batches(self, documents: Sequence[str]) -> Iterator[list[_Answering]]:
        """Documents as they answer, of about `BATCH_CHUNKS` chunks together."""
        batch: list[_Answering] = []
        for document_id in documents:
            with reading(self._index.engine) as connection:
                current = generations.current(connection)
                lives = generations.lives(connection, document_id)
                version_id = next(live.version_id for live in lives if live.generation == current)
                document, chunks = authority.stored_version(connection, version_id)
                keys = [key for _, key in authority.chunk_ids(connection, version_id)]
                reader_set = authority.reader_sets_of(connection, [document_id])[document_id]
            texts = [(digest(whole), whole) for whole in (embedded_text(document, chunk) for chunk in chunks)]
            batch.append(_Answering(document_id, version_id, reader_set, keys, texts, chunk_words(document, chunks)))
            if sum(len(one.keys) for one in batch) >= BATCH_CHUNKS:
                yield batch
                batch = []
        if batch:
            yield batch

    def _adopt(self, generation: Generation, batch: Sequence[_Answering]) -> None:
        """Make the answering versions of documents live in another generation too."""
        index = self._index
        texts = dict(named for one in batch for named in one.texts)
        vectors, new = index.embed_new(generation, texts)
        groups: dict[int, list[_Answering]] = defaultdict(list)
        for one in batch:
            groups[one.reader_set].append(one)
        keys = {reader_set: [key for one in group for key in one.keys] for reader_set, group in groups.items()}
        with writing(index.engine) as connection:
            authority.put_vectors(connection, generation.fingerprint, {one: vectors[one] for one in new})
            for reader_set in groups:
                outbox.forget(connection, generation.collection(reader_set), keys[reader_set])
        for reader_set, group in groups.items():
            rows = [vectors[name] for one in group for name, _ in one.texts]
            index.send(generation.collection(reader_set), keys[reader_set], rows)
        with writing(index.engine) as connection:
            for reader_set, group in groups.items():
                outbox.keep(connection, generation.collection(reader_set), keys[reader_set])
                generations.point(connection, generation, {one.document_id: one.version_id for one in group})
                index.add_words(connection, generation, reader_set, [(one.version_id, one.words) for one in group])
