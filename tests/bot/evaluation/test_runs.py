from __future__ import annotations

from pathlib import Path

import pytest

from bot.evaluation.errors import RunError
from bot.evaluation.outcomes import Verdict
from bot.evaluation.runs import FOLDER, JudgePin, Run, RunStore
from tests.bot.evaluation.conftest import HOTEL, NO_ANSWER, answer, hit, record, refusal, run_of, trial

PIN = JudgePin(model="judge", model_sha256="ab" * 32, prompt="judge-1")


def some_run() -> Run:
    return run_of(record(HOTEL, trial(answer()), hits=[hit()]), record(NO_ANSWER, trial(refusal())))


def test_a_run_comes_back_as_it_was_and_is_its_owners_alone(tmp_path: Path) -> None:
    store, run = RunStore(tmp_path), some_run()
    path = store.put(run)
    assert store.get(run.id) == run
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_means_are_over_the_cases_that_a_score_applies_to() -> None:
    run = run_of(
        record(HOTEL, trial(answer()), trial(refusal()), hits=[hit()]),
        record(NO_ANSWER, trial(refusal()), trial(refusal())),
        record(NO_ANSWER.model_copy(update={"id": "other"}), trial("Broken."), trial("Broken."), error="Broken."),
    )
    assert (run.scores["answer"].mean, run.scores["answer"].cases) == (0.5, 1)
    assert (run.scores["refusal"].mean, run.scores["refusal"].cases) == (0.5, 3)
    assert "tokens" not in run.scores
    assert run.failed == 1


def test_the_judge_is_summed_up_apart_and_what_it_left_open_is_counted() -> None:
    verdicts = (Verdict(score=1.0, said="VERDICT: RIGHT"), Verdict(score=None, said="hm"))
    run = run_of(record(HOTEL, *(trial(answer(), verdict=one) for one in verdicts)), judge=PIN)
    assert run.judged is not None
    assert run.judged.summary is not None
    assert (run.judged.summary.mean, run.judged.unread, run.judged.pin) == (1.0, 1, PIN)
    assert "judge" not in run.scores
    assert some_run().judged is None


def test_a_run_is_found_by_what_its_id_alone_begins_or_ends_with(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    first, second = (
        some_run().model_copy(update={"id": id_}) for id_ in ("20260401T120000-aaaaaa", "20260402T120000-bbbbbb")
    )
    store.put(first)
    store.put(second)
    assert store.get("latest") == store.get("20260402") == store.get("bbbbbb") == second
    assert list(store.every()) == [second, first]
    for name in ("2026", "", "cccccc", "../20260402T120000-bbbbbb", "aaaaa"):
        with pytest.raises(RunError, match="kura eval list"):
            store.get(name)


def test_no_runs_are_told_as_that(tmp_path: Path) -> None:
    assert list(RunStore(tmp_path).every()) == []
    with pytest.raises(RunError, match="kura eval run"):
        RunStore(tmp_path).get("latest")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 2}', "\x00\xff"])
def test_a_damaged_run_is_one_sentence_and_hides_no_other(tmp_path: Path, damage: str) -> None:
    store, run = RunStore(tmp_path), some_run()
    store.put(run)
    (tmp_path / FOLDER / "20260301T000000-abcdef.json").write_text(damage, encoding="latin-1")
    (tmp_path / FOLDER / "notes.json").write_text("mine")
    with pytest.raises(RunError, match="20260301T000000-abcdef") as caught:
        store.get("20260301T000000-abcdef")
    assert "\n" not in str(caught.value)
    found = list(store.every())
    assert found[0] == run
    assert isinstance(found[1], RunError)
    assert len(found) == 2


def test_a_run_under_another_name_is_not_taken_for_that_one(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    path = store.put(some_run())
    path.rename(path.with_name("20260301T000000-abcdef.json"))
    with pytest.raises(RunError, match="says it is"):
        store.get("latest")


def test_a_run_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    store, run = RunStore(tmp_path), some_run()
    (tmp_path / FOLDER / f"{run.id}.json").mkdir(parents=True)
    with pytest.raises(RunError, match="cannot be kept"):
        store.put(run)
    assert [one.name for one in (tmp_path / FOLDER).iterdir()] == [f"{run.id}.json"]


def test_a_run_of_before_fields_came_is_still_read(tmp_path: Path) -> None:
    store, run = RunStore(tmp_path), some_run()
    path = store.put(run)
    path.write_text(run.model_dump_json(exclude_defaults=True))
    assert store.get(run.id) == run
