"""One snapshot of what a principal may read, for one question: candidates from both sides, one order, their texts.

Only the word tables and Chroma collections that the principal may read are opened; counts and rarities come from those
alone, so that what may not be seen changes nothing, not even a score. Terms and a vector come in: it knows no question and
no embedder, nor what is made of the hits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from heapq import nlargest
from itertools import chain
from operator import itemgetter
from statistics import fmean

from sqlalchemy import Connection

from retrieval import passages, words
from retrieval.access import Principal, Readers
from retrieval.authority import ReaderSets
from retrieval.chroma import VectorIndex
from retrieval.database import Part
from retrieval.documents import Around, Hit
from retrieval.filters import NO_FILTERS, Filters
from retrieval.folding import fold
from retrieval.generations import Generation
from retrieval.passages import StoredChunk
from retrieval.preference import weighed
from retrieval.ranking import Statistics, fuse, score
from retrieval.reading import LITERAL, Reading
from retrieval.vectors import Vectors
from retrieval.words import WordRow, WordTable

WORD_CANDIDATES = 200
"""Chunks that each word table hands to the ranking."""
VECTOR_CANDIDATES = 50
"""Chunks that each Chroma collection hands to the ranking, before those are dropped that are not live."""
MOST_ROUNDS = 5
"""How often as many hits as are wanted are read again, where they are copies of better ones."""
Worth = Callable[[str, date | None], float]
"""The factor (> 0) of a chunk's score, by its source and its document's day."""
FEW = 500
"""Up to so many chunks that fit a filter are compared one by one: cheaper than to ask for neighbours until they are found."""
GROWTH = 4
"""How many times more neighbours are asked for when too few of them fit a filter."""


class Snapshot:
    """What `principal` may read of a generation, as one read transaction (`connection`) sees it.

    The documents `without` (ids) are as if not there. Every text counts as `reads` reads it. With `filters` only what fits
    them is found, while counts and rarities stay those of all that may be read.
    """

    def __init__(
        self,
        connection: Connection,
        vectors: VectorIndex,
        generation: Generation,
        *,
        principal: Principal,
        without: Collection[str] = (),
        reads: Reading = LITERAL,
        filters: Filters = NO_FILTERS,
    ) -> None:
        self._connection = connection
        self._vectors = vectors
        self._generation = generation
        self._reads = reads
        self._fits = passages.fits(connection, filters)
        self._readable = passages.readable(connection, principal=principal)
        self._tables = [table for table in words.tables(connection, generation.id) if table.readers in self._readable]
        self._hidden = passages.chunks_of(connection, without, generation=generation.id, readable=self._readable)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to search."""
        return not any(words.totals(self._connection, table).chunks for table in self._tables)

    def statistics(self, query: Sequence[str]) -> Statistics:
        """Counts over all that may be read, for the terms of a query."""
        totals = [words.totals(self._connection, table) for table in self._tables]
        unseen = [row for table in self._tables for row in self._rows(table, [*self._hidden.values()])]
        chunks = sum(one.chunks for one in totals) - len(unseen)
        frequencies: Counter[str] = Counter()
        for table in self._tables:
            frequencies.update(self._frequencies(table, query))
        asked = set(query)
        for row in unseen:
            read = self._read(row)
            frequencies.subtract(asked.intersection(chain(read.title, read.heading, read.body)))

        def mean(lengths: Iterable[int], lost: Iterable[int]) -> float:
            return (sum(lengths) - sum(lost)) / max(chunks, 1)

        return Statistics(
            chunks=chunks,
            mean_title=mean((one.title_terms for one in totals), (len(row.title) for row in unseen)),
            mean_heading=mean((one.heading_terms for one in totals), (len(row.heading) for row in unseen)),
            mean_body=mean((one.body_terms for one in totals), (len(row.body) for row in unseen)),
            frequencies=frequencies,
        )

    def vocabulary(self, beginning: str, shortest: int, longest: int) -> dict[str, int]:
        """The terms that begin with an ASCII letter and have so many characters, each with the number of chunks that hold
        it (> 0)."""
        found: Counter[str] = Counter()
        for table in self._tables:
            found.update(words.vocabulary(self._connection, table, beginning, shortest, longest))
            for row in self._rows(table, [*self._hidden.values()]):
                found.subtract({*row.title, *row.heading, *row.body})
        return {term: count for term, count in found.items() if count > 0}

    def hits(
        self,
        query: Sequence[str],
        vector: Vectors,
        statistics: Statistics,
        *,
        weight: float,
        k: int,
        worth: Worth | None = None,
    ) -> tuple[Hit, ...]:
        """The `k` best chunks, best first, for terms and a vector (shape (1, dimensions)); `weight` is that of the vectors.

        Near-duplicates are folded into the better one (`retrieval/folding.py`). `worth` says what the score of a chunk is
        multiplied by.
        """
        rows, near = self.candidates(query, vector, by_words=WORD_CANDIDATES)
        # 1. One order.
        if self._reads:
            rows, near = self._as_read(rows, near)
        by_words = {chunk: score(query, row, statistics) for chunk, row in rows.items()}
        order = fuse(by_words, near, weight=weight)
        if worth:
            order = self._weighed(order, worth)
        # 2. Their texts; where some say what better ones say, others come in their place.
        found: tuple[Hit, ...] = ()
        for at in range(0, min(len(order), MOST_ROUNDS * k), k):
            found = fold((*found, *self._with_texts(order[at : at + k], by_words, near)))
            if len(found) >= k:
                break
        return found[:k]

    def candidates(
        self, query: Sequence[str], vector: Vectors, *, by_words: int
    ) -> tuple[dict[int, WordRow], dict[int, float]]:
        """What is worth ordering, from both sides: words of chunks by internal id, and cosines of those that are near.

        `by_words` are those that each word table hands over.
        """
        passed_over = {*self._hidden.values()}
        among = self._fitting(self._readable) if self._fits.statement else None
        rows = {
            row.chunk: row
            for table in self._tables
            for row in words.candidates(
                self._connection,
                table,
                query,
                by_words + len(passed_over),
                self._reads.same,
                among=among,
            )
            if row.chunk not in passed_over
        }
        near = self._near_fitting(vector) if self._fits.statement else self._near(vector)
        missing = [chunk for chunk in near if chunk not in rows]
        rows |= {row.chunk: row for table in self._tables for row in self._rows(table, missing)}
        return rows, near

    def around(self, chunks: Sequence[str], reach: int) -> dict[str, Around]:
        """What stands around each of these chunks (ids of hits), `reach` characters to either side."""
        return passages.around(
            self._connection, generation=self._generation.id, readable=self._readable, keys=chunks, reach=reach
        )

    def _with_texts(
        self, scored: Sequence[tuple[int, float]], words: Mapping[int, float], near: Mapping[int, float]
    ) -> Iterator[Hit]:
        found = passages.chunks(
            self._connection, generation=self._generation.id, readable=self._readable, ids=[id_ for id_, _ in scored]
        )
        stored = {chunk.id: chunk for chunk in found}
        return (_hit(stored[id_], value, words[id_], near.get(id_)) for id_, value in scored if id_ in stored)

    def _weighed(self, order: Sequence[tuple[int, float]], worth: Worth) -> list[tuple[int, float]]:
        found = passages.origins(
            self._connection, generation=self._generation.id, readable=self._readable, ids=[id_ for id_, _ in order]
        )
        # a chunk that is not live any more has no origin, and is dropped when the texts are read
        scored = [(id_, weighed(value, worth(*found[id_]))) for id_, value in order if id_ in found]
        return sorted(scored, key=lambda one: -one[1])

    def _frequencies(self, table: WordTable, query: Sequence[str]) -> dict[str, int]:
        """In how many of a table's chunks each term stands, or is said in other words: never rarer than those."""
        found = words.frequencies(self._connection, table, query)
        for term in set(query):
            if sayings := self._reads.sayings(term):
                found[term] = words.holding(self._connection, table, [(term,), *sayings])
        return found

    def _as_read(self, rows: dict[int, WordRow], near: dict[int, float]) -> tuple[dict[int, WordRow], dict[int, float]]:
        """The rows as they read, and similarities that do not speak against what is said in other words: an embedder may
        not know them, least of all in another language. Such a chunk is as near as the others are on average."""
        read = {chunk: self._read(row) for chunk, row in rows.items()}
        usual = fmean(near.values()) if near else 0.0
        in_other_words = {
            chunk: max(usual, near.get(chunk, usual)) for chunk, row in read.items() if row != rows[chunk]
        }
        return read, near | in_other_words

    def _read(self, row: WordRow) -> WordRow:
        read = self._reads.read
        return WordRow(row.chunk, read(row.title), read(row.heading), read(row.body))

    def _rows(self, table: WordTable, chunks: Sequence[int]) -> list[WordRow]:
        return words.rows_of(self._connection, table, chunks)

    def _near(self, vector: Vectors) -> dict[int, float]:
        """Cosine similarity of the nearest live chunks, by internal id."""
        similarities: dict[str, float] = {}
        for reader_set in self._readable:
            found = self._vectors.query(
                self._generation.collection(reader_set), vector, VECTOR_CANDIDATES + len(self._hidden)
            )
            similarities |= [hit for hit in found if hit[0] not in self._hidden][:VECTOR_CANDIDATES]
        live = passages.chunk_numbers(
            self._connection, generation=self._generation.id, readable=self._readable, keys=list(similarities)
        )
        return {chunk: similarities[key] for key, chunk in live.items()}

    def _near_fitting(self, vector: Vectors) -> dict[int, float]:
        """The same of those that fit the filters, which Chroma knows nothing of: it holds vectors and keys alone."""
        similarities: dict[int, float] = {}
        for reader_set, readers in self._readable.items():
            among = self._fitting({reader_set: readers})
            few = passages.first_ids(self._connection, among, FEW + 1)
            if len(few) <= FEW:
                similarities |= self._compared(few, vector)
            else:
                similarities |= self._neighbours(reader_set, readers, vector)
        return similarities

    def _compared(self, chunks: Sequence[int], vector: Vectors) -> dict[int, float]:
        """The nearest of these chunks."""
        stored = passages.vectors_of(self._connection, self._generation.fingerprint, chunks)
        hidden = {*self._hidden.values()}
        cosines = {chunk: float(one @ vector[0]) for chunk, one in stored.items() if chunk not in hidden}
        return dict(nlargest(VECTOR_CANDIDATES, cosines.items(), key=itemgetter(1)))

    def _neighbours(self, reader_set: int, readers: Readers, vector: Vectors) -> dict[int, float]:
        """The nearest of one collection that fit: more and more are asked for, until there are enough or no more."""
        asked = GROWTH * VECTOR_CANDIDATES
        while True:
            found = dict(self._vectors.query(self._generation.collection(reader_set), vector, asked))
            fitting = passages.chunk_numbers(
                self._connection,
                generation=self._generation.id,
                readable={reader_set: readers},
                keys=[key for key in found if key not in self._hidden],
                fits=self._fits,
            )
            if len(fitting) >= VECTOR_CANDIDATES or len(found) < asked:
                nearest = [key for key in found if key in fitting][:VECTOR_CANDIDATES]
                return {fitting[key]: found[key] for key in nearest}
            asked *= GROWTH

    def _fitting(self, readable: ReaderSets) -> Part:
        return passages.fitting(generation=self._generation.id, readable=readable, fits=self._fits)


def _hit(chunk: StoredChunk, score: float, words: float, similarity: float | None) -> Hit:
    return Hit(
        document_id=chunk.document_id,
        chunk_id=chunk.key,
        title=chunk.title,
        heading=chunk.heading,
        address=chunk.address,
        language=chunk.language,
        line=chunk.line,
        page=chunk.page,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        score=score,
        words=words,
        similarity=similarity,
        source_kind=chunk.source_kind,
        source_version=chunk.source_version,
        source=chunk.source,
        dated=chunk.dated,
    )
