from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.answers import Answer, Question, Timings, Usage
from bot.bridge import Bridge
from bot.errors import BadFeedback
from bot.feedback import MAX_NOTE, Feedback, FeedbackBook, Statistics
from bot.store import DATABASE, MIGRATIONS, ConversationStore
from retrieval.access import Audience, Principal
from retrieval.database import open_database
from retrieval.errors import NotFound

ROOT = Path(__file__).parents[2]
MORI = Principal("mori", frozenset({"all", "hr"}))
OTHERS = [
    Principal("sato", MORI.groups),
    Principal("mori", frozenset({"all"})),
    Principal("mori", MORI.groups, Audience.DISCORD),
]
DOWN = Feedback("down", "It is the old limit.", "190 EUR")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    opened = ConversationStore(tmp_path)
    answer = Answer(
        "q", "And there?", "180 EUR [1]", "generate", (), (), "m", Usage(), Timings(0, 0, 0), "a1", "t", "answer@1+ab"
    )
    opened.save_turn(Question("q", "And there?", MORI, "t"), "hotel limit there?", answer)
    opened.save_turn(Question("q", "Who?", MORI, "t"), "Who?", replace(answer, trace_id="a2"))
    yield opened
    opened.close()


def said(store: ConversationStore) -> list[tuple[str, Feedback]]:
    return [(one.answer_id, one.feedback) for one in store.complaints()]


def test_a_later_verdict_takes_the_place_of_an_earlier_one(store: ConversationStore) -> None:
    store.put_feedback("a1", DOWN, principal=MORI)
    assert said(store) == [("a1", DOWN)]
    store.put_feedback("a1", Feedback("down"), principal=MORI)
    assert said(store) == [("a1", Feedback("down"))]
    store.put_feedback("a1", Feedback("up"), principal=MORI)
    assert said(store) == []


def test_a_verdict_can_be_taken_back_twice(store: ConversationStore) -> None:
    store.put_feedback("a1", DOWN, principal=MORI)
    store.put_feedback("a2", DOWN, principal=MORI)
    store.remove_feedback("a1", principal=MORI)
    store.remove_feedback("a1", principal=MORI)
    assert said(store) == [("a2", DOWN)]


@pytest.mark.parametrize("other", OTHERS)
def test_of_others_answers_nothing_can_be_said_as_of_none(store: ConversationStore, other: Principal) -> None:
    store.put_feedback("a1", DOWN, principal=MORI)
    sentences = set()
    for answer_id in ("a1", "none"):
        for act in (
            lambda one: store.put_feedback(one, Feedback("up"), principal=other),
            lambda one: store.remove_feedback(one, principal=other),
        ):
            with pytest.raises(NotFound) as caught:
                act(answer_id)
            sentences.add(str(caught.value))
    assert len(sentences) == 1
    assert said(store) == [("a1", DOWN)]


def test_a_complaint_has_what_a_case_needs(store: ConversationStore) -> None:
    store.put_feedback("a1", DOWN, principal=MORI)
    (complaint,) = store.complaints()
    assert (complaint.question, complaint.query, complaint.answer) == (
        "And there?",
        "hotel limit there?",
        "180 EUR [1]",
    )
    assert complaint.groups == {"all", "hr"}
    assert complaint.at.endswith("+00:00")


def test_feedback_goes_with_its_answer_and_the_turn_names_its_prompt(store: ConversationStore, tmp_path: Path) -> None:
    store.put_feedback("a1", DOWN, principal=MORI)
    with sqlite3.connect(tmp_path / DATABASE) as raw:
        raw.execute("PRAGMA foreign_keys=ON")
        assert raw.execute("SELECT prompt FROM turns WHERE id = 'a1'").fetchone() == ("answer@1+ab",)
        raw.execute("DELETE FROM turns WHERE id = 'a1'")
    raw.close()
    with sqlite3.connect(tmp_path / DATABASE) as raw:
        assert raw.execute("SELECT count(*) FROM feedback").fetchone() == (0,)
    raw.close()


def test_text_is_data_and_comes_back_as_it_was(store: ConversationStore) -> None:
    odd = Feedback("down", "'); DROP TABLE turns; -- :id %s {0}", "蔵 🏮\n\x00 <script>")
    store.put_feedback("a1", odd, principal=MORI)
    assert said(store) == [("a1", odd)]


def test_many_verdicts_at_once_leave_one(store: ConversationStore) -> None:
    threads = [
        threading.Thread(target=store.put_feedback, args=("a1", Feedback("down", str(n))), kwargs={"principal": MORI})
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((_, feedback),) = said(store)
    assert feedback.wrong in set("01234567")


def test_a_note_has_a_bound() -> None:
    Feedback("down", "x" * MAX_NOTE, "y" * MAX_NOTE)
    for notes in (("x" * (MAX_NOTE + 1), ""), ("", "x" * (MAX_NOTE + 1))):
        with pytest.raises(BadFeedback, match="2,001 characters"):
            Feedback("down", *notes)


def test_answers_of_before_there_was_feedback_can_be_judged(tmp_path: Path) -> None:
    older = tmp_path / "migrations"
    (older / "versions").mkdir(parents=True)
    shutil.copy(MIGRATIONS / "env.py", older)
    shutil.copy(MIGRATIONS / "versions" / "0001_turns.py", older / "versions")
    (tmp_path / "data").mkdir()
    engine = open_database(tmp_path / "data" / DATABASE, older)
    engine.dispose()
    scope = '[["all", "hr"], "company"]'
    with sqlite3.connect(tmp_path / "data" / DATABASE) as raw:
        raw.execute("INSERT INTO turns VALUES ('a0', 't', 'mori', ?, 'http', 'Q', 'Q', 'A', 'quote', '2026')", (scope,))
    raw.close()
    store = ConversationStore(tmp_path / "data")
    store.put_feedback("a0", DOWN, principal=MORI)
    assert said(store) == [("a0", DOWN)]
    assert len(store.history("t", principal=MORI)) == 1
    store.close()


def test_the_book_keeps_and_takes_back_over_the_bridge(store: ConversationStore) -> None:
    bridge = Bridge()
    book = FeedbackBook(store, bridge)
    asyncio.run(book.put("a1", DOWN, principal=MORI))
    assert said(store) == [("a1", DOWN)]
    asyncio.run(book.remove("a1", principal=MORI))
    assert said(store) == []
    with pytest.raises(NotFound):
        asyncio.run(book.put("a1", DOWN, principal=OTHERS[0]))
    bridge.close()


def test_only_the_command_line_reads_everybodys_complaints() -> None:
    """They are read without a principal, for whoever owns the data folder: no front end over a network may."""
    callers = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "bot").rglob("*.py")
        if ".complaints(" in path.read_text(encoding="utf-8")
    }
    assert callers <= {"bot/cli/evaluation_feedback.py"}


IN_ALL = Principal("discord:1", frozenset({"all"}), Audience.DISCORD)
"""Asked in a channel that everybody can read."""


@pytest.mark.parametrize(
    ("reader", "heard"),
    [
        (IN_ALL, True),
        (Principal("discord:2", frozenset({"all"}), Audience.DISCORD), True),
        (Principal("discord:2", frozenset({"all", "hr"}), Audience.DISCORD), True),
        (Principal("discord:1", frozenset({"all", "hr"}), Audience.DISCORD), True),
        (Principal("discord:2", frozenset({"hr"}), Audience.DISCORD), False),
        (Principal("mori", frozenset({"all"})), False),
    ],
)
def test_of_an_answer_that_was_shown_to_them_people_may_speak_who_may_read_all_of_it(
    store: ConversationStore, reader: Principal, heard: bool
) -> None:
    given = Answer("q", "Q", "A", "quote", (), (), "m", Usage(), Timings(0, 0, 0), "shown", "d")
    store.save_turn(Question("q", "Q", IN_ALL, "d", shared=True), "Q", given)
    store.save_turn(Question("q", "Q", IN_ALL, "d"), "Q", replace(given, trace_id="private"))
    if heard:
        store.put_feedback("shown", DOWN, principal=reader)
        assert said(store) == [("shown", DOWN)]
        store.remove_feedback("shown", principal=reader)
    else:
        with pytest.raises(NotFound):
            store.put_feedback("shown", DOWN, principal=reader)
        with pytest.raises(NotFound):
            store.remove_feedback("shown", principal=reader)
    if reader != IN_ALL:
        with pytest.raises(NotFound):
            store.put_feedback("private", DOWN, principal=reader)
    assert said(store) == []


def test_each_person_has_one_verdict_on_a_shown_answer(store: ConversationStore) -> None:
    given = Answer("q", "Q", "A", "quote", (), (), "m", Usage(), Timings(0, 0, 0), "shown", "d")
    store.save_turn(Question("q", "Q", IN_ALL, "d", origin="discord", shared=True), "Q", given)
    other = replace(IN_ALL, id="discord:2")
    store.put_feedback("shown", Feedback("up"), principal=IN_ALL)
    store.put_feedback("shown", DOWN, principal=other)
    store.put_feedback("shown", Feedback("up"), principal=other)
    store.put_feedback("shown", DOWN, principal=other)
    counts = store.statistics("discord", 7)
    assert (counts.up, counts.down) == (1, 1)


def test_who_is_forgotten_leaves_nothing_and_takes_nothing_of_others(store: ConversationStore) -> None:
    given = Answer("q", "Q", "A", "quote", (), (), "m", Usage(), Timings(0, 0, 0), "shown", "d")
    store.save_turn(Question("q", "Q", IN_ALL, "d", shared=True), "Q", given)
    store.put_feedback("shown", DOWN, principal=replace(IN_ALL, id="discord:2"))
    store.put_feedback("a1", DOWN, principal=MORI)
    store.save_turn(Question("q", "Q", OTHERS[1], "t"), "Q", replace(given, trace_id="in other groups"))
    assert store.forget(principal=replace(IN_ALL, id="discord:2")) == 0
    assert said(store) == [("a1", DOWN)]
    assert store.forget(principal=MORI) == 3
    assert said(store) == []
    assert store.history("t", principal=OTHERS[1]) == []
    assert len(store.history("d", principal=IN_ALL)) == 1
    assert store.forget(principal=MORI) == 0


def test_statistics_count_one_front_end_and_the_last_days(store: ConversationStore, tmp_path: Path) -> None:
    given = Answer("q", "Q", "A", "quote", (), (), "m", Usage(), Timings(0, 0, 0), "d1", "d")
    for answer, person in (
        (given, "discord:1"),
        (replace(given, trace_id="d2", style="refusal"), "discord:1"),
        (replace(given, trace_id="d3", style="courtesy"), "discord:2"),
        (replace(given, trace_id="d4"), "discord:3"),
        (replace(given, trace_id="old"), "discord:4"),
    ):
        store.save_turn(Question("q", "Q", replace(IN_ALL, id=person), "d", origin="discord"), "Q", answer)
    with sqlite3.connect(tmp_path / DATABASE) as raw:
        raw.execute("UPDATE turns SET created_at = '2020-01-01T00:00:00.000+00:00' WHERE id = 'old'")
    raw.close()
    assert store.statistics("discord", 7) == Statistics(7, people=2, questions=3, refused=1, up=0, down=0)
    assert store.statistics("cli", 7).questions == 2
