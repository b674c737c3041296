from __future__ import annotations

from pathlib import Path

import pytest

from bot.answers import Answer, Question, Timings, Usage
from bot.store import ConversationStore
from retrieval.access import Audience, Principal

MORI = Principal("mori", frozenset({"all"}))
SATO = Principal("sato", frozenset({"all"}))


def answer(n: int, text: str) -> Answer:
    return Answer("q", "?", text, "quote", (), (), "m", Usage(), Timings(0, 0, 0), f"trace-{n}", "t")


def test_a_thread_is_read_back_oldest_first_and_only_its_newest_turns(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path)
    for n in range(5):
        store.save_turn(Question("q", f"question {n}", MORI, "t"), f"query {n}", answer(n, f"answer {n}"))
    turns = store.history("t", principal=MORI, most=3)
    assert [(turn.question, turn.query, turn.answer) for turn in turns] == [
        (f"question {n}", f"query {n}", f"answer {n}") for n in (2, 3, 4)
    ]
    store.close()


def test_nobody_reads_another_persons_thread(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path)
    store.save_turn(Question("q", "question", MORI, "t"), "query", answer(1, "answer"))
    assert store.history("t", principal=SATO) == []
    assert store.history("other", principal=MORI) == []
    store.close()


@pytest.mark.parametrize(
    "later",
    [
        Principal("mori", frozenset({"all"})),
        Principal("mori", frozenset({"all", "hr", "board"})),
        Principal("mori", frozenset({"all", "hr"}), Audience.DISCORD),
    ],
)
def test_a_thread_does_not_cross_a_change_of_groups_or_audience(tmp_path: Path, later: Principal) -> None:
    store = ConversationStore(tmp_path)
    in_hr = Principal("mori", frozenset({"hr", "all"}))
    store.save_turn(Question("q", "question", in_hr, "t"), "query", answer(1, "an answer out of hr's documents"))
    assert store.history("t", principal=later) == []
    assert len(store.history("t", principal=Principal("mori", frozenset({"all", "hr"})))) == 1
    store.close()


def test_turns_survive_a_restart(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path)
    store.save_turn(Question("q", "question", MORI, "t"), "query", answer(1, "answer"))
    store.close()
    again = ConversationStore(tmp_path)
    assert len(again.history("t", principal=MORI)) == 1
    again.close()
