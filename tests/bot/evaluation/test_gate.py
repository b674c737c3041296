from __future__ import annotations

import pytest

from bot.evaluation.gate import objection
from bot.evaluation.outcomes import CaseRecord, Trial
from bot.evaluation.suite import Case


def records(*held: float | None, refused: float | None = None) -> list[CaseRecord]:
    return [
        CaseRecord(
            case=Case(question=f"Question {number}?", accepted=("yes",)),
            trials=(Trial(scores={"answer": value, "refusal": refused, "latency": 9.0 + (value or 0.0)}),),
        )
        for number, value in enumerate(held)
    ]


def test_answers_as_good_as_before_may_come() -> None:
    assert objection(records(1.0, 0.0, None), records(1.0, 0.0, None), 0.0) == ""
    assert objection(records(1.0, 0.0), records(0.0, 1.0), 0.0) == ""
    assert objection([], [], 0.0) == ""


def test_worse_ones_are_named_with_the_score_that_fell() -> None:
    said = objection(records(1.0, 1.0, 0.0), records(1.0, 0.0, 0.0), 0.1)
    assert "3 golden questions it answers 1 worse" in said
    assert "answer 0.667 → 0.333" in said
    assert said.endswith("Question 1?")


@pytest.mark.parametrize(("most_lost", "may"), [(0.25, True), (0.24, False)])
def test_a_fall_may_be_allowed(most_lost: float, may: bool) -> None:
    before, after = records(1.0, 1.0, 1.0, 1.0), records(1.0, 1.0, 1.0, 0.0)
    assert (objection(before, after, most_lost) == "") is may


def test_what_cannot_be_scored_any_more_has_fallen() -> None:
    assert "answer 1.000 → none" in objection(records(1.0), records(None), 0.5)


def test_only_a_few_questions_are_named() -> None:
    said = objection(records(*[1.0] * 9), records(*[0.0] * 9), 0.0)
    assert said.count("Question") == 3
    assert said.endswith("…")
