"""From a question to the evidence for it: what its thread adds, what is searched for, what the passages found say.

The steps of the assistant before anybody writes. Knows no front end, no style of answer and no language model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bot import followup
from bot.answers import Question
from bot.bridge import Bridge
from bot.evidence import Evidence, weigh
from bot.followup import Reading, Readings
from bot.standing import Freshness
from bot.store import ConversationStore, Turn
from retrieval.access import Principal
from retrieval.documents import Hit
from retrieval.filters import Filters
from retrieval.found import Found
from retrieval.search import Searcher
from retrieval.spelling import respelt

PASSAGES = 10
"""Hits the answer is looked for in."""
RANK_CONSTANT = 60
"""Of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009)."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A question with the turns before it, and the ways to take it."""

    question: Question
    history: tuple[Turn, ...]
    readings: Readings


@dataclass(frozen=True, slots=True)
class Weighed:
    """What was searched for, what was found, and what it says."""

    recalled: Recalled
    query: str
    found: Found
    evidence: Evidence
    enough: float
    """From which score on the evidence is sufficient."""

    @property
    def sufficient(self) -> bool:
        """Whether the passages hold the answer."""
        return self.evidence.score >= self.enough and bool(self.evidence.spans)

    @property
    def searched_for(self) -> str:
        """The query with its misspelt words as they were taken; "" where none was."""
        return respelt(self.query, self.found.corrected) if self.found.corrected else ""


class Finder:
    """Finds what the principal of a question may read on it; the arguments are the assistant's."""

    def __init__(
        self,
        *,
        searcher: Searcher,
        store: ConversationStore,
        bridge: Bridge,
        freshness: Freshness | None,
        enough: Callable[[str], float],
    ) -> None:
        self._searcher = searcher
        self._store = store
        self._bridge = bridge
        self._freshness = freshness
        self._enough = enough

    async def recall(self, question: Question) -> Recalled:
        """What was said before in the question's thread, and what to search for."""
        if not question.thread:
            return Recalled(question, (), followup.read(question.text, ()))
        return await self._bridge.run(partial(self._recalled, question))

    async def weigh(self, recalled: Recalled) -> Weighed:
        """Try each reading; the first with sufficient evidence counts, or the surest of them, else the first."""
        tried: list[Weighed] = []
        for reading in recalled.readings.ways:
            tried.append(await self._bridge.run(partial(self._weighed, recalled, reading)))
            if tried[-1].sufficient and not recalled.readings.best:
                return tried[-1]
        return max((one for one in tried if one.sufficient), key=lambda one: one.evidence.score, default=tried[0])

    def _recalled(self, question: Question) -> Recalled:
        history = self._store.history(question.thread, principal=question.principal)
        return Recalled(question, tuple(history), followup.read(question.text, history))

    def _weighed(self, recalled: Recalled, reading: Reading) -> Weighed:
        asked = recalled.question
        found, *of_parts = (
            self._found(text, asked.filters, principal=asked.principal) for text in (reading.query, *reading.parts)
        )
        if of_parts:
            found = replace(found, hits=merged([found.hits, *(one.hits for one in of_parts)])[:PASSAGES])
        evidence = weigh(reading.query, found)
        if of_parts:  # no one passage need speak to all of them: it is enough that each has its evidence
            least = min(weigh(text, one).score for text, one in zip(reading.parts, of_parts, strict=True))
            evidence = replace(evidence, score=max(evidence.score, least))
        if reading.own:
            evidence = followup.focus(evidence, weigh(reading.own, replace(found, likeness=None)), reading, found)
        return Weighed(recalled, reading.query, found, evidence, self._enough(reading.query))

    def _found(self, query: str, filters: Filters, *, principal: Principal) -> Found:
        """What a search finds, without documents whose files are gone."""
        found = self._searcher.search(query, principal=principal, k=PASSAGES, filters=filters)
        return replace(found, hits=tuple(self._freshness.standing(found.hits))) if self._freshness else found


def merged(searches: Sequence[Sequence[Hit]]) -> tuple[Hit, ...]:
    """The hits of several searches by reciprocal rank fusion, each once, with the best score that one of them gave it."""
    ranks: defaultdict[str, float] = defaultdict(float)
    best: dict[str, Hit] = {}
    for hits in searches:
        for rank, hit in enumerate(hits, 1):
            ranks[hit.chunk_id] += 1 / (RANK_CONSTANT + rank)
            best[hit.chunk_id] = max(best.get(hit.chunk_id, hit), hit, key=lambda one: one.score)
    return tuple(sorted(best.values(), key=lambda hit: -ranks[hit.chunk_id]))
