from __future__ import annotations

import pytest

from bot.evaluation.gate import GoldenOutcome, weighed
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
    assert weighed(records(1.0, 0.0, None), records(1.0, 0.0, None), 0.0).objection == ""
    assert weighed(records(1.0, 0.0), records(0.0, 1.0), 0.0).objection == ""
    assert weighed([], [], 0.0) == GoldenOutcome()


def test_worse_ones_are_named_with_the_score_that_fell() -> None:
    said = weighed(records(1.0, 1.0, 0.0), records(1.0, 0.0, 0.0), 0.1).objection
    assert "3 golden questions it answers 1 worse" in said
    assert "answer 0.667 → 0.333" in said
    assert said.endswith("Question 1?")


@pytest.mark.parametrize(("most_lost", "may"), [(0.25, True), (0.24, False)])
def test_a_fall_may_be_allowed(most_lost: float, may: bool) -> None:
    before, after = records(1.0, 1.0, 1.0, 1.0), records(1.0, 1.0, 1.0, 0.0)
    assert (weighed(before, after, most_lost).objection == "") is may


def test_what_cannot_be_scored_any_more_has_fallen() -> None:
    assert "answer 1.000 → none" in weighed(records(1.0), records(None), 0.5).objection


def test_only_a_few_questions_are_named() -> None:
    said = weighed(records(*[1.0] * 9), records(*[0.0] * 9), 0.0).objection
    assert said.count("Question") == 3
    assert said.endswith("…")


def test_what_got_worse_within_what_is_allowed_is_named() -> None:
    outcome = weighed(records(1.0, 1.0, 1.0, 1.0), records(1.0, 1.0, 1.0, 0.0), 0.25)
    assert outcome.objection == ""
    assert outcome.remark == "of 4 golden questions it answers 1 worse (answer 1.000 → 0.750, within 0.25): Question 3?"
    swapped = weighed(records(1.0, 0.0), records(0.0, 1.0), 0.0)
    assert swapped.remark == "of 2 golden questions it answers 1 worse, and as many better: Question 0?"
    assert weighed(records(0.0, 1.0), records(1.0, 1.0), 0.0) == GoldenOutcome()
