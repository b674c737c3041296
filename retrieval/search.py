"""Hybrid search for one principal: words and vectors give candidates, one formula orders them, one snapshot holds them.

What stands in the index is read by `retrieval/candidates.py`; here the question meets the embedder, and the hits are made
ready for whoever answers from them. Knows no front end and no model but the embedder.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial

from sqlalchemy import Connection

from models.embedders import Embedder
from retrieval import generations, passages, trust, widening
from retrieval.access import Principal
from retrieval.candidates import Snapshot, Worth
from retrieval.database import reading
from retrieval.documents import Around, Hit
from retrieval.errors import NotFound
from retrieval.filters import NO_FILTERS, Filters
from retrieval.found import Found, Likeness
from retrieval.generations import Generation
from retrieval.glossary import Glossary
from retrieval.index import Index
from retrieval.language import language, sentences
from retrieval.passages import SourceView, StoredDocument
from retrieval.preference import NO_PREFERENCE, Preference, weighed
from retrieval.ranking import NOTHING_COUNTED, UNDECIDED
from retrieval.reading import LITERAL, Reading
from retrieval.reranking import Reranking
from retrieval.spelling import guesses, spelt
from retrieval.terms import content_terms, terms
from retrieval.trust import Trusted
from retrieval.vectors import Vectors, as_vectors

LOOKED_AT = 20
"""Hits that are read sentence by sentence, where the embedder can: an answer is a sentence, and a passage says more."""


class Searcher:
    """Searches an index, in the generation that answers unless one is named. Safe to use from several threads.

    `preference` is for young documents and better sources; `today` the day (UTC) that their age counts from.
    """

    def __init__(
        self,
        index: Index,
        *,
        generation: int | None = None,
        glossary: Glossary | None = None,
        preference: Preference = NO_PREFERENCE,
        reranking: Reranking | None = None,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._reranking = reranking
        self._index = index
        self._fixed = generation
        self._glossary = glossary
        self._preference = preference
        self._today = today

    def search(
        self,
        text: str,
        *,
        principal: Principal,
        k: int,
        without: Collection[str] = (),
        filters: Filters = NO_FILTERS,
    ) -> Found:
        """The `k` best chunks that the principal may read, of documents that fit the filters.

        Those of the documents `without` (ids) are as if not there. What a source is called that may not be read, or is not
        there, makes no difference: nothing of it is found.
        Raises IndexMismatch if the index was made by another embedder, IndexDamaged if it does not open.
        """
        most = max(k, LOOKED_AT, self._reranking.candidates if self._reranking else 0)
        with self._index.courtesy.searching():
            found, around = self._search(text, most, without, filters, principal=principal)
        hits, fault = self._reranking.rerank(text, found.hits) if self._reranking else (found.hits, "")
        return replace(found, hits=widening.widen(hits, around, k), rerank_fault=fault)

    def _search(
        self, text: str, most: int, without: Collection[str], filters: Filters, *, principal: Principal
    ) -> tuple[Found, dict[str, Around]]:
        """The best hits as they were cut, and what stands around those that may be widened."""
        query, asked_in = content_terms(text), language(text)
        reads = self._glossary.reading(terms(text)) if self._glossary else LITERAL
        worth = self._worth()
        while True:
            # 1. The embedder runs beside no snapshot: one that is held long keeps deleted text from being overwritten.
            with reading(self._index.engine) as connection:
                generation = self._answering(connection)
                if generation is None or self._snapshot(connection, generation, principal=principal).is_empty:
                    return Found((), NOTHING_COUNTED.rarity), {}
            embedder = self._index.embedder_of(generation)
            vector = as_vectors([embedder.embed_query(text)])
            # 2. All else is of one snapshot; in the rare case that another generation answers by now, once more.
            with reading(self._index.engine) as connection:
                if self._answering(connection) != generation:
                    continue
                snapshot = self._snapshot(connection, generation, without, reads, filters, principal=principal)
                statistics = snapshot.statistics(query)
                meant = guesses(text, statistics.unknown(query), snapshot.vocabulary)
                if meant:
                    reads = reads.joined(Reading({(term,): (terms(word)[0],) for word, term in meant.items()}))
                    snapshot = self._snapshot(connection, generation, without, reads, filters, principal=principal)
                    statistics = snapshot.statistics(query)
                trusted = trust.trusted(connection, generation, embedder.languages)
                by_sentences = embedder.instant and trusted.understands(asked_in)
                weight = trusted.weight(asked_in, twice=by_sentences)
                hits = snapshot.hits(query, vector, statistics, weight=weight, k=most, worth=worth)
                around = snapshot.around(widening.wanted(hits), widening.MOST)
                break
        # 3. Outside of it: what the embedder says of their sentences.
        likeness = None
        if by_sentences:
            likeness = _likeness(embedder, vector)
            if reads:
                likeness = _undecided_of_others(likeness, trusted)
            hits = _by_sentences(hits, likeness, weight, worth)
        corrected = spelt(meant, (hit.text for hit in hits))
        return Found(hits, statistics.rarity, likeness, reads.read, corrected), around

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

    def sources(self, *, principal: Principal) -> list[SourceView]:
        """The sources with a live document that the principal may read, by name, and how many of those they have."""
        with reading(self._index.engine) as connection:
            generation = self._answering(connection)
            if generation is None:
                return []
            readable = passages.readable(connection, principal=principal)
            return passages.sources(connection, generation=generation.id, readable=readable)

    def probe(self) -> None:
        """Returns if the index opens and fits its embedder; raises what stands in the way."""
        with reading(self._index.engine) as connection:
            generation = self._answering(connection)
        self._index.vectors.collections()
        embedder = self._index.embedder_of(generation) if generation else self._index.embedder
        embedder.embed_query("probe")

    def _worth(self) -> Worth | None:
        return partial(self._preference.factor, today=self._today()) if self._preference else None

    def _answering(self, connection: Connection) -> Generation | None:
        if self._fixed is None:
            return self._index.answering(connection)
        return next((one for one in generations.every(connection) if one.id == self._fixed), None)

    def _snapshot(
        self,
        connection: Connection,
        generation: Generation,
        without: Collection[str] = (),
        reads: Reading = LITERAL,
        filters: Filters = NO_FILTERS,
        *,
        principal: Principal,
    ) -> Snapshot:
        return Snapshot(
            connection,
            self._index.vectors,
            generation,
            principal=principal,
            without=without,
            reads=reads,
            filters=filters,
        )


def _by_sentences(hits: Sequence[Hit], likeness: Likeness, weight: float, worth: Worth | None) -> tuple[Hit, ...]:
    """The hits in the order of their scores with the cosine of each one's nearest sentence, which weighs as the passage's."""
    pieces = [sentences(hit.text) for hit in hits]
    cosines = iter(likeness([piece for each in pieces for piece in each]))
    nearest = [max([next(cosines) for _ in each], default=0.0) for each in pieces]
    scored = [
        replace(hit, score=hit.score + weighed(weight * near, worth(hit.source, hit.dated) if worth else 1.0))
        for hit, near in zip(hits, nearest, strict=True)
    ]
    return tuple(sorted(scored, key=lambda hit: -hit.score))


def _likeness(embedder: Embedder, vector: Vectors) -> Likeness:
    def likeness(texts: Sequence[str]) -> Sequence[float]:
        cosines: list[float] = (as_vectors(embedder.embed_documents(list(texts))) @ vector[0]).tolist() if texts else []
        return cosines

    return likeness


def _undecided_of_others(likeness: Likeness, trusted: Trusted) -> Likeness:
    """The same, which of a text in a language that the embedder is not trusted in says nothing either way."""

    def with_others(texts: Sequence[str]) -> Sequence[float]:
        known = [text for text in texts if trusted.understands(language(text))]
        cosines = iter(likeness(known))
        return [next(cosines) if trusted.understands(language(text)) else UNDECIDED for text in texts]

    return with_others
