"""What Discord needs from the rest of Kura. Knows nobody who provides it: this process, or a server asked over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.answers import Event, Question
from bot.feedback import Feedback, Statistics
from bot.jobs import State
from retrieval.access import Principal
from retrieval.documents import Hit
from retrieval.filters import Filters
from retrieval.passages import SourceView

__all__ = ["DocumentText", "JobView", "Platform", "SourceView", "Statistics"]


@dataclass(frozen=True, slots=True)
class JobView:
    """An ingest as it stands: `sources` are (name, done, total, failed) documents; `fault` is a sentence, or empty."""

    id: str
    state: State
    sources: tuple[tuple[str, int, int, int], ...]
    fault: str = ""

    @property
    def over(self) -> bool:
        return self.state not in ("queued", "running")


class DocumentText(Protocol):
    """A document as it is now."""

    @property
    def title(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def text(self) -> str: ...


class Platform(Protocol):
    """Answers, documents and feedback, each for one principal; and what an administrator may do."""

    def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        """Events of one answer, the last being `Done` or `Refused`. Closing the generator gives the model free."""

    async def search(self, text: str, *, principal: Principal, k: int, filters: Filters) -> Sequence[Hit]:
        """The best `k` passages that `principal` may read, best first."""

    async def document(self, document_id: str, *, principal: Principal) -> DocumentText:
        """Raises NotFound, for what may not be read as for what is not there."""

    async def sources(self, *, principal: Principal) -> Sequence[SourceView]:
        """Those with a document that `principal` may read, by name."""

    async def put_feedback(self, answer_id: str, feedback: Feedback, *, principal: Principal) -> None:
        """Keep what `principal` says of an answer they got, or that was shown where they read. Raises NotFound."""

    async def remove_feedback(self, answer_id: str, *, principal: Principal) -> None:
        """Take it back. Raises NotFound."""

    async def forget(self, *, principal: Principal) -> int:
        """Delete every question of the principal with its answer and what was said of it, whatever groups they were in then,
        and what the principal said of others' answers; returns how many answers."""

    async def statistics(self, days: int) -> Statistics:
        """What was asked through Discord."""

    async def status(self) -> Sequence[str]:
        """How Kura stands: sentences for an administrator."""

    async def reingest(self, source: str, *, by: Principal) -> JobView:
        """Start bringing a source up to date, or all (""). Raises SourceError for one that is not configured, Overloaded."""

    async def job(self, job_id: str) -> JobView:
        """An ingest as it stands. Raises NotFound."""

    async def last_ingest(self) -> str:
        """A word that is another one after each ingest that is over."""
