"""What came of a case, as it is kept in a run: passages found, and each time it was asked the answer and its events.

A form of its own, with defaults for all that came later: runs of older versions stay readable. Times in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from bot.answers import Answer, Citation, Nearest, Style
from bot.evaluation.suite import Case
from retrieval.documents import Hit


def encodable(value: Any) -> Any:
    """Names of files need not be text: what no file of ours can hold becomes a question mark."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(encodable)]


class Recorded(BaseModel):
    """Something kept in a run."""

    model_config = ConfigDict(frozen=True)


class RecordedHit(Recorded):
    """A passage that was found; its text is in the index."""

    document_id: Text
    chunk_id: Text
    title: Text
    heading: tuple[Text, ...] = ()
    address: Text
    start: int
    end: int
    score: float


class RecordedCitation(Recorded):
    """A span that an answer cites."""

    n: int
    document_id: Text
    title: Text
    heading: tuple[Text, ...] = ()
    address: Text
    quote: Text
    start: int
    end: int


class RecordedEvent(Recorded):
    """A step of an answer, `ms` after it was asked; `detail` is what was searched for, or a piece of the text."""

    kind: Text
    ms: float
    detail: Text = ""


class RecordedAnswer(Recorded):
    """An answer, or a refusal with the titles of the nearest documents."""

    text: Text
    style: Style
    citations: tuple[RecordedCitation, ...] = ()
    nearest: tuple[Text, ...] = ()
    model: Text = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    search_ms: float = 0.0
    first_token_ms: float = 0.0
    trace_id: Text = ""

    @property
    def refused(self) -> bool:
        return self.style == "refusal"


class Verdict(Recorded):
    """What the judge said of an answer: 0 (wrong) to 1 (right), or None if its words were no verdict."""

    score: float | None
    said: Text


class Trial(Recorded):
    """A case asked once. Either there is an `answer`, or `error` says why not."""

    answer: RecordedAnswer | None = None
    error: Text = ""
    events: tuple[RecordedEvent, ...] = ()
    ms: float = 0.0
    """Until the answer was whole."""
    scores: Mapping[str, float | None] = {}
    """By scorer; None where it does not apply."""
    verdict: Verdict | None = None
    """The judge's, kept apart from the scores; None where it was not asked."""


class CaseRecord(Recorded):
    """All that came of a case. `error` is of its search: then there are no hits."""

    case: Case
    hits: tuple[RecordedHit, ...] = ()
    error: Text = ""
    search_ms: float = 0.0
    trials: tuple[Trial, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether something could not be carried out."""
        return bool(self.error) or any(trial.error for trial in self.trials)

    def values(self, score: str) -> list[float]:
        """Those of a score, over the trials it applies to."""
        return [value for trial in self.trials if (value := trial.scores.get(score)) is not None]

    def mean(self, score: str) -> float | None:
        """Of a score over the trials; None if it applies to none."""
        values = self.values(score)
        return sum(values) / len(values) if values else None

    def verdict(self) -> float | None:
        """The mean of the judge's verdicts."""
        given = [t.verdict.score for t in self.trials if t.verdict is not None and t.verdict.score is not None]
        return sum(given) / len(given) if given else None


def recorded_hit(hit: Hit) -> RecordedHit:
    """What is kept of a passage."""
    return RecordedHit(
        document_id=hit.document_id,
        chunk_id=hit.chunk_id,
        title=hit.title,
        heading=hit.heading,
        address=hit.address,
        start=hit.start,
        end=hit.end,
        score=hit.score,
    )


def recorded_answer(answer: Answer) -> RecordedAnswer:
    """What is kept of an answer."""
    return RecordedAnswer(
        text=answer.text,
        style=answer.style,
        citations=tuple(_citation(one) for one in answer.citations),
        nearest=tuple(_title(one) for one in answer.nearest),
        model=answer.model,
        prompt_tokens=answer.usage.prompt_tokens,
        completion_tokens=answer.usage.completion_tokens,
        search_ms=answer.timings.search_ms,
        first_token_ms=answer.timings.first_token_ms,
        trace_id=answer.trace_id,
    )


def _citation(one: Citation) -> RecordedCitation:
    return RecordedCitation(
        n=one.n,
        document_id=one.document_id,
        title=one.title,
        heading=one.heading,
        address=one.address,
        quote=one.quote,
        start=one.start,
        end=one.end,
    )


def _title(one: Nearest) -> str:
    return one.title
