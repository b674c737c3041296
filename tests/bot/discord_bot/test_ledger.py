from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.discord_bot.ledger import Cited, Ledger, Post, Waiting

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
ASKED = Waiting(event=10, asker=1, channel=5, question="年休は何日?", locale="ja", asked_at=NOW, token="t")
QUOTE = Cited(1, "d1", "Leave", "hr/leave.md", ("Leave", "Days"), 3, None, "Twenty-five days.")
POSTED = Post("a1", 1, 7, 5, 20, "How many days?", "en-GB", False, NOW, (QUOTE, replace(QUOTE, n=2, page=4)))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "data")
    yield opened
    opened.close()


def test_a_question_is_taken_up_once_even_after_it_is_done(ledger: Ledger) -> None:
    assert ledger.take(ASKED)
    assert not ledger.take(ASKED)
    ledger.placed(10, channel=6, message=21)
    assert ledger.waiting() == [replace(ASKED, channel=6, message=21)]
    ledger.done(10)
    assert ledger.waiting() == []
    assert not ledger.take(ASKED)


def test_a_question_whose_answer_is_noted_is_done_in_the_same_moment(ledger: Ledger) -> None:
    ledger.take(ASKED)
    ledger.posted(POSTED, event=ASKED.event)
    assert ledger.waiting() == []


def test_what_was_forgotten_while_it_was_answered_is_not_noted(ledger: Ledger) -> None:
    ledger.take(ASKED)
    ledger.forget(ASKED.asker)
    ledger.posted(POSTED, event=ASKED.event)
    assert ledger.post("a1") is None


def test_what_was_under_way_is_found_by_the_next_run(tmp_path: Path) -> None:
    first = Ledger(tmp_path)
    first.take(ASKED)
    first.close()
    second = Ledger(tmp_path)
    assert second.waiting() == [ASKED]
    second.close()


def test_what_somebody_says_of_an_answer_is_one_verdict_that_goes_with_the_answer(ledger: Ledger) -> None:
    ledger.posted(POSTED)
    ledger.say("a1", 1, "up")
    ledger.say("a1", 2, "up")
    ledger.say("a1", 1, "down")
    ledger.say("a2", 1, "down")  # of no answer that stands here
    assert (ledger.said("a1", 1), ledger.said("a1", 2), ledger.said("a2", 1)) == ("down", "up", None)
    ledger.say("a1", 1, None)
    assert ledger.said("a1", 1) is None
    ledger.forget(2)
    assert ledger.said("a1", 2) is None
    ledger.say("a1", 2, "down")
    ledger.drop("a1")
    ledger.posted(POSTED)
    assert ledger.said("a1", 2) is None


def test_the_quotes_of_a_post_may_move_without_anything_else_of_it(ledger: Ledger) -> None:
    ledger.posted(POSTED)
    ledger.say("a1", 2, "up")
    moved = replace(QUOTE, document="d9", address="new.md")
    ledger.cites("a1", [moved])
    assert ledger.post("a1") == replace(POSTED, cited=(moved,))
    assert ledger.said("a1", 2) == "up"


def test_a_post_is_found_by_answer_and_by_message(ledger: Ledger) -> None:
    ledger.posted(POSTED)
    assert ledger.post("a1") == ledger.post_of_message(20) == POSTED
    assert ledger.post("a2") is ledger.post_of_message(21) is None
    ledger.posted(replace(POSTED, message=22, cited=()))
    assert ledger.post("a1") == replace(POSTED, message=22, cited=())
    ledger.drop("a1")
    assert ledger.post("a1") is None


def test_an_answer_is_corrected_once_and_only_while_it_is_fresh(ledger: Ledger) -> None:
    ledger.posted(POSTED)
    ledger.posted(replace(POSTED, answer="a2", message=23, cited=()))
    assert [post.answer for post in ledger.recallable(NOW)] == ["a1"]
    assert ledger.recallable(NOW + timedelta(days=1)) == []
    assert ledger.recalled("a1")
    assert not ledger.recalled("a1")
    assert ledger.recallable(NOW) == []
    assert not ledger.recalled("unknown")


def test_a_thread_is_its_askers_and_of_those_invited(ledger: Ledger) -> None:
    ledger.begin(30, asker=1)
    ledger.begin(30, asker=9)
    ledger.invite(30, [2, 2])
    ledger.invite(31, [2])
    assert [ledger.converses(30, person) for person in (1, 2, 3, 9)] == [True, True, False, False]
    assert not ledger.converses(31, 2)


def test_what_is_forgotten_takes_its_quotes_along(ledger: Ledger, tmp_path: Path) -> None:
    ledger.posted(POSTED)
    ledger.posted(replace(POSTED, answer="a2", asker=2, message=23, cited=()))
    ledger.take(ASKED)
    assert ledger.forget(1) == 1
    assert ledger.waiting() == []
    assert ledger.post("a1") is None
    assert ledger.post("a2") is not None
    ledger.close()
    assert b"Twenty-five" not in b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
