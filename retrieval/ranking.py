"""The order of passages: BM25F over title, heading and body with a bonus for phrases, fused with an embedder's similarity.

Pure arithmetic over term lists; knows no database, no model and no tokenisation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from retrieval.terms import is_function, is_packed

K1 = 1.2
B = 0.75
FIELD_WEIGHTS = (1.0, 1.0, 1.0)
PHRASE = 0.3


@dataclass(frozen=True, slots=True)
class Candidate:
    """The terms of one passage, by field."""

    title: Sequence[str]
    heading: Sequence[str]
    body: Sequence[str]


@dataclass(frozen=True, slots=True)
class Statistics:
    chunks: int
    mean_title: float
    mean_heading: float
    mean_body: float
    frequencies: Mapping[str, int]

    def rarity(self, term: str) -> float:
        found = self.frequencies.get(term, 0)
        return math.log1p((self.chunks - found + 0.5) / (found + 0.5))


def score(query_terms: Sequence[str], candidate: Candidate, statistics: Statistics) -> float:
    wanted = Counter(query_terms)
    pairs = set(pairwise(query_terms))
    tf: dict[str, float] = {}
    for field, weight, mean in zip(
        (candidate.title, candidate.heading, candidate.body),
        FIELD_WEIGHTS,
        (statistics.mean_title, statistics.mean_heading, statistics.mean_body),
        strict=True,
    ):
        if not field:
            continue
        norm = weight / (1 - B + B * len(field) / mean) if field is candidate.body else weight
        for term in field:
            if term in wanted:
                tf[term] = tf.get(term, 0.0) + norm
    total = 0.0
    for term, f in tf.items():
        total += emphasis(term) * statistics.rarity(term) * f * (K1 + 1) / (f + K1)
    if PHRASE:
        seen = {p for p in pairwise(candidate.body) if p in pairs}
        for a, b in seen:
            total += PHRASE * min(emphasis(a) * statistics.rarity(a), emphasis(b) * statistics.rarity(b))
    return total


E_FUNC, E_HIRA, E_MIX = 0.1, 0.4, 0.7


def emphasis(term):
    if is_function(term):
        return E_FUNC
    if is_packed(term):
        h = ["ぁ" <= c <= "ゖ" for c in term]
        if all(h):
            return E_HIRA
        if any(h):
            return E_MIX
    return 1.0
