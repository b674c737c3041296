from __future__ import annotations

from bot.evaluation.outcomes import Verdict
from tests.bot.evaluation.conftest import HOTEL, answer, citation, hit, record, refusal, trial


def test_a_case_has_the_mean_over_the_trials_that_a_score_applies_to() -> None:
    both = record(HOTEL, trial(answer()), trial(refusal()))
    assert both.mean("answer") == 0.5
    assert both.values("supported") == [1.0]
    assert both.mean("tokens") is None


def test_a_fault_in_any_trial_or_in_the_search_is_the_cases() -> None:
    assert not record(HOTEL, trial(answer())).failed
    assert record(HOTEL, trial(answer()), trial("Broken.")).failed
    assert record(HOTEL, trial(answer()), error="Broken.").failed


def test_verdicts_that_could_not_be_read_do_not_count() -> None:
    given = [Verdict(score=0.5, said=""), Verdict(score=None, said=""), None]
    assert record(HOTEL, *(trial(answer(), verdict=one) for one in given)).verdict() == 0.5
    assert record(HOTEL, trial(answer())).verdict() is None


def test_names_of_files_that_are_no_text_can_be_kept() -> None:
    name = "/docs/caf\udce9.md"
    said = answer().model_copy(update={"citations": (citation(address=name, title=name),)})
    kept = record(HOTEL, trial(said), hits=[hit(name, title=name)]).model_dump_json()
    assert "/docs/caf?.md" in kept
