from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from bot.answers import Event, Question
from bot.assistant import Assistant
from bot.errors import Overloaded
from bot.evaluation.outcomes import CaseRecord, Verdict
from bot.evaluation.running import run
from bot.evaluation.suite import Case, Suite
from bot.fakes import HOLD, ScriptedAssistant
from models.fakes import ScriptedChat
from retrieval.access import Principal
from retrieval.filters import Filters
from tests.bot.conftest import IN_HR, SOMEBODY

HOTEL = Case(
    question="What is the hotel limit per night in Europe?", accepted=("180 EUR",), source=("travel.md",)
).named()
PAY = Case(
    question="What is the top of the G4 engineer band?", accepted=("9,800,000",), source=("pay.md",), groups=("hr",)
).named()
NOT_FOR_ALL = Case(id="not for all", question=PAY.question, must_refuse=True)
SUBMARINE = Case(question="What colour is the company's submarine?", must_refuse=True).named()


def who(case: Case) -> Principal:
    return IN_HR if case.groups else SOMEBODY


def ran(assistant: Any, *cases: Case, **given: Any) -> list[CaseRecord]:
    suite = Suite("desk", cases)
    return asyncio.run(run(suite, assistant.ask, assistant.search, principal_of=who, **given))


def test_a_suite_goes_through_the_whole_pipeline_and_is_scored(make_assistant: Callable[..., Assistant]) -> None:
    records = ran(make_assistant(), HOTEL, PAY, NOT_FOR_ALL, SUBMARINE)
    hotel, pay, not_for_all, submarine = records
    for record in (hotel, pay):
        (trial,) = record.trials
        assert not record.failed
        assert {
            name: trial.scores[name] for name in ("hit@1", "answer", "citation", "supported", "refusal")
        } == dict.fromkeys(("hit@1", "answer", "citation", "supported", "refusal"), 1.0)
    assert not_for_all.trials[0].scores["refusal"] == submarine.trials[0].scores["refusal"] == 1.0
    assert "pay.md" not in str(not_for_all)


def test_an_outcome_is_recorded_whole(make_assistant: Callable[..., Assistant]) -> None:
    (record,) = ran(make_assistant(), HOTEL)
    (trial,) = record.trials
    assert trial.answer is not None
    assert trial.answer.citations[0].address.endswith("travel.md")
    assert "".join(event.detail for event in trial.events if event.kind == "delta") == trial.answer.text
    assert [event.kind for event in trial.events][:2] == ["searching", "sources"]
    assert trial.events[-1].kind == "done"
    assert trial.ms == trial.events[-1].ms > 0
    assert record.hits[0].address == trial.answer.citations[0].address
    assert CaseRecord.model_validate_json(record.model_dump_json()) == record


def test_the_questions_a_case_follows_are_asked_first_in_a_thread_of_their_own(
    make_assistant: Callable[..., Assistant],
) -> None:
    breakfast = Case(
        question="And who pays the breakfast?",
        follows=(HOTEL.question,),
        accepted=("paid by the company",),
        source=("travel.md",),
    ).named()
    (record,) = ran(make_assistant(), breakfast, trials=2)
    assert [trial.scores["answer"] for trial in record.trials] == [1.0, 1.0]
    assert record.hits[0].address.endswith("travel.md")  # searched for as the answer took the question
    narrow = breakfast.model_copy(update={"question": f"{breakfast.question} source:elsewhere"})
    (record,) = ran(make_assistant(), narrow)
    assert record.hits == ()  # searched with its filters, too
    threads = ScriptedAssistant([Overloaded("Every place in the queue is taken.")])
    followed, _ = ran(threads, breakfast, HOTEL)
    assert "queue" in followed.trials[0].error
    first, alone = threads.questions  # what it follows was not answered: it was not asked itself
    assert (first.text, alone.thread) == (HOTEL.question, "")
    assert first.thread


def test_each_trial_is_asked_and_scored_by_itself(make_assistant: Callable[..., Assistant]) -> None:
    chat = ScriptedChat(
        answers=["The hotel limit is 180 EUR per night in Europe. [1]", "Breakfast is paid by the company. [1]"]
    )
    (record,) = ran(make_assistant(chat), HOTEL, trials=2)
    assert [trial.scores["answer"] for trial in record.trials] == [1.0, 0.0]
    assert record.mean("answer") == 0.5
    assert len(record.hits) == len({hit.chunk_id for hit in record.hits})


class Faulty:
    """Raises for one question, and answers the others."""

    def __init__(self, inner: Assistant, fault: Exception, *, at: str) -> None:
        self.inner, self.fault, self.at = inner, fault, at

    async def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        if question.text == self.at:
            raise self.fault
        async for event in self.inner.ask(question):
            yield event

    async def search(self, text: str, *, principal: Principal, k: int, filters: Filters) -> Any:
        if text == self.at:
            raise self.fault
        return await self.inner.search(text, principal=principal, k=k, filters=filters)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Overloaded("Too many."), "Too many."),
        (RuntimeError("secret /path"), "Something went wrong inside Kura (RuntimeError)"),
    ],
)
def test_a_fault_is_that_cases_and_the_rest_goes_on(
    make_assistant: Callable[..., Assistant], fault: Exception, said: str
) -> None:
    faulty, fine = ran(Faulty(make_assistant(), fault, at=SUBMARINE.question), SUBMARINE, HOTEL)
    assert faulty.failed
    assert faulty.trials[0].error.startswith(said)
    assert faulty.error.startswith(said)
    assert "secret" not in str(faulty)
    assert faulty.trials[0].scores["refusal"] == 0.0
    assert not fine.failed


def test_a_question_that_cannot_be_asked_is_its_cases_fault(make_assistant: Callable[..., Assistant]) -> None:
    long, fine = ran(make_assistant(), Case(id="long", question="why " * 2000), HOTEL)
    assert "4,000" in long.trials[0].error
    assert not fine.failed


def test_an_assistant_that_says_nothing_is_a_fault() -> None:
    (record,) = ran(ScriptedAssistant(()), HOTEL)
    assert record.trials[0].error == "The assistant ended without an answer."


def test_progress_is_told_after_each_case(make_assistant: Callable[..., Assistant]) -> None:
    told: list[tuple[int, int, str]] = []
    ran(
        make_assistant(), HOTEL, SUBMARINE, on_progress=lambda done, total, one: told.append((done, total, one.case.id))
    )
    assert told == [(1, 2, HOTEL.id), (2, 2, SUBMARINE.id)]


def test_a_cancel_ends_everything_and_closes_the_answer() -> None:
    assistant = ScriptedAssistant([HOLD])

    async def cancelled() -> None:
        running = asyncio.create_task(
            run(Suite("desk", (HOTEL, SUBMARINE)), assistant.ask, assistant.search, principal_of=who)
        )
        await assistant.holding.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert assistant.closed.is_set()

    asyncio.run(cancelled())
    assert len(assistant.questions) == 1


class Judge:
    """Finds everything right, or fails."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.asked: list[str] = []

    async def weigh(self, case: Case, answer: str) -> Verdict | None:
        self.asked.append(case.id)
        if self.fault:
            raise self.fault
        return Verdict(score=1.0, said="fine")


def test_the_judge_weighs_answers_and_no_refusals_and_changes_no_score(
    make_assistant: Callable[..., Assistant],
) -> None:
    judge = Judge()
    hotel, submarine = ran(make_assistant(), HOTEL, SUBMARINE, judge=judge)
    assert judge.asked == [HOTEL.id]
    assert hotel.verdict() == 1.0
    assert submarine.verdict() is None
    unjudged, _ = ran(make_assistant(), HOTEL, SUBMARINE)
    same = [name for name in hotel.trials[0].scores if name != "latency_ms"]
    assert [hotel.trials[0].scores[name] for name in same] == [unjudged.trials[0].scores[name] for name in same]


def test_a_judge_that_fails_has_said_nothing(make_assistant: Callable[..., Assistant]) -> None:
    (record,) = ran(make_assistant(), HOTEL, judge=Judge(Overloaded("Too many.")))
    assert record.trials[0].verdict == Verdict(score=None, said="Too many.")
    assert record.verdict() is None
    assert not record.failed
