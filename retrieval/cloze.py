"""Measures how far an index's embedder is to be trusted in each language of its documents, on their own passages.

The inverse cloze task (Lee, Chang and Toutanova 2019, arXiv:1906.00300): a sentence is taken out of a passage and searched
for; what is right is the rest of that passage, among all others as the index has them. It is the system's own measurement,
over all documents, and nothing of them but a number for each language is kept (`retrieval/trust.py`). Knows no ingest.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from retrieval import authority, passages, trust
from retrieval.access import Principal
from retrieval.candidates import Snapshot
from retrieval.database import reading, sql, writing
from retrieval.estimating import Trial, estimated
from retrieval.generations import Generation
from retrieval.index import Index
from retrieval.language import sentences
from retrieval.passages import StoredChunk
from retrieval.ranking import Candidate, score
from retrieval.terms import content_terms, terms
from retrieval.trust import Trust, Trusted
from retrieval.vectors import Vectors, as_vectors

LEAST_PASSAGES = 50
"""In fewer of a language there is too little to tell passages apart by."""
GROWN = 2
"""Measured again when there are more than so many times the passages that it was measured over."""
SENTENCES, LEAST_SENTENCES = 120, 30
"""Searched for in each language, at most and at least."""
LEAST_TERMS = 5
"""A shorter sentence says too little to be known again, and a shorter rest too little to be found."""
BY_WORDS = 50
"""Candidates that the words give: as many as the vectors, and enough to go wrong among."""
_LOOKED_AT = 5
"""Passages looked at for each sentence that is wanted: lists and tables have none."""
_EMBEDDED_AT_ONCE = 16
_SEED = 1906


@dataclass(frozen=True, slots=True)
class _Cloze:
    """A sentence, and the passage that it was taken out of."""

    chunk: int
    sentence: str
    rest: str
    heading: str
    """Of the passage, as an embedder reads it."""


def due(connection: Connection, generation: Generation) -> dict[str, int]:
    """The languages that a generation has enough passages in and no measurement over as many; each with that number."""
    rows = connection.execute(
        sql(
            "SELECT v.language, count(*) FROM live l JOIN versions v ON v.id = l.version_id"
            " JOIN chunks c ON c.version_id = v.id WHERE l.generation_id = :g AND v.language != ''"
            " GROUP BY v.language ORDER BY v.language"
        ),
        {"g": generation.id},
    )
    measured = {one.language: one.passages for one in trust.stored(connection, generation)}
    return {name: count for name, count in rows if count >= max(LEAST_PASSAGES, GROWN * measured.get(name, 0) + 1)}


def measure(index: Index, generation: Generation, told: Callable[[str], None] = lambda _language: None) -> None:
    """Measure whatever is due of a generation, after `told` of the language; searches come first, and no snapshot is kept long.

    Raises IndexMismatch if its embedder cannot be had.
    """
    with reading(index.engine) as connection:
        languages = due(connection, generation)
    for language, count in languages.items():
        told(language)
        spoken = index.embedder_of(generation).languages
        trials = measured_trials(index, generation, language)
        weight = None
        if len(trials) >= LEAST_SENTENCES:
            weight = Trusted({language: estimated(trials)}, spoken).weight(language, twice=False)
        with index.writer, writing(index.engine) as connection:
            trust.put(connection, generation, Trust(language, weight, count, len(trials)))


def measured_trials(index: Index, generation: Generation, language: str) -> list[Trial]:
    """What the search would have to order for each sentence of a sample; the same index gives the same."""
    with reading(index.engine) as connection:
        clozes = _sampled(connection, generation, language)
    embedder = index.embedder_of(generation)
    trials: list[Trial] = []
    for at in range(0, len(clozes), _EMBEDDED_AT_ONCE):
        some = clozes[at : at + _EMBEDDED_AT_ONCE]
        index.courtesy.give_way()
        rests = as_vectors(embedder.embed_documents([f"{one.heading}\n{one.rest}" for one in some]))
        for one, rest in zip(some, rests, strict=True):
            index.courtesy.give_way()
            asked = as_vectors([embedder.embed_query(one.sentence)])
            with reading(index.engine) as connection:
                everybody = _reader_of_all(connection)
                snapshot = Snapshot(connection, index.vectors, generation, principal=everybody)
                made = _trial(connection, snapshot, one, asked, float(rest @ asked[0]))
            if made is not None:
                trials.append(made)
    return trials


def _trial(connection: Connection, snapshot: Snapshot, one: _Cloze, asked: Vectors, near_rest: float) -> Trial | None:
    """None if the passage has gone, or if another one says the same: then no order is right."""
    query = content_terms(one.sentence)
    statistics = snapshot.statistics(query)
    rows, near = snapshot.candidates(query, asked, by_words=BY_WORDS)
    alike = _of_its_language(connection, one.chunk, [*rows])
    rows = {chunk: row for chunk, row in rows.items() if chunk in alike}
    near = {chunk: cosine for chunk, cosine in near.items() if chunk in alike}
    whole = rows.pop(one.chunk, None)
    if whole is None or any(set(query) <= set(row.body) for row in rows.values()):
        return None
    near[one.chunk] = near_rest
    farthest = min(near.values())
    scores = [score(query, row, statistics) for row in rows.values()]
    scores.append(score(query, Candidate(whole.title, whole.heading, terms(one.rest)), statistics))
    best = max(scores) or 1.0
    cosines = [near.get(chunk, farthest) for chunk in (*rows, one.chunk)]
    return Trial([each / best for each in scores], cosines, len(scores) - 1)


def _of_its_language(connection: Connection, chunk: int, others: Sequence[int]) -> set[int]:
    """Those of the chunks whose documents are in the same language: to tell languages apart is no merit of an embedder."""
    statement = sql(
        "SELECT c.id FROM chunks c JOIN versions v ON v.id = c.version_id WHERE c.id IN :ids AND v.language ="
        " (SELECT v.language FROM chunks c JOIN versions v ON v.id = c.version_id WHERE c.id = :chunk)",
        "ids",
    )
    return {int(one) for one in connection.execute(statement, {"ids": list(others), "chunk": chunk}).scalars()}


def _reader_of_all(connection: Connection) -> Principal:
    """The system itself: nothing it reads here is shown to anybody."""
    groups = (readers.groups for readers in authority.reader_sets(connection).values())
    return Principal("measurement", frozenset[str]().union(*groups))


def _sampled(connection: Connection, generation: Generation, language: str) -> list[_Cloze]:
    """A sentence of each of some passages."""
    rows = connection.execute(
        sql(
            "SELECT c.id FROM live l JOIN versions v ON v.id = l.version_id JOIN chunks c ON c.version_id = v.id"
            " WHERE l.generation_id = :g AND v.language = :language ORDER BY c.id"
        ),
        {"g": generation.id, "language": language},
    )
    every: Sequence[int] = rows.scalars().all()
    chance = random.Random(_SEED)  # noqa: S311 - a sample, no secret
    chosen = chance.sample(every, min(_LOOKED_AT * SENTENCES, len(every)))
    readable = passages.readable(connection, principal=_reader_of_all(connection))
    found: list[_Cloze] = []
    for at in range(0, len(chosen), SENTENCES):
        chunks = passages.chunks(
            connection, generation=generation.id, readable=readable, ids=chosen[at : at + SENTENCES]
        )
        found += _clozes(sorted(chunks, key=lambda one: chosen.index(one.id)))
    return found[:SENTENCES]


def _clozes(chunks: Sequence[StoredChunk]) -> Iterator[_Cloze]:
    """The shortest sentence that says enough of each: as short as questions are."""
    for chunk in chunks:
        pieces = sentences(chunk.text)
        lengths = [len(content_terms(piece)) for piece in pieces]
        long = [at for at, length in enumerate(lengths) if length >= LEAST_TERMS]
        if not long:
            continue
        taken = min(long, key=lengths.__getitem__)
        rest = " ".join((*pieces[:taken], *pieces[taken + 1 :]))
        if len(content_terms(rest)) >= LEAST_TERMS:
            yield _Cloze(chunk.id, pieces[taken], rest, " › ".join((chunk.title, *chunk.heading)))
