from __future__ import annotations

import pytest

from bot.evaluation.gate import GoldenOutcome, unasked, weighed
from bot.evaluation.outcomes import CaseRecord
from bot.evaluation.suite import Case
from tests.bot.evaluation.conftest import answer, record, refusal, trial

YES, NO = "The limit is yes.", "The limit is no."


def records(*held: float | None, **expected: object) -> list[CaseRecord]:
    """Of each question, an answer that holds what is accepted (1), one that does not (0), or a refusal."""
    said = {1.0: answer(f"{YES} [1]", YES), 0.0: answer(f"{NO} [1]", NO), None: refusal()}
    return [
        record(
            Case.model_validate({"question": f"Question {number}?", "accepted": ("yes",), **expected}),
            trial(said[value]),
        )
        for number, value in enumerate(held)
    ]


def test_answers_as_good_as_before_may_come() -> None:
    assert weighed(records(1.0, 0.0, None), records(1.0, 0.0, None), 0.0).objection == ""
    assert weighed(records(1.0, 0.0), records(0.0, 1.0), 0.0).objection == ""


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
    assert "supported 1.000 → none" in weighed(records(1.0), records(None), 0.5).objection


def test_only_a_few_questions_are_named() -> None:
    said = weighed(records(*[1.0] * 9), records(*[0.0] * 9), 0.0).objection
    assert said.count("Question") == 3
    assert said.endswith("…")


def test_what_got_worse_within_what_is_allowed_is_named() -> None:
    outcome = weighed(records(1.0, 1.0, 1.0, 1.0), records(1.0, 1.0, 1.0, 0.0), 0.25)
    assert outcome.objection == ""
    assert outcome.remark == (
        "of 4 golden questions it answers 1 worse (answer 1.000 → 0.750, citation 1.000 → 0.750, within 0.25): Question 3?"
    )
    swapped = weighed(records(1.0, 0.0), records(0.0, 1.0), 0.0)
    assert swapped.remark == "of 2 golden questions it answers 1 worse, and as many better: Question 0?"
    assert weighed(records(0.0, 1.0), records(1.0, 1.0), 0.0) == GoldenOutcome()


def test_a_question_is_compared_with_itself_by_what_its_case_expects_now() -> None:
    before = records(1.0, 1.0, id="former", tags=("travel",))
    assert "answers 1 worse" in weighed(before, records(1.0, 0.0), 0.0).objection
    corrected = records(0.0, 0.0, accepted=("no",))  # the former answers are wrong now, the present ones right
    assert weighed(before, corrected, 0.0) == GoldenOutcome()


def test_where_no_question_is_the_same_that_is_said() -> None:
    before, after = records(1.0), records(0.0)
    for other in ({"question": "What else?"}, {"groups": ("hr",)}, {"follows": ("And?",)}):
        changed = [one.model_copy(update={"case": one.case.model_copy(update=other)}) for one in after]
        outcome = weighed(before, changed, 0.0)
        assert (outcome.objection, "nothing was compared" in outcome.remark) == ("", True)


def test_questions_that_could_not_be_asked_are_told_with_the_first_reason() -> None:
    case = Case(question="Why?")
    assert unasked(records(1.0, 0.0)) == ""
    failed = [record(case, trial("Too many wait.")), record(case, trial(answer()), error="No search.")]
    assert unasked([*records(1.0), *failed]) == "2 golden questions could not be asked (Why?: Too many wait)"
