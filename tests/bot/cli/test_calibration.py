from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.calibration import calibrating
from tests.bot.calibration.conftest import write_company
from tests.bot.cli.conftest import Ended

Kura = Callable[..., Ended]


@pytest.fixture
def company(kura: Kura, tmp_path: Path) -> Path:
    """Twelve documents are in the index; returns where the calibration is kept."""
    write_company(tmp_path / "docs of a company", 12)
    assert kura("ingest", str(tmp_path / "docs of a company")).code == 0
    return tmp_path / "data" / "calibration.json"


def test_a_calibration_is_kept_and_shown_by_status_and_doctor(kura: Kura, company: Path) -> None:
    assert "Refusals:    the default threshold" in kura("status").out
    ended = kura("calibrate", "--questions", "50", "--show", "3")
    assert ended.code == 0
    assert "50 questions (50 en; 0 written by the model)" in ended.out
    assert "Kept" in ended.out
    assert len([line for line in ended.out.splitlines() if line.endswith("?")]) == 3
    stored = json.loads(company.read_text(encoding="utf-8"))
    assert f"threshold {stored['threshold']:g}, fitted on 50 questions" in kura("status").out
    assert f"threshold {stored['threshold']:g}" in kura("doctor").out


def test_a_dry_run_keeps_nothing_and_json_is_one_line_of_numbers(kura: Kura, company: Path) -> None:
    ended = kura("calibrate", "--questions", "50", "--dry-run", "--json", "--wrong-costs", "3")
    assert ended.json["wrong_costs"] == 3
    assert ended.json["fit"]["answerable"] == 50
    assert "shown" not in ended.json
    assert not company.exists()


def test_a_stale_calibration_is_told_and_no_fault(kura: Kura, company: Path) -> None:
    assert kura("calibrate", "--questions", "50").code == 0
    stored = json.loads(company.read_text(encoding="utf-8"))
    stored["pins"]["evidence"] = "of old"
    company.write_text(json.dumps(stored), encoding="utf-8")
    said = "calibrated with another scoring of evidence, so the default threshold is used: run `kura calibrate` again"
    assert said in kura("status").out
    assert f"ok     refusals: {said}" in kura("doctor").out
    assert kura("status", "--json").json["refusals"] == said


def test_a_damaged_calibration_is_a_fault_of_doctor(kura: Kura, company: Path) -> None:
    company.write_text("{", encoding="utf-8")
    ended = kura("doctor")
    assert "FAULT  refusals: calibration.json is damaged" in ended.out
    assert ended.code == 1


def test_too_few_documents_end_in_a_sentence(kura: Kura, ingested: Path) -> None:
    ended = kura("calibrate")
    assert ended.code == 1
    assert ended.err == (
        "kura: There are 3 different documents, and a calibration needs 10: ingest more; until then the default"
        " threshold is used.\n"
    )


@pytest.mark.parametrize(
    "arguments", [("--questions", "3"), ("--wrong-costs", "0"), ("--wrong-costs", "nan"), ("--show", "-1")]
)
def test_numbers_that_make_no_sense_are_wrong_usage(kura: Kura, arguments: tuple[str, str]) -> None:
    assert kura("calibrate", *arguments).code == 2


def test_an_interrupt_leaves_the_former_calibration(kura: Kura, company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kura("calibrate", "--questions", "50").code == 0
    former = company.read_bytes()

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(calibrating, "fit", interrupted)
    ended = kura("calibrate", "--questions", "50", "--wrong-costs", "9")
    assert ended.code == 130
    assert company.read_bytes() == former


def test_the_threshold_decides_what_kura_answers(kura: Kura, company: Path) -> None:
    shown = kura("calibrate", "--questions", "50", "--json", "--show", "50").json["shown"]
    question = max(shown, key=lambda one: one["score"])["question"]
    assert kura("ask", question, "--json").json["refused"] is False
    stored = json.loads(company.read_text(encoding="utf-8")) | {"threshold": 1.0, "by_language": {}}
    company.write_text(json.dumps(stored), encoding="utf-8")
    assert kura("ask", question, "--json").json["refused"] is True
