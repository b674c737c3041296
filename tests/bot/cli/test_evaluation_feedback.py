from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from bot.evaluation.suite import load as load_suite
from bot.feedback import Feedback
from bot.identity import local_principal
from bot.settings import load
from bot.wiring import open_conversations, open_kura
from bot.wiring.serving import make_served
from tests.bot.cli.conftest import Ended

Kura = Callable[..., Ended]
HOTEL = "What is the hotel limit per night in Europe?"
BAND = "What is the top of the G4 engineer band?"
NEVER_JUDGED = "Are trains booked in second class?"


def put(answer_id: str, feedback: Feedback, *groups: str) -> None:
    with open_conversations(load()) as store:
        store.put_feedback(answer_id, feedback, principal=local_principal("", groups))


def asked(kura: Kura, question: str, *more: str) -> str:
    return str(kura("ask", "--json", "--thread", "t", question, *more).json["trace_id"])


@pytest.fixture
def judged(kura: Kura, ingested: Path) -> list[str]:
    """Three answers with thumbs down (a follow-up, one by somebody in hr), one with thumbs up, one without a word."""
    first, follow_up = asked(kura, HOTEL), asked(kura, "And what about breakfast there?")
    band = asked(kura, BAND, "--group", "hr")
    put(asked(kura, "How are trains booked?"), Feedback("up"))
    asked(kura, NEVER_JUDGED)
    put(first, Feedback("down", "The old limit.", " 190 EUR\n"))
    put(follow_up, Feedback("down"))
    put(band, Feedback("down", right="   "), "hr")
    return [first, follow_up, band]


def test_thumbs_down_become_cases_once(kura: Kura, judged: list[str]) -> None:
    ended = kura("eval", "add", "--from-feedback", "suite.yaml")
    assert (ended.code, ended.out.splitlines()[0]) == (0, "3 cases added to suite.yaml.")
    first, follow_up, band = load_suite(Path("suite.yaml")).cases
    assert (first.question, first.accepted, first.tags, first.source) == (HOTEL, ("190 EUR",), ("feedback",), ())
    assert first.id == f"feedback-{judged[0][:12]}"
    assert HOTEL in follow_up.question  # it stands alone
    assert follow_up.accepted == ()
    assert (band.question, band.groups) == (BAND, ("hr",))
    again = kura("eval", "add", "--from-feedback", "suite.yaml").out
    assert again == "0 cases added to suite.yaml, 3 there already.\n"


def test_prose_is_a_reference_and_what_an_answer_must_hold_is_picked(kura: Kura, ingested: Path) -> None:
    prose = "Since May 2025 the limit in Europe is 190 EUR, and Bergen has one of its own."
    answer = asked(kura, HOTEL)
    put(answer, Feedback("down", right=prose))
    listed = kura("eval", "add", "--from-feedback", "--list").out
    assert "could be --accepted: May 2025, 190, Bergen\n" in listed
    added = kura("eval", "add", "--from-feedback", "suite.yaml").out
    assert "1 case has prose as `reference`" in added
    (case,) = load_suite(Path("suite.yaml")).cases
    assert (case.reference, case.accepted) == (prose, ())
    picked = ("--answer", answer, "--accepted", "190 EUR", "--accepted", "190 euros")
    assert "prose" not in kura("eval", "add", "--from-feedback", "other.yaml", *picked).out
    (case,) = load_suite(Path("other.yaml")).cases
    assert (case.reference, case.accepted) == (prose, ("190 EUR", "190 euros"))


@pytest.mark.parametrize(
    ("right", "is_accepted"),
    [
        ("190 EUR", True),
        ("Mori Aiko", True),
        ("10日", True),
        ("It is 190.", False),
        ("the limit that was set in May", False),
        ("入社から半年が過ぎた日からもらえる", False),
    ],
)
def test_a_name_or_an_amount_is_accepted_as_it_stands(
    kura: Kura, ingested: Path, right: str, is_accepted: bool
) -> None:
    put(asked(kura, HOTEL), Feedback("down", right=right))
    assert kura("eval", "add", "--from-feedback", "suite.yaml").code == 0
    (case,) = load_suite(Path("suite.yaml")).cases
    assert (case.accepted, case.reference) == (((right,), "") if is_accepted else ((), right))


def test_a_case_that_asks_the_same_is_not_added_and_the_file_stays_as_it_was(kura: Kura, judged: list[str]) -> None:
    written = f"# by hand\n- question: {HOTEL}\n  source: travel.md\n"
    Path("suite.yaml").write_text(written, encoding="utf-8")
    assert "2 cases added to suite.yaml, 1 there already." in kura("eval", "add", "--from-feedback", "suite.yaml").out
    assert Path("suite.yaml").read_text(encoding="utf-8").startswith(written)


def test_one_answer_can_be_chosen(kura: Kura, judged: list[str]) -> None:
    assert "1 case added" in kura("eval", "add", "--from-feedback", "suite.jsonl", "--answer", judged[2]).out
    (case,) = load_suite(Path("suite.jsonl")).cases
    assert case.question == BAND
    missing = kura("eval", "add", "--from-feedback", "suite.jsonl", "--answer", "none")
    assert missing.code == 1
    assert "'none'" in missing.err


def test_what_people_asked_is_printed_for_who_asks_for_it_only(kura: Kura, judged: list[str]) -> None:
    added = kura("eval", "add", "--from-feedback", "suite.yaml")
    assert not any(told in added.out + added.err for told in (HOTEL, BAND, "190 EUR", "The old limit."))
    listed = kura("eval", "add", "--from-feedback", "--list").out
    assert all(told in listed for told in (*judged, f"asked: {HOTEL}", "wrong: The old limit.", "right: 190 EUR"))
    assert NEVER_JUDGED not in listed
    only = kura("eval", "add", "--from-feedback", "other.yaml", "--list", "--answer", judged[2]).out
    assert BAND in only
    assert HOTEL not in only
    assert not Path("other.yaml").exists()


def test_listed_text_cannot_steer_the_terminal(kura: Kura, ingested: Path) -> None:
    put(asked(kura, HOTEL), Feedback("down", "\x1b[2J gone\nbut here"))
    listed = kura("eval", "add", "--from-feedback", "--list").out
    assert "\x1b" not in listed
    assert "gone but here" in listed


def test_without_feedback_nothing_is_made(kura: Kura) -> None:
    assert kura("eval", "add", "--from-feedback", "suite.yaml").out == "0 cases added to suite.yaml.\n"
    assert not Path("suite.yaml").exists()
    assert kura("eval", "add", "--from-feedback", "--list").out == "Nobody gave an answer thumbs down.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["suite.yaml"], 2, "--from-feedback"),
        (["--from-feedback"], 2, "name the SUITE"),
        (["--from-feedback", ""], 2, "the path is empty"),
        (["--from-feedback", "suite.yaml", "--accepted", "180"], 2, "--answer"),
        (["--from-feedback", "suite.txt"], 1, "suite.txt is no suite by its name"),
        (["--from-feedback", "none/suite.yaml"], 1, "is no folder that a suite can be in (No such file or directory)"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence(
    kura: Kura, judged: list[str], arguments: list[str], code: int, says: str
) -> None:
    ended = kura("eval", "add", *arguments)
    assert ended.code == code
    assert says in ended.err


def test_what_is_said_over_http_is_a_case_beside_the_running_server(kura: Kura, ingested: Path) -> None:
    def answer(client: TestClient, thread: str) -> Any:
        return client.post("/v1/ask", json={"question": HOTEL, "thread": thread}).json()

    with open_kura(load(), holder="kura serve", alone=False) as opened:
        served = make_served(opened)
        with TestClient(served.app, base_url="http://localhost") as client:
            kept, alone = answer(client, "new"), answer(client, "")
            body = {"verdict": "down", "right": "190 EUR"}
            assert client.put(f"/v1/answers/{kept['trace_id']}/feedback", json=body).status_code == 204
            assert client.put(f"/v1/answers/{alone['trace_id']}/feedback", json=body).status_code == 404
            assert client.put(f"/v1/answers/{kept['id']}/feedback", json=body).status_code == 404
            assert "1 case added" in kura("eval", "add", "--from-feedback", "suite.yaml").out
            assert client.delete(f"/v1/answers/{kept['trace_id']}/feedback").status_code == 204
            assert "Nobody gave" in kura("eval", "add", "--from-feedback", "--list").out
