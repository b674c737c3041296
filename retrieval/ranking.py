"""The order of passages: BM25F over title, heading and body with a bonus for phrases, fused with an embedder's similarity.

Pure arithmetic over term lists; knows no database, no model and no tokenisation. The constants of the words were chosen on
JaQuAD's training part (SkelterLabs, CC BY-SA 3.0), where halving or doubling one of them moves hit@1 by 0.01 at most.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Protocol, TypeVar

from retrieval.terms import is_function, is_packed

K1 = 0.6
"""How soon repetitions of a term stop counting (BM25's k1; low, because passages are short)."""
B = 0.75
"""How much a long body dilutes its terms (BM25's b); titles and headings are not diluted."""
TITLE, HEADING = 2.0, 1.5
"""A term in the title or heading counts as so many in a body of mean length."""
COVERAGE = 0.5
"""What a passage gets for holding a term at all, in multiples of its weight: many terms once beat one term often."""
PHRASE = 0.15
"""What it gets for two neighbouring terms of the query side by side, in multiples of the lighter one's weight."""

FUNCTION, HIRAGANA, MIXED = 0.1, 0.3, 0.45
"""Emphasis of function words, of bigrams in hiragana alone, and of bigrams half in hiragana: grammar more than matter."""

VECTOR_WEIGHT = 0.7
"""Weight of the cosine beside the word score's share of the best one (0..1)."""
FOREIGN_VECTOR_WEIGHT = 0.1
"""The same for a question in a language the embedder was not made for: it settles ties."""

UNDECIDED = 0.30
"""Cosine of the starter embedder between a question and a sentence with its neighbours that speaks neither way."""

Id = TypeVar("Id", bound=Hashable)


class Passage(Protocol):
    """The terms of a passage, by field, in order and with repetitions."""

    @property
    def title(self) -> Sequence[str]: ...
    @property
    def heading(self) -> Sequence[str]: ...
    @property
    def body(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """The plainest `Passage`."""

    title: Sequence[str]
    heading: Sequence[str]
    body: Sequence[str]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts over the chunks the asker may read: how many, terms a field holds on average, chunks that hold a term.

    `frequencies` needs the terms of the query alone; a term that is not in it counts as standing nowhere.
    """

    chunks: int
    mean_title: float
    mean_heading: float
    mean_body: float
    frequencies: Mapping[str, int]

    def rarity(self, term: str) -> float:
        """Inverse document frequency, > 0 (Robertson and Zaragoza 2009, in the form that stays positive)."""
        holding = min(self.frequencies.get(term, 0), self.chunks)
        return math.log1p((self.chunks - holding + 0.5) / (holding + 0.5))

    def unknown(self, terms: Collection[str]) -> set[str]:
        """Those of the query's terms that stand nowhere."""
        return {term for term in terms if self.frequencies.get(term, 0) <= 0}


NOTHING_COUNTED = Statistics(chunks=0, mean_title=0.0, mean_heading=0.0, mean_body=0.0, frequencies={})
"""Of an index that holds nothing for the asker."""


@lru_cache(maxsize=16_384)
def emphasis(term: str) -> float:
    """How much of a term is matter and not grammar (0..1]."""
    if is_function(term):
        return FUNCTION
    if is_packed(term):
        hiragana = sum("ぁ" <= character <= "ゖ" for character in term)
        return 1.0 if hiragana == 0 else HIRAGANA if hiragana == len(term) else MIXED
    return 1.0


def score(query_terms: Sequence[str], candidate: Passage, statistics: Statistics) -> float:
    """How well a passage fits the words of a query (≥ 0; 0: no term in common)."""
    weights = {term: emphasis(term) * statistics.rarity(term) for term in query_terms}
    dilution = 1 - B + B * len(candidate.body) / max(statistics.mean_body, 1.0)
    fields = ((candidate.title, TITLE), (candidate.heading, HEADING), (candidate.body, 1 / dilution))
    counts: defaultdict[str, float] = defaultdict(float)
    for field, worth in fields:
        for term in field:
            if term in weights:
                counts[term] += worth
    total = sum(weights[term] * (count * (K1 + 1) / (count + K1) + COVERAGE) for term, count in counts.items())
    together = set(pairwise(query_terms)) & set(pairwise(candidate.body))
    return total + PHRASE * sum(min(weights[first], weights[second]) for first, second in together)


def most_words(weight: float) -> float:
    """The score of a passage that holds every term of a query without end, whose terms weigh `weight` together."""
    return weight * (K1 + 1 + COVERAGE)


def understands(language: str, spoken: Collection[str]) -> bool:
    """Whether an embedder that speaks the languages `spoken` (empty: unknown, so all) is to be trusted with `language`."""
    return not spoken or not language or language in spoken


def vector_weight(language: str, spoken: Collection[str]) -> float:
    """How much to trust an embedder that speaks the languages `spoken` with a question in `language`."""
    return VECTOR_WEIGHT if understands(language, spoken) else FOREIGN_VECTOR_WEIGHT


def fuse(words: Mapping[Id, float], similarities: Mapping[Id, float], *, weight: float) -> list[tuple[Id, float]]:
    """All ids of both, best first, each with its score: its share of the best word score plus `weight` times its cosine.

    A chunk whose similarity was not measured is taken to be as far away as the farthest that was. Without any word in
    common, similarity alone decides. Equal scores keep their order.
    """
    best = max(words.values(), default=0.0)
    farthest = min(similarities.values(), default=0.0)
    fused = {
        id_: (words.get(id_, 0.0) / best if best > 0 else 0.0) + weight * similarities.get(id_, farthest)
        for id_ in dict.fromkeys((*words, *similarities))
    }
    return sorted(fused.items(), key=lambda scored: -scored[1])
