"""Hybrid search for one principal: words and vectors give candidates, one formula orders them, one snapshot holds them.

Only the word tables and Chroma collections that the principal may read are opened; counts and rarities come from those
alone, so that what may not be seen changes nothing, not even a score. Knows no front end and no model but the embedder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from retrieval import authority, words
from retrieval.access import Principal
from retrieval.authority import ReaderSets, StoredChunk, StoredDocument
from retrieval.chroma import Vectors, as_vectors
from retrieval.database import reading
from retrieval.documents import Hit
from retrieval.errors import NotFound
from retrieval.index import Index
from retrieval.language import language
from retrieval.ranking import Statistics, fuse, score, vector_weight
from retrieval.terms import content_terms

WORD_CANDIDATES = 200
"""Chunks that each word table hands to the ranking."""
VECTOR_CANDIDATES = 50
"""Chunks that each Chroma collection hands to the ranking, before those are dropped that are not live."""


@dataclass(frozen=True, slots=True)
class Found:
    """The hits of a search, best first. `rarity` weighs a term (≥ 0) by how few of the readable chunks hold it."""

    hits: tuple[Hit, ...]
    rarity: Callable[[str], float]


class Searcher:
    """Searches an index. Safe to use from several threads."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def search(self, text: str, *, principal: Principal, k: int) -> Found:
        """The `k` best chunks that the principal may read.

        Raises IndexMismatch if the index was made by another embedder, IndexDamaged if it does not open.
        """
        query = content_terms(text)
        with reading(self._index.engine) as connection:
            self._index.check_embedder(connection)
            readable = authority.readable(connection, principal=principal)
            statistics = _statistics(connection, readable, query)
            if statistics.chunks == 0:
                return Found((), statistics.rarity)
            # 1. Candidates, from both sides.
            rows = {
                row.chunk: row
                for set_ in readable
                for row in words.candidates(connection, set_, query, WORD_CANDIDATES)
            }
            near = self._near(connection, text, readable)
            missing = [chunk for chunk in near if chunk not in rows]
            rows |= {row.chunk: row for set_ in readable for row in words.rows_of(connection, set_, missing)}
            # 2. One order.
            weight = vector_weight(language(text), self._index.embedder.languages)
            by_words = {chunk: score(query, row, statistics) for chunk, row in rows.items()}
            order = fuse(by_words, near, weight=weight)[:k]
            # 3. Their texts, from the same snapshot.
            stored = {
                chunk.id: chunk
                for chunk in authority.chunks(connection, readable=readable, ids=[id_ for id_, _ in order])
            }
        hits = [_hit(stored[id_], value, by_words[id_], near.get(id_)) for id_, value in order if id_ in stored]
        return Found(tuple(hits), statistics.rarity)

    def document(self, document_id: str, *, principal: Principal) -> StoredDocument:
        """A live document; raises NotFound if there is none that the principal may read."""
        with reading(self._index.engine) as connection:
            readable = authority.readable(connection, principal=principal)
            found = authority.document(connection, document_id, readable=readable)
        if found is None:
            raise NotFound(f"There is no document {document_id}: it may have been removed; search for it again.")
        return found

    def probe(self) -> None:
        """Returns if the index opens and fits its embedder; raises what stands in the way."""
        with reading(self._index.engine) as connection:
            self._index.check_embedder(connection)
        self._index.vectors.collections()
        self._index.embedder.embed_query("probe")

    def _near(self, connection: Connection, text: str, readable: ReaderSets) -> dict[int, float]:
        """Cosine similarity of the nearest live chunks, by internal id."""
        vector: Vectors = as_vectors([self._index.embedder.embed_query(text)])
        similarities = dict(
            hit
            for reader_set in readable
            for hit in self._index.vectors.query(self._index.collection(reader_set), vector, VECTOR_CANDIDATES)
        )
        live = authority.chunk_numbers(connection, readable=readable, keys=list(similarities))
        return {chunk: similarities[key] for key, chunk in live.items()}


def _statistics(connection: Connection, readable: ReaderSets, query: Sequence[str]) -> Statistics:
    """Counts over what may be read, all tables together."""
    totals = [words.totals(connection, reader_set) for reader_set in readable]
    chunks = sum(one.chunks for one in totals)
    frequencies: Counter[str] = Counter()
    for reader_set in readable:
        frequencies.update(words.frequencies(connection, reader_set, query))
    return Statistics(
        chunks=chunks,
        mean_title=sum(one.title_terms for one in totals) / max(chunks, 1),
        mean_heading=sum(one.heading_terms for one in totals) / max(chunks, 1),
        mean_body=sum(one.body_terms for one in totals) / max(chunks, 1),
        frequencies=frequencies,
    )


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
    )
