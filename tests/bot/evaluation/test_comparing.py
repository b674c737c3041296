from __future__ import annotations

import json
from typing import Any

import pytest

from bot.evaluation.comparing import compare
from bot.evaluation.errors import RunError
from bot.evaluation.outcomes import CaseRecord, Verdict
from bot.evaluation.runs import JudgePin
from bot.evaluation.suite import Case
from tests.bot.evaluation.conftest import HOTEL, NO_ANSWER, QUOTE, answer, citation, hit, record, refusal, run_of, trial

PIN = JudgePin(model="judge", model_sha256="ab" * 32, prompt="judge-1")


def many(right: int, of: int) -> list[CaseRecord]:
    """Cases, the first `right` of which were answered."""
    cases = (Case(id=str(n), question="q", accepted=("180 EUR",)) for n in range(of))
    return [record(case, trial(answer() if n < right else refusal(), ms=10.0 + n)) for n, case in enumerate(cases)]


def test_the_same_run_twice_has_no_difference() -> None:
    found = compare(run_of(*many(3, 5)), run_of(*many(3, 5)))
    assert found.changes == ()
    assert found.same == 5
    assert found.circumstances == ()
    assert {one.change.mean for one in found.scores.values()} == {0.0}
    assert not any(one.sure for one in found.scores.values())


def test_differences_are_of_each_case_with_itself() -> None:
    found = compare(run_of(*many(10, 40)), run_of(*many(30, 40))).scores["answer"]
    assert (found.a, found.b, found.change.mean) == (0.25, 0.75, 0.5)
    assert (found.higher, found.lower) == (20, 0)
    assert found.sure
    assert found.change.low is not None
    assert 0.3 < found.change.low < 0.5


def test_a_few_cases_that_changed_are_not_more_than_chance() -> None:
    assert not compare(run_of(*many(0, 5)), run_of(*many(5, 5))).scores["answer"].sure
    assert not compare(run_of(*many(20, 40)), run_of(*many(21, 40))).scores["answer"].sure


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (
            {"said": answer(f"{QUOTE} Breakfast is paid. [1]", f"{QUOTE} Breakfast is paid.")},
            ["another answer", "other citations"],
        ),
        ({"said": answer().model_copy(update={"citations": (citation(address="/docs/b.md"),)})}, ["other citations"]),
        ({"said": answer(), "hits": [hit(start=400), hit()]}, ["another first passage"]),
        ({"said": answer(), "hits": [hit(), hit(start=400)]}, []),
        ({"said": "Broken."}, ["another answer", "other citations", "a fault in one of them"]),
    ],
)
def test_what_changed_is_said_for_each_case(after: dict[str, Any], what: list[str]) -> None:
    before = record(HOTEL, trial(answer()), hits=[hit()])
    changed = record(HOTEL, trial(after["said"], ms=99.0), hits=after.get("hits", [hit()]))
    found = compare(run_of(before), run_of(changed))
    assert [one.others for one in found.changes] == ([what] if what else [])
    assert found.same == (0 if what else 1)


def test_flips_come_first_with_the_score_before_and_after() -> None:
    other = Case(id="other", question="Where?")
    before = run_of(record(other, trial(answer("In Bergen. [1]"))), record(HOTEL, trial(answer())))
    after = run_of(record(other, trial(answer("In Tokyo. [1]"))), record(HOTEL, trial(refusal())))
    first, second = compare(before, after).changes
    assert first.b.case == HOTEL
    assert first.flips["answer"] == (1.0, 0.0)
    assert first.flips["supported"] == (1.0, None)
    assert second.others == ["another answer"]


def test_trials_in_another_order_are_no_change() -> None:
    one, other = trial(answer()), trial(answer("180 EUR. [1]"))
    assert compare(run_of(record(HOTEL, one, other)), run_of(record(HOTEL, other, one))).changes == ()


def test_other_suites_are_refused_and_with_force_what_they_share_is_compared() -> None:
    reworded = NO_ANSWER.model_copy(update={"tags": ("new",)})
    extra = Case(id="extra", question="More?")
    old = Case(id="old", question="Less?")
    a = run_of(*(record(case, trial(refusal())) for case in (HOTEL, NO_ANSWER, old)))
    b = run_of(*(record(case, trial(answer())) for case in (HOTEL, reworded, extra)))
    with pytest.raises(RunError, match="--force"):
        compare(a, b)
    found = compare(a, b, force=True)
    assert (found.only_a, found.only_b, found.rewritten) == (("old",), ("extra",), (NO_ANSWER.id,))
    assert [change.b.case for change in found.changes] == [HOTEL]


def test_runs_with_nothing_in_common_are_not_compared() -> None:
    with pytest.raises(RunError, match="no case in common"):
        compare(run_of(*many(1, 2)), run_of(record(HOTEL, trial(answer()))), force=True)


def test_what_the_runs_differ_in_is_named() -> None:
    one = run_of(*many(1, 2), prompt="answer@1", settings={"model.name": "small", "answer.depth": 3})
    other = run_of(*many(1, 2), prompt="answer@2", settings={"model.name": "large", "answer.depth": 3})
    assert compare(one, other).circumstances == (("prompt", "answer@1", "answer@2"), ("model.name", "small", "large"))


def test_verdicts_are_compared_only_under_one_pin() -> None:
    def judged(score: float, pin: JudgePin | None) -> Any:
        return run_of(record(HOTEL, trial(answer(), verdict=Verdict(score=score, said=""))), judge=pin)

    same = compare(judged(0.0, PIN), judged(1.0, PIN)).judged
    assert same is not None
    assert same.change.mean == 1.0
    assert compare(judged(0.0, PIN), judged(1.0, PIN.model_copy(update={"prompt": "judge-2"}))).judged is None
    assert compare(judged(0.0, PIN), judged(1.0, None)).judged is None


def test_a_comparison_is_json() -> None:
    a, b = run_of(*many(1, 3)), run_of(*many(2, 3))
    told = json.loads(json.dumps(compare(a, b).as_json()))
    assert (told["a"], told["b"]) == (a.id, b.id)
    assert told["scores"]["answer"]["change"]["mean"] == pytest.approx(1 / 3)
    assert told["changes"][0]["scores"]["answer"] == [0.0, 1.0]
