"""`kura eval`: a suite run, listed, shown, compared, reported, and used as a gate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.evaluation import running
from bot.evaluation.runs import FOLDER
from retrieval.data_folder import DataFolder
from tests.bot.cli.conftest import Ended

Kura = Callable[..., Ended]
SUITE = """\
- question: What is the hotel limit per night in Europe?
  accepted: 180 EUR
  source: travel.md
- question: What is the top of the G4 engineer band?
  accepted: 9,800,000
  source: people/pay.md
  groups: hr
- id: not for all
  question: What is the top of the G4 engineer band?
  must_refuse: true
"""


@pytest.fixture
def suite(ingested: Path) -> str:
    Path("desk.yaml").write_text(SUITE)
    return "desk.yaml"


@pytest.fixture
def run(kura: Kura, suite: str) -> str:
    """The id of a run that was kept."""
    return str(kura("eval", "run", suite, "--json").json["runs"][0]["id"])


def kept(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "data" / FOLDER).glob("*"))


def test_a_run_is_scored_printed_and_kept(kura: Kura, suite: str, tmp_path: Path) -> None:
    ended = kura("eval", "run", suite, "--trials", "3")
    assert ended.code == 0
    assert "answer       1.000" in ended.out
    assert "refusal      1.000" in ended.out
    assert "asked once" in ended.err  # the starter model quotes
    (path,) = kept(tmp_path)
    run = json.loads(path.read_text())
    assert [len(case["trials"]) for case in run["cases"]] == [1, 1, 1]
    assert run["subject"]["generation"] == 1
    assert kura("eval", "list").out.startswith(run["id"])
    assert kura("eval", "show", "latest", "--json").json == run
    assert kura("eval", "show", run["id"]).out == ended.out


def test_the_person_who_asks_is_said_on_the_command_line_unless_a_case_says(kura: Kura, suite: str) -> None:
    ended = kura("eval", "run", suite, "--group", "hr", "--json")
    scores = ended.json["runs"][0]["scores"]
    assert (scores["refusal"]["mean"], scores["answer"]["mean"]) == (pytest.approx(2 / 3), 1.0)
    assert "hr" in ended.json["runs"][0]["asked_as"]


def test_two_settings_are_run_and_compared(kura: Kura, suite: str) -> None:
    Path("a.toml").write_text("")
    Path("b.toml").write_text("[model]\nfirst_token_s = 3.0\n")
    ended = kura("eval", "run", suite, "--config", "a.toml", "--config", "b.toml")
    assert ended.code == 0
    assert "model.first_token_s: 15.0 → 3.0" in ended.out
    assert "0 cases came out differently, 3 the same." in ended.out
    told = kura("eval", "run", suite, "--config", "a.toml", "--config", "b.toml", "--json").json
    assert (len(told["runs"]), told["comparison"]["same"]) == (2, 3)


def test_runs_are_compared_and_reported_as_pages(kura: Kura, run: str, suite: str) -> None:
    again = kura("eval", "run", suite, "--json").json["runs"][0]["id"]
    ended = kura("eval", "compare", run, again, "--html", "both.html")
    assert ended.code == 0
    assert f"From {run} to {again}" in ended.out
    assert kura("eval", "compare", run, again, "--json").json["changes"] == []
    assert kura("eval", "report", run, "--html", "run.html").code == 0
    for name in ("both.html", "run.html"):
        assert Path(name).read_text(encoding="utf-8").startswith("<!doctype html>")
        assert Path(name).stat().st_mode & 0o777 == 0o600
    assert kura("eval", "report", run, "--html", "none/run.html").code == 1


def test_a_changed_suite_is_compared_by_force_alone(kura: Kura, run: str, suite: str) -> None:
    Path(suite).write_text(SUITE + "- question: More?\n")
    again = kura("eval", "run", suite, "--json").json["runs"][0]["id"]
    ended = kura("eval", "compare", run, again)
    assert (ended.code, "--force" in ended.err) == (1, True)
    assert "Only in the second run" in kura("eval", "compare", run, again, "--force").out


def test_a_score_below_its_bound_fails_and_the_run_is_kept(kura: Kura, suite: str, tmp_path: Path) -> None:
    assert kura("eval", "run", suite, "--fail-below", "answer=1", "--fail-below", "refusal=0.9").code == 0
    Path(suite).write_text(SUITE.replace("180 EUR", "190 EUR"))
    ended = kura("eval", "run", suite, "--fail-below", "answer=0.9")
    assert ended.code == 1
    assert "answer is 0.5000, below 0.9" in ended.err
    assert len(kept(tmp_path)) == 2
    Path(suite).write_text("- question: What is the hotel limit?\n")
    assert "no case has the score answer" in kura("eval", "run", suite, "--fail-below", "answer=0.1").err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--fail-below", "answer"),
        ("--fail-below", "answer=high"),
        ("--fail-below", "answer=90"),
        ("--fail-below", "answer=nan"),
        ("--fail-below", "latency_ms=0.5"),
        ("--trials", "0"),
        ("--config", "a.toml", "--config", "b.toml", "--config", "c.toml"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(
    kura: Kura, suite: str, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert kura("eval", "run", suite, *arguments).code == 2
    assert kept(tmp_path) == []


def test_a_faulty_suite_or_run_is_one_sentence(kura: Kura, tmp_path: Path) -> None:
    Path("bad.yaml").write_text("- question: a\n  answer: b\n")
    for arguments, said in (
        (("run", "bad.yaml"), "bad.yaml: line 1 (case 1): answer: a case has no such key"),
        (("run", "none.yaml"), "none.yaml cannot be read"),
        (("show", "latest"), "No evaluation was run yet"),
    ):
        ended = kura("eval", *arguments)
        assert ended.code == 1
        assert said in ended.err
        assert ended.err.count("\n") == 1


def test_a_damaged_run_is_told_beside_the_others(kura: Kura, run: str, tmp_path: Path) -> None:
    (tmp_path / "data" / FOLDER / "20260101T000000-abcdef.json").write_text("{")
    ended = kura("eval", "list")
    assert ended.code == 0
    assert run in ended.out
    assert "is damaged" in ended.err


def test_a_server_that_holds_the_folder_is_named_in_one_sentence(kura: Kura, suite: str, tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data", holder="kura serve"):
        ended = kura("eval", "run", suite)
        assert ended.code == 1
        assert "in use by kura serve" in ended.err
        assert ended.err.count("\n") == 1
        assert kura("eval", "list").code == 0


def test_an_empty_index_is_hinted_at(kura: Kura) -> None:
    Path("desk.yaml").write_text("- question: Is there a submarine?\n  must_refuse: true\n")
    ended = kura("eval", "run", "desk.yaml")
    assert ended.code == 0
    assert "Nothing has been ingested yet" in ended.err


def test_an_interrupted_run_leaves_nothing(
    kura: Kura, suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "score", interrupt)
    assert kura("eval", "run", suite).code == 130
    assert kept(tmp_path) == []


def test_a_run_in_which_nothing_could_be_asked_fails(kura: Kura, suite: str) -> None:
    Path(suite).write_text(f"- question: {'why ' * 2000}\n")
    ended = kura("eval", "run", suite)
    assert ended.code == 1
    assert "at most 4,000 are read" in ended.err
