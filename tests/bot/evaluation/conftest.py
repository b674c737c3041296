"""Recorded outcomes and runs made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bot.evaluation.outcomes import CaseRecord, RecordedAnswer, RecordedCitation, RecordedHit, Trial, Verdict
from bot.evaluation.runs import JudgePin, Measured, Run, Subject, make_run
from bot.evaluation.scorers import score
from bot.evaluation.suite import Case, Suite

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
SUBJECT = Subject(kura="0.1.0", model="scripted", style="quote", prompt="answer@1", embedder="hash", generation=1)
HOTEL = Case(question="What is the hotel limit?", accepted=("180 EUR",), source=("travel.md",)).named()
NO_ANSWER = Case(question="Is there a submarine?", must_refuse=True).named()
QUOTE = "The hotel limit is 180 EUR per night."


def hit(address: str = "/docs/travel.md", *, title: str = "Travel policy", start: int = 0) -> RecordedHit:
    return RecordedHit(
        document_id=address,
        chunk_id=f"{address}:{start}",
        title=title,
        address=address,
        start=start,
        end=start + 9,
        score=0.5,
    )


def citation(quote: str = QUOTE, **changes: Any) -> RecordedCitation:
    given = {"n": 1, "document_id": "d", "title": "Travel policy", "heading": ("Hotels",), "address": "/docs/travel.md"}
    return RecordedCitation.model_validate({**given, "quote": quote, "start": 0, "end": len(quote), **changes})


def answer(text: str = f"{QUOTE} [1]", *quotes: str, **changes: Any) -> RecordedAnswer:
    cited = tuple(citation(quote, n=n) for n, quote in enumerate(quotes or (QUOTE,), 1))
    return RecordedAnswer.model_validate({"text": text, "style": "quote", "citations": cited, **changes})


def refusal(text: str = "The documents do not answer this question.") -> RecordedAnswer:
    return RecordedAnswer(text=text, style="refusal", nearest=("Travel policy",))


def trial(said: RecordedAnswer | str, ms: float = 10.0, verdict: Verdict | None = None) -> Trial:
    """An answer, or what went wrong."""
    if isinstance(said, str):
        return Trial(error=said, ms=ms)
    return Trial(answer=said, ms=ms, verdict=verdict)


def record(case: Case, *trials: Trial, hits: Sequence[RecordedHit] = (), error: str = "") -> CaseRecord:
    scored = tuple(one.model_copy(update={"scores": score(case, hits, one)}) for one in trials)
    return CaseRecord(case=case, hits=tuple(hits), error=error, trials=scored)


def run_of(*records: CaseRecord, name: str = "desk", judge: JudgePin | None = None, **subject: Any) -> Run:
    suite = Suite(name, tuple(one.case for one in records))
    measured = SUBJECT.model_copy(update=subject)
    return make_run(Measured(suite, measured, "local:somebody (all)", 1, NOON, records, judge))
