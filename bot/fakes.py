"""An assistant that follows a script, for tests of front ends and for trying one without a model or an index; and what asks
an index, scripted, for tests of upkeep.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bot.answers import Event, Question
from bot.evaluation.gate import GoldenOutcome
from bot.upkeep import CalibrationOrder, EvaluationOrder, Note, UpkeepResult
from retrieval.access import Principal
from retrieval.documents import Hit
from retrieval.errors import NotFound
from retrieval.filters import NO_FILTERS, Filters
from retrieval.passages import SourceView

HOLD: Final = "hold"
"""A step of a script: wait until `release()` is called."""

Step = Event | Exception | Literal["hold"]


@dataclass(frozen=True, slots=True)
class ScriptedDocument:
    """A whole document, as an assistant hands it out."""

    id: str
    title: str
    address: str
    language: str
    text: str
    source_kind: str = ""


class ScriptedAssistant:
    """Plays `script` for every question: events are yielded, exceptions raised, HOLD waits for `release()`.

    A script without events is legal: its generator ends without an answer, as a faulty assistant's would.
    `documents` and `sources` map to the groups that may read them; what may not be read is not found.
    """

    def __init__(
        self,
        script: Sequence[Step] = (),
        *,
        hits: Sequence[Hit] | Exception = (),
        documents: Mapping[ScriptedDocument, frozenset[str]] | None = None,
        sources: Mapping[SourceView, frozenset[str]] | None = None,
    ) -> None:
        self.questions: list[Question] = []
        self.searches: list[tuple[str, Principal, int]] = []
        self.filters: list[Filters] = []
        """Of each of `searches`."""
        self.holding = asyncio.Event()
        """Set while (and after) a generator has reached HOLD."""
        self.closed = asyncio.Event()
        """Set when a generator has ended, for whatever reason, and its clean-up has run to its end."""
        self._script = script
        self._hits = hits
        self._documents = documents or {}
        self._sources = sources or {}
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let every HOLD go on, now and later."""
        self._released.set()

    async def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        """Record the question and play the script."""
        self.questions.append(question)
        try:
            for step in self._script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, str):
                    self.holding.set()
                    await self._released.wait()
                else:
                    yield step
        finally:
            # a real assistant awaits while it gives an engine's slot back: a caller that breaks this breaks that
            await asyncio.sleep(0)
            self.closed.set()

    async def search(self, text: str, *, principal: Principal, k: int, filters: Filters = NO_FILTERS) -> list[Hit]:
        """Record the search and return the first `k` hits given, or raise the exception given."""
        self.searches.append((text, principal, k))
        self.filters.append(filters)
        if isinstance(self._hits, Exception):
            raise self._hits
        return list(self._hits[:k])

    async def document(self, document_id: str, *, principal: Principal) -> ScriptedDocument:
        """The document of that id, if `principal` shares a group with it. Raises NotFound."""
        for document, groups in self._documents.items():
            if document.id == document_id and not groups.isdisjoint(principal.groups):
                return document
        raise NotFound(
            f"There is no document {document_id!r} that you may read: take its id from an answer's citation."
        )

    async def sources(self, *, principal: Principal) -> list[SourceView]:
        """The sources with whose groups `principal` shares one."""
        return [one for one, groups in self._sources.items() if not groups.isdisjoint(principal.groups)]


class ScriptedAsking:
    """Asks nothing: golden questions bring `outcome`, for any generation. `asked` says what was called."""

    def __init__(self, outcome: GoldenOutcome | None = None) -> None:
        self.outcome = outcome or GoldenOutcome()
        self.asked: list[object] = []

    def calibrate(self, order: CalibrationOrder, note: Note) -> UpkeepResult:
        self.asked.append(order)
        return UpkeepResult(("Calibrated.",), figures={"threshold": 0.5})

    def evaluate(self, order: EvaluationOrder, note: Note) -> UpkeepResult:
        self.asked.append(order)
        return UpkeepResult(figures={"run": "r"})

    def golden(self, note: Note, *, anyway: bool) -> UpkeepResult:
        self.asked.append(anyway)
        return UpkeepResult(("Asked.",))

    def beside(self, former: int, made: int, note: Note) -> GoldenOutcome:
        self.asked.append((former, made))
        return self.outcome

    def overruled(self) -> None:
        self.asked.append("overruled")
