from __future__ import annotations

from pathlib import Path

import pytest

from bot.evaluation.errors import RunError
from bot.evaluation.golden import FILE, GoldenBook, changed, inspected
from bot.evaluation.runs import FOLDER
from tests.bot.evaluation.conftest import HOTEL, NO_ANSWER, SUBJECT, answer, record, refusal, run_of, trial

GOOD = record(HOTEL, trial(answer()))
BAD = record(HOTEL, trial(refusal()))


def test_the_run_that_was_accepted_last_is_the_measure(tmp_path: Path) -> None:
    book = GoldenBook(tmp_path)
    assert (book.accepted(), book.refused(), book.despite, book.why) == (None, None, "", "")
    first, second, worse = run_of(GOOD), run_of(GOOD, record(NO_ANSWER, trial(refusal()))), run_of(BAD)
    book.accept(first)
    book.accept(second)
    book.refuse(worse, "It answers worse.")
    again = GoldenBook(tmp_path)
    assert (again.accepted(), again.refused(), again.why) == (second, worse, "It answers worse.")
    again.accept(worse, despite="it answers worse")
    assert (book.accepted(), book.refused(), book.despite) == (worse, None, "it answers worse")
    book.forget()
    assert (book.accepted(), book.despite) == (None, "")
    assert (tmp_path / FOLDER / FILE).stat().st_mode & 0o777 == 0o600


def test_a_run_whose_file_was_removed_measures_nothing(tmp_path: Path) -> None:
    book, run = GoldenBook(tmp_path), run_of(GOOD)
    book.accept(run)
    (tmp_path / FOLDER / f"{run.id}.json").unlink()
    assert book.accepted() is None


def test_a_damaged_file_is_a_sentence(tmp_path: Path) -> None:
    book = GoldenBook(tmp_path)
    book.accept(run_of(GOOD))
    (tmp_path / FOLDER / FILE).write_text("{")
    with pytest.raises(RunError, match=r"golden\.json is damaged"):
        book.accepted()


def test_how_they_stand_is_told_without_asking(tmp_path: Path) -> None:
    suite, book = tmp_path / "golden.yaml", GoldenBook(tmp_path)
    suite.write_text("- question: Why?\n")
    book.accept(run_of(GOOD), despite="of 9 golden questions it answers 1 worse: Why?")
    assert inspected(suite, tmp_path, []) == (
        f"1 question in {suite}, accepted at 2026-04-01 12:00 UTC, overruling that of 9 golden questions it answers 1 worse: Why?"
    )
    book.refuse(run_of(BAD), "It answers worse.")
    assert inspected(suite, tmp_path, []).endswith("; refused since, and not started with: It answers worse.")


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ({"model": "larger"}, ["model scripted → larger"]),
        ({"model_sha256": "a" * 64}, ["model sha256 none → " + "a" * 39 + "…"]),
        ({"prompt": "answer@2"}, ["prompt answer@1 → answer@2"]),
        ({"evidence": "3"}, ["scoring of evidence none → 3"]),
        ({"threshold": "0.4"}, ["threshold none → 0.4"]),
        ({"kura": "0.2.0"}, ["Kura 0.1.0 → 0.2.0"]),
        ({"settings": {"model.first_token_s": 3.0}}, ["model.first_token_s none → 3.0"]),
        ({"generation": 2, "documents": "9 (abc)"}, []),
        ({"settings": {"answer.golden": "/other.yaml", "answer.golden_loss": 0.1, "ingest.workers": 2}}, []),
    ],
)
def test_what_answers_is_told_from_what_does_not_matter_to_answers(
    difference: dict[str, object], said: list[str]
) -> None:
    assert changed(SUBJECT, SUBJECT.model_copy(update=difference)) == said
