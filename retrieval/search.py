"""Hybrid search for one principal: words and vectors give candidates, one formula orders them, one snapshot holds them.

Only the word tables and Chroma collections that the principal may read are opened; counts and rarities come from those
alone, so that what may not be seen changes nothing, not even a score. Knows no front end and no model but the embedder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from retrieval.documents import Hit

WORD_CANDIDATES = 200
"""Chunks that each word table hands to the ranking."""
VECTOR_CANDIDATES = 50
"""Chunks that each Chroma collection hands to the ranking, before those are dropped that are not live."""


@dataclass(frozen=True, slots=True)
class Found:
    """The hits of a search, best first. `rarity` weighs a term (≥ 0) by how few of the readable chunks hold it."""

    hits: tuple[Hit, ...]
    rarity: Callable[[str], float]
