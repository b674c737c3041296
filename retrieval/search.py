"""Hybrid search for one principal: words and vectors give candidates, one formula orders them, one snapshot holds them.

Only the word tables and Chroma collections that the principal may read are opened; counts and rarities come from those
alone, so that what may not be seen changes nothing, not even a score. Knows no front end and no model but the embedder.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from sqlalchemy import Connection

from models.embedders import Embedder
from retrieval import generations, passages, words
from retrieval.access import Principal
from retrieval.authority import ReaderSets
from retrieval.database import reading
from retrieval.documents import Hit
from retrieval.errors import NotFound
from retrieval.generations import Generation
from retrieval.index import Index
from retrieval.language import language
from retrieval.passages import StoredChunk, StoredDocument
from retrieval.ranking import VECTOR_WEIGHT, Statistics, fuse, score, understands, vector_weight
from retrieval.terms import content_terms
from retrieval.vectors import Vectors, as_vectors
from retrieval.words import WordRow, WordTable

WORD_CANDIDATES = 200
"""Chunks that each word table hands to the ranking."""
LOOKED_AT = 20
"""Hits that are read sentence by sentence, where the embedder can: an answer is a sentence, and a passage says more."""
VECTOR_CANDIDATES = 50
"""Chunks that each Chroma collection hands to the ranking, before those are dropped that are not live."""

Likeness = Callable[[Sequence[str]], Sequence[float]]
"""How near each of some texts is to the query by the embedder (cosine)."""
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Found:
    """The hits of a search, best first. `rarity` weighs a term (≥ 0) by how few of the readable chunks hold it.

    `likeness` says how near texts are to the query by the embedder (cosine); None if it is not instant, or does not speak
    the query's language.
    """

    hits: tuple[Hit, ...]
    rarity: Callable[[str], float]
    likeness: Likeness | None = None


class Searcher:
    """Searches an index, in the generation that answers unless one is named. Safe to use from several threads."""

    def __init__(self, index: Index, *, generation: int | None = None) -> None:
        self._index = index
        self._fixed = generation

    def search(self, text: str, *, principal: Principal, k: int, without: Collection[str] = ()) -> Found:
        """The `k` best chunks that the principal may read; those of the documents `without` (ids) are as if not there.

        Raises IndexMismatch if the index was made by another embedder, IndexDamaged if it does not open.
        """
        with self._index.courtesy.searching():
            return self._search(text, k, without, principal=principal)

    def _search(self, text: str, k: int, without: Collection[str], *, principal: Principal) -> Found:
        query = content_terms(text)
        while True:
            # 1. The embedder runs beside no snapshot: one that is held long keeps deleted text from being overwritten.
            with reading(self._index.engine) as connection:
                generation = self._answering(connection)
                readable = passages.readable(connection, principal=principal)
                tables = [] if generation is None else _tables(connection, generation, readable)
                if generation is None or not any(words.totals(connection, table).chunks for table in tables):
                    return Found((), _statistics(connection, [], query).rarity)
            embedder = self._index.embedder_of(generation)
            vector = as_vectors([embedder.embed_query(text)])
            # 2. All else is of one snapshot; in the rare case that another generation answers by now, once more.
            with reading(self._index.engine) as connection:
                if self._answering(connection) == generation:
                    weight = vector_weight(language(text), embedder.languages)
                    most = max(k, LOOKED_AT)
                    found = self._found(
                        connection, generation, query, vector, weight, most, without, principal=principal
                    )
                    break
        # 3. Outside of it: what the embedder says of their sentences.
        if not (embedder.instant and understands(language(text), embedder.languages)):
            return replace(found, hits=found.hits[:k])
        likeness = _likeness(embedder, vector)
        return replace(found, hits=_by_sentences(found.hits, likeness)[:k], likeness=likeness)

    def document(self, document_id: str, *, principal: Principal) -> StoredDocument:
        """A live document; raises NotFound if there is none that the principal may read."""
        with reading(self._index.engine) as connection:
            generation = self._answering(connection)
            readable = passages.readable(connection, principal=principal)
            found = (
                passages.document(connection, document_id, generation=generation.id, readable=readable)
                if generation
                else None
            )
        if found is None:
            raise NotFound(f"There is no document {document_id}: it may have been removed; search for it again.")
        return found

    def probe(self) -> None:
        """Returns if the index opens and fits its embedder; raises what stands in the way."""
        with reading(self._index.engine) as connection:
            generation = self._answering(connection)
        self._index.vectors.collections()
        embedder = self._index.embedder_of(generation) if generation else self._index.embedder
        embedder.embed_query("probe")

    def _answering(self, connection: Connection) -> Generation | None:
        if self._fixed is None:
            return self._index.answering(connection)
        return next((one for one in generations.every(connection) if one.id == self._fixed), None)

    def _found(
        self,
        connection: Connection,
        generation: Generation,
        query: Sequence[str],
        vector: Vectors,
        weight: float,
        k: int,
        without: Collection[str],
        *,
        principal: Principal,
    ) -> Found:
        """The hits for terms and a vector (shape (1, dimensions)) in one snapshot; `weight` is that of the vectors."""
        readable = passages.readable(connection, principal=principal)
        tables = _tables(connection, generation, readable)
        hidden = passages.chunks_of(connection, without, generation=generation.id, readable=readable)
        unseen = [row for table in tables for row in words.rows_of(connection, table, [*hidden.values()])]
        statistics = _statistics(connection, tables, query, unseen)
        # 1. Candidates, from both sides.
        passed_over = {*hidden.values()}
        rows = {
            row.chunk: row
            for table in tables
            for row in words.candidates(connection, table, query, WORD_CANDIDATES + len(hidden))
            if row.chunk not in passed_over
        }
        near = self._near(connection, generation, vector, readable, hidden)
        missing = [chunk for chunk in near if chunk not in rows]
        rows |= {row.chunk: row for table in tables for row in words.rows_of(connection, table, missing)}
        # 2. One order.
        by_words = {chunk: score(query, row, statistics) for chunk, row in rows.items()}
        order = fuse(by_words, near, weight=weight)[:k]
        # 3. Their texts.
        stored = {
            chunk.id: chunk
            for chunk in passages.chunks(
                connection, generation=generation.id, readable=readable, ids=[id_ for id_, _ in order]
            )
        }
        hits = [_hit(stored[id_], value, by_words[id_], near.get(id_)) for id_, value in order if id_ in stored]
        return Found(tuple(hits), statistics.rarity)

    def _near(
        self,
        connection: Connection,
        generation: Generation,
        vector: Vectors,
        readable: ReaderSets,
        hidden: Collection[str],
    ) -> dict[int, float]:
        """Cosine similarity of the nearest live chunks, by internal id; not of those whose key is `hidden`."""
        similarities: dict[str, float] = {}
        for reader_set in readable:
            found = self._index.vectors.query(
                generation.collection(reader_set), vector, VECTOR_CANDIDATES + len(hidden)
            )
            similarities |= [hit for hit in found if hit[0] not in hidden][:VECTOR_CANDIDATES]
        live = passages.chunk_numbers(connection, generation=generation.id, readable=readable, keys=list(similarities))
        return {chunk: similarities[key] for key, chunk in live.items()}


def _by_sentences(hits: Sequence[Hit], likeness: Likeness) -> tuple[Hit, ...]:
    """The hits in the order of their scores with the cosine of each one's nearest sentence, which weighs as the passage's."""
    pieces = [[piece for piece in _SENTENCE_END.split(hit.text) if piece.strip()] for hit in hits]
    cosines = iter(likeness([piece for each in pieces for piece in each]))
    nearest = [max([next(cosines) for _ in each], default=0.0) for each in pieces]
    scored = [replace(hit, score=hit.score + VECTOR_WEIGHT * near) for hit, near in zip(hits, nearest, strict=True)]
    return tuple(sorted(scored, key=lambda hit: -hit.score))


def _likeness(embedder: Embedder, vector: Vectors) -> Likeness:
    def likeness(texts: Sequence[str]) -> Sequence[float]:
        cosines: list[float] = (as_vectors(embedder.embed_documents(list(texts))) @ vector[0]).tolist() if texts else []
        return cosines

    return likeness


def _tables(connection: Connection, generation: Generation, readable: ReaderSets) -> list[WordTable]:
    return [table for table in words.tables(connection, generation.id) if table.readers in readable]


def _statistics(
    connection: Connection, tables: Sequence[WordTable], query: Sequence[str], unseen: Collection[WordRow] = ()
) -> Statistics:
    """Counts over what may be read, all tables together, without the rows `unseen`."""
    totals = [words.totals(connection, table) for table in tables]
    chunks = sum(one.chunks for one in totals) - len(unseen)
    frequencies: Counter[str] = Counter()
    for table in tables:
        frequencies.update(words.frequencies(connection, table, query))
    asked = set(query)
    for row in unseen:
        frequencies.subtract(asked.intersection(chain(row.title, row.heading, row.body)))

    def mean(lengths: Iterable[int], lost: Iterable[int]) -> float:
        return (sum(lengths) - sum(lost)) / max(chunks, 1)

    return Statistics(
        chunks=chunks,
        mean_title=mean((one.title_terms for one in totals), (len(row.title) for row in unseen)),
        mean_heading=mean((one.heading_terms for one in totals), (len(row.heading) for row in unseen)),
        mean_body=mean((one.body_terms for one in totals), (len(row.body) for row in unseen)),
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
        source_kind=chunk.source_kind,
        source_version=chunk.source_version,
        source=chunk.source,
    )
