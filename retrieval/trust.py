"""How far an embedder is trusted in a language: the weight of its cosine, where it was measured, and what it says it speaks.

Keeps one number for each generation and language; knows not how it is measured (`retrieval/cloze.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from retrieval.database import sql
from retrieval.generations import Generation
from retrieval.ranking import understands, vector_weight


@dataclass(frozen=True, slots=True)
class Trust:
    """What was measured in one language, over so many live `passages`, on so many of their `sentences`.

    `weight` (≥ 0) is that of a cosine beside the word score (`retrieval/ranking.py`); None if the passages could not tell.
    """

    language: str
    weight: float | None
    passages: int
    sentences: int


@dataclass(frozen=True, slots=True)
class Trusted:
    """How far one embedder is trusted: by what was `measured` (weight by language), else by the languages it says it speaks.

    `spoken` are ISO 639-1 codes; empty: unknown, so all.
    """

    measured: Mapping[str, float]
    spoken: Collection[str]

    def weight(self, language: str, *, twice: bool) -> float:
        """That of its cosine for a question in `language` ("": not to be told).

        With `twice` it is of two cosines, the passage's and its nearest sentence's, which share what was measured. In a
        language that the embedder does not say it speaks no measurement raises it: cosines that tell cloze sentences apart
        there do not order questions better, and level scores that evidence is weighed by.
        """
        measured = self.measured.get(language)
        if measured is None:
            return vector_weight(language, self.spoken)
        if not understands(language, self.spoken):
            return min(measured, vector_weight(language, self.spoken))
        return measured / 2 if twice else measured

    def understands(self, language: str) -> bool:
        """Whether its cosine may say of a text in `language` that it answers.

        It must say so itself: a measured weight helps the order of passages, and is no proof that a cosine means what it does
        in the languages an embedder was made for.
        """
        return understands(language, self.spoken) and self.measured.get(language) != 0


def stored(connection: Connection, generation: Generation) -> list[Trust]:
    """What was measured of a generation, by language."""
    statement = sql(
        "SELECT language, weight, passages, sentences FROM trust WHERE generation_id = :g ORDER BY language"
    )
    return [Trust(**row._mapping) for row in connection.execute(statement, {"g": generation.id})]


def trusted(connection: Connection, generation: Generation, spoken: Collection[str]) -> Trusted:
    """How far a generation's embedder is trusted, which says it speaks the languages `spoken`."""
    every = [(one, one.weight) for one in stored(connection, generation) if one.weight is not None]
    measured = {one.language: weight for one, weight in every}
    if every:  # a question whose language cannot be told is as likely in each as passages are
        measured[""] = sum(weight * one.passages for one, weight in every) / sum(one.passages for one, _ in every)
    return Trusted(measured, spoken)


def put(connection: Connection, generation: Generation, measured: Trust) -> None:
    """Store a measurement in the place of a former one in the same language; nothing if the generation is gone."""
    connection.execute(
        sql(
            "INSERT OR REPLACE INTO trust (generation_id, language, weight, passages, sentences)"
            " SELECT id, :language, :weight, :passages, :sentences FROM generations WHERE id = :g"
        ),
        {
            "g": generation.id,
            "language": measured.language,
            "weight": measured.weight,
            "passages": measured.passages,
            "sentences": measured.sentences,
        },
    )
