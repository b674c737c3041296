"""What a search hands out: its hits, and what it knows of the question's words. Plain values and functions; knows no index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from retrieval.documents import Hit

Terms = Sequence[str]
"""Those of a text, in its order; see `retrieval/terms.py`."""
Likeness = Callable[[Sequence[str]], Sequence[float]]
"""How near each of some texts is to the query by the embedder (cosine)."""


def as_written(terms: Terms) -> Terms:
    """Reads every word as itself."""
    return terms


@dataclass(frozen=True, slots=True)
class Found:
    """The hits of a search, best first. `rarity` weighs a term (≥ 0) by how few of the readable chunks hold it.

    `likeness` says how near texts are to the query by the embedder (cosine); None if it is not instant, or does not speak
    the query's language. `read` turns the terms of a text into what they say in the question's words: whoever weighs the
    hits must read them as the search did. `corrected` says of words of the question that stand nowhere which word they were
    taken for: a guess, so whoever weighs the hits trusts them less. `rerank_fault` says why the reranker that is set had no
    say, in a sentence.
    """

    hits: tuple[Hit, ...]
    rarity: Callable[[str], float]
    likeness: Likeness | None = None
    read: Callable[[Terms], Terms] = as_written
    corrected: Mapping[str, str] = field(default_factory=dict)
    rerank_fault: str = ""
