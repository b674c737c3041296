"""What somebody says of an answer they got, and what is kept of their questions. Knows no front end and no SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bot.bridge import Bridge
from bot.errors import BadFeedback
from retrieval.access import Principal

if TYPE_CHECKING:
    from bot.answers import Origin
    from bot.store import ConversationStore

Verdict = Literal["up", "down"]
MAX_NOTE = 2_000
"""Characters of a note: some paragraphs. What is longer is a document."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """A verdict, with what was wrong and what is right where that was said. Raises BadFeedback for a note too long."""

    verdict: Verdict
    wrong: str = ""
    right: str = ""

    def __post_init__(self) -> None:
        for note in (self.wrong, self.right):
            if len(note) > MAX_NOTE:
                raise BadFeedback(
                    f"A note of {len(note):,} characters is too long: say it in {MAX_NOTE:,}, or ingest it as a document."
                )


@dataclass(frozen=True, slots=True)
class Complaint:
    """An answer that somebody gave thumbs down, in the groups they were in, for whoever owns the data folder."""

    answer_id: str
    question: str
    query: str
    """The question as it was searched for, made to stand alone."""
    answer: str
    groups: frozenset[str]
    feedback: Feedback
    at: str
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What was asked through one front end in the last `days` days, and what people said of the answers."""

    days: int
    people: int
    questions: int
    refused: int
    up: int
    down: int


class FeedbackBook:
    """Takes verdicts on kept answers from whoever got them; a later one takes the place of an earlier one.

    It also forgets what is kept of somebody, and counts what is kept of all.
    """

    def __init__(self, store: ConversationStore, bridge: Bridge) -> None:
        self._store = store
        self._bridge = bridge

    async def put(self, answer_id: str, feedback: Feedback, *, principal: Principal) -> None:
        """Keep a verdict; `answer_id` is the answer's `trace_id`. Raises NotFound as `ConversationStore.put_feedback`."""
        await self._bridge.run(lambda: self._store.put_feedback(answer_id, feedback, principal=principal))

    async def remove(self, answer_id: str, *, principal: Principal) -> None:
        """Take a verdict back, if there is one. Raises NotFound as `ConversationStore.put_feedback`."""
        await self._bridge.run(lambda: self._store.remove_feedback(answer_id, principal=principal))

    async def forget(self, *, principal: Principal) -> int:
        """Delete what is kept of somebody; returns how many answers (`ConversationStore.forget`)."""
        return await self._bridge.run(lambda: self._store.forget(principal=principal))

    async def statistics(self, origin: Origin, days: int) -> Statistics:
        """Counts of the last days (`ConversationStore.statistics`)."""
        return await self._bridge.run(lambda: self._store.statistics(origin, days))
