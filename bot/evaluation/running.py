"""Runs a suite through anything that asks and searches as an assistant does, and records what came of each case.

Case after case, so that times mean something. Knows no front end, no wiring, and no place where runs are kept.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Protocol
from uuid import uuid4

import structlog

from bot.answers import Delta, Done, Event, Question, Refused, Searching
from bot.errors import BotError, explain
from bot.evaluation.outcomes import (
    CaseRecord,
    RecordedEvent,
    RecordedHit,
    Trial,
    Verdict,
    recorded_answer,
    recorded_hit,
)
from bot.evaluation.scorers import DEPTH, score
from bot.evaluation.suite import Case, Suite
from retrieval.access import Principal
from retrieval.documents import Hit
from retrieval.filters import NO_FILTERS, Filters

Ask = Callable[[Question], AsyncGenerator[Event, None]]
"""`Assistant.ask`."""


class Search(Protocol):
    """`Assistant.search`."""

    def __call__(self, text: str, *, principal: Principal, k: int, filters: Filters) -> Awaitable[Sequence[Hit]]: ...


class Judging(Protocol):
    """Weighs an answer against a case's reference: `bot/evaluation/judging.py` does."""

    async def weigh(self, case: Case, answer: str) -> Verdict | None:
        """None where there is nothing to compare with. Raises what its model raises."""


class _NoAnswer(BotError):
    """The assistant ended without a word."""


Progress = Callable[[int, int, CaseRecord], object]
"""Hears after each case how many are done, of how many, and what came of it."""


async def run(
    suite: Suite,
    ask: Ask,
    search: Search,
    *,
    principal_of: Callable[[Case], Principal],
    trials: int = 1,
    judge: Judging | None = None,
    on_progress: Progress = lambda done, total, record: None,
) -> list[CaseRecord]:
    """Ask every case `trials` times (at least 1) as the person that `principal_of` names, each time in a conversation
    of its own that begins with the questions it follows, or in none.

    A fault in a case is recorded there, in a sentence, and the next case goes on. A cancel ends everything at once.
    """
    records: list[CaseRecord] = []
    for case in suite.cases:
        record = await _case(case, ask, search, principal_of(case), trials, judge)
        records.append(record)
        on_progress(len(records), len(suite.cases), record)
    return records


async def _case(case: Case, ask: Ask, search: Search, who: Principal, trials: int, judge: Judging | None) -> CaseRecord:
    # 1. Ask before the search, whose warm caches would make answers look quick.
    asked = [await _asked(case, ask, who, number) for number in range(1, trials + 1)]
    # 2. Search.
    hits: tuple[RecordedHit, ...] = ()
    error = ""
    started = time.perf_counter()
    try:
        text, filters = _searched(case, asked[0][1])
        hits = tuple(map(recorded_hit, await search(text, principal=who, k=DEPTH, filters=filters)))
    except Exception as fault:  # noqa: BLE001 - recorded as the case's, whatever it is
        error = _told(fault, case)
    search_ms = _ms_since(started)
    # 3. Score, and let the judge weigh.
    scored = [
        trial.model_copy(update={"scores": score(case, hits, trial), "verdict": await _verdict(case, trial, judge)})
        for trial, _ in asked
    ]
    return CaseRecord(case=case, hits=hits, error=error, search_ms=search_ms, trials=tuple(scored))


async def _asked(case: Case, ask: Ask, who: Principal, number: int) -> tuple[Trial, Searching | None]:
    """What came of it, and what was searched for in the end; None where it did not come so far."""
    events: list[RecordedEvent] = []
    searching: Searching | None = None
    thread = f"eval_{uuid4().hex}" if case.follows else ""
    started = time.perf_counter()
    try:
        for earlier in case.follows:
            async with aclosing(ask(Question(f"{case.id}/{number}", earlier, who, thread))) as stream:
                async for _ in stream:
                    pass
        started = time.perf_counter()
        async with aclosing(ask(Question(f"{case.id}/{number}", case.question, who, thread))) as stream:
            async for event in stream:
                ms = _ms_since(started)
                events.append(RecordedEvent(kind=type(event).__name__.lower(), ms=ms, detail=_detail(event)))
                if isinstance(event, Searching):
                    searching = event
                if isinstance(event, Done | Refused):
                    return Trial(answer=recorded_answer(event.answer), events=tuple(events), ms=ms), searching
        raise _NoAnswer("The assistant ended without an answer.")
    except Exception as fault:  # noqa: BLE001 - recorded as the case's, whatever it is
        return Trial(error=_told(fault, case), events=tuple(events), ms=_ms_since(started)), searching


def _searched(case: Case, first: Searching | None) -> tuple[str, Filters]:
    """What to search for: a question that follows others as the first answer took it, made to stand alone."""
    if case.follows and first is not None:
        return first.query, first.filters
    return case.question, NO_FILTERS  # those in its text are read by the search


async def _verdict(case: Case, trial: Trial, judge: Judging | None) -> Verdict | None:
    if judge is None or trial.answer is None or trial.answer.refused:
        return None
    try:
        return await judge.weigh(case, trial.answer.text)
    except Exception as fault:  # noqa: BLE001 - a judge that fails has said nothing; the scores stand
        return Verdict(score=None, said=_told(fault, case))


def _detail(event: Event) -> str:
    match event:
        case Searching(query):
            return query
        case Delta(text):
            return text
        case _:
            return ""


def _told(fault: Exception, case: Case) -> str:
    explained = explain(fault)
    if explained.known:
        return explained.sentence
    structlog.get_logger(__name__).error("Unforeseen fault in a case.", case=case.id, exc_info=fault)
    return f"Something went wrong inside Kura ({type(fault).__name__}); the log has the details."


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
