from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.calibration import calibrating
from bot.calibration.calibrating import LEAST_DOCUMENTS, Calibrator
from bot.calibration.errors import CannotCalibrate
from bot.evidence import VERSION
from retrieval.index import Index
from retrieval.passages import StoredChunk
from retrieval.search import Searcher

Company = Callable[[int], Index]


def test_what_is_there_scores_above_what_was_left_out(company: Company) -> None:
    index = company(12)
    told: list[tuple[int, int]] = []
    outcome = Calibrator(index, Searcher(index)).run(50, on_progress=lambda *at: told.append(at))
    assert len(outcome.asked) == 50
    assert told == [(done, 50) for done in range(1, 51)]
    assert outcome.common.auc > 0.9
    assert outcome.common.answerable == 50
    assert outcome.common.unanswerable == sum(one.without is not None for one in outcome.asked) + outcome.foreign
    assert outcome.common.unanswerable > 40 + outcome.foreign
    assert 0 < outcome.foreign <= 0.2 * outcome.common.unanswerable
    assert outcome.calibration.questions == {"en": 50}
    assert outcome.calibration.pins.model_dump() == {"evidence": VERSION, "embedder": "hashing-64", "recipe": ""}
    assert outcome.calibration.threshold == outcome.common.threshold


def test_documents_of_all_readers_are_asked_about(company: Company) -> None:
    index = company(12)
    asked = Calibrator(index, Searcher(index)).run(50).asked
    assert len({one.made.document_id for one in asked}) == 12


def test_the_same_index_gives_the_same_calibration(company: Company) -> None:
    index = company(12)
    first, second = (Calibrator(index, Searcher(index)).run(50) for _ in range(2))
    assert first.asked == second.asked
    assert first.common == second.common


def test_dear_wrong_answers_do_not_lower_the_threshold(company: Company) -> None:
    calibrator = Calibrator(index := company(12), Searcher(index))
    assert calibrator.run(50, wrong_costs=10).common.best >= calibrator.run(50, wrong_costs=0.1).common.best


def test_too_few_documents_are_refused_in_a_sentence(company: Company) -> None:
    index = company(LEAST_DOCUMENTS - 1)
    with pytest.raises(
        CannotCalibrate, match=r"There are 9 different documents, and a calibration needs 10: ingest more"
    ):
        Calibrator(index, Searcher(index)).run(50)


def test_an_empty_index_is_refused_in_a_sentence(company: Company) -> None:
    index = company(0)
    with pytest.raises(CannotCalibrate, match="There are 0 different documents"):
        Calibrator(index, Searcher(index)).run(50)


def test_too_few_questions_are_refused_in_a_sentence(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    index = company(12)
    monkeypatch.setattr(calibrating, "LEAST_QUESTIONS", 60)
    with pytest.raises(CannotCalibrate, match="Only 50 questions could be made"):
        Calibrator(index, Searcher(index)).run(50)


def test_a_question_that_search_answers_with_other_passages_is_discarded(company: Company) -> None:
    index = company(12)

    def write(chunk: StoredChunk) -> str:
        return "Who feeds the carp of the mirror pond in the garden?" if chunk.id % 3 == 0 else ""

    outcome = Calibrator(index, Searcher(index), write).run(50)
    assert outcome.not_found > 0
    assert outcome.not_found > sum(one.made.written for one in outcome.asked)


def test_a_copy_that_stays_behind_is_no_example_of_a_question_to_refuse(company: Company) -> None:
    index = company(12)
    calibrator = Calibrator(index, Searcher(index))
    everybody = calibrator._everybody()
    (made, *_) = calibrator._made(calibrator._material(principal=everybody)[1], principal=everybody)
    kept = calibrator._asked(made, ["0" * 16], principal=everybody)  # a group that leaves the passage where it is
    assert kept is not None
    assert kept.without is None


def test_nothing_of_a_document_is_in_the_figures(company: Company) -> None:
    index = company(12)
    outcome = Calibrator(index, Searcher(index)).run(50)
    figures = str(outcome.as_json()) + outcome.calibration.model_dump_json()
    words = {word for one in outcome.asked for word in one.made.text.rstrip("?").split() if len(word) > 5}
    assert not [word for word in words if word in figures]


def test_an_answer_that_another_document_gives_is_no_example_of_a_question_to_refuse(
    company: Company,
) -> None:
    index = company(12)
    calibrator = Calibrator(index, Searcher(index))
    everybody = calibrator._everybody()
    (made, *_) = calibrator._made(calibrator._material(principal=everybody)[1], principal=everybody)
    given = replace(made, sentence="of another document, word for word", answer=made.answer)
    elsewhere = calibrator._asked(given, ["0" * 16], principal=everybody)
    assert elsewhere is not None
    assert elsewhere.without is None
    other = calibrator._asked(replace(given, answer="nowhere told"), ["0" * 16], principal=everybody)
    assert other is not None
    assert other.without == pytest.approx(other.score)
