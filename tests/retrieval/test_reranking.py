from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.errors import EngineBusy, EngineFailed
from retrieval.documents import Hit
from retrieval.reranking import MOST_FAILURES, MOST_WAITING, PAUSE_S, Reranking, RerankState


class SaysOf:
    """A `Reranker` that says of each passage what a test says, or raises."""

    fingerprint = "says-of"

    def __init__(self, said: dict[str, float], fault: Exception | None = None) -> None:
        self.said = said
        self.fault = fault
        self.asked: list[tuple[str, list[str]]] = []

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        self.asked.append((query, list(passages)))
        if self.fault is not None:
            raise self.fault
        return [self.said[text] for text in passages if text in self.said]


def hits(*scores: float) -> tuple[Hit, ...]:
    return tuple(
        Hit(f"d{n}", f"c{n}", "T", (), "/t", "en", 1, None, 0, 2, f"p{n}", score, 1.0, None)
        for n, score in enumerate(scores)
    )


Make = Callable[..., Reranking]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Reranking] = []

    def make(reranker: SaysOf, **named: float) -> Reranking:
        arguments = {"candidates": 3, "deadline_s": 30.0, **named}
        made.append(Reranking(reranker, **arguments))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def names(found: Sequence[Hit]) -> list[str]:
    return [hit.text for hit in found]


def test_what_the_reranker_says_and_what_search_said_decide_together(make: Make) -> None:
    reranker = SaysOf({"p0": 0.1, "p1": 0.9, "p2": 0.2})
    found, fault = make(reranker).rerank("q", hits(2.0, 1.9, 1.0, 0.5))
    assert (names(found), fault) == (["p1", "p0", "p2", "p3"], "")
    assert [hit.rerank for hit in found] == [0.9, 0.1, 0.2, None]
    assert reranker.asked == [("q", ["p0", "p1", "p2"])]


def test_the_scores_change_hands_and_stay_the_same(make: Make) -> None:
    found, _ = make(SaysOf({"p0": 0.1, "p1": 0.9, "p2": 0.2})).rerank("q", hits(2.0, 1.9, 1.0, 0.5))
    assert [hit.score for hit in found] == [2.0, 1.9, 1.0, 0.5]


def test_one_that_cannot_tell_passages_apart_changes_no_order(make: Make) -> None:
    found, _ = make(SaysOf({"p0": 0.5, "p1": 0.5, "p2": 0.5})).rerank("q", hits(2.0, 2.0, 1.0))
    assert names(found) == ["p0", "p1", "p2"]


def test_one_hit_has_nothing_to_be_compared_with(make: Make) -> None:
    reranker = SaysOf({})
    assert make(reranker).rerank("q", hits(1.0)) == (hits(1.0), "")
    assert reranker.asked == []


@pytest.mark.parametrize(
    ("fault", "scores", "said"),
    [
        (EngineFailed("The engine stopped; ask again."), {}, "The engine stopped; ask again."),
        (RuntimeError("odd"), {}, "The reranker failed (RuntimeError: odd)."),
        (None, {"p0": 0.1, "p1": 0.9}, "The reranker failed (ValueError: 2 scores for 3 passages)."),
        (None, {"p0": 0.1, "p1": math.nan, "p2": 0.2}, "The reranker failed (ValueError: a score that is no number)."),
        (None, {"p0": 0.1, "p1": math.inf, "p2": 0.2}, "The reranker failed (ValueError: a score that is no number)."),
    ],
)
def test_a_failing_reranker_leaves_the_order_and_says_so_once(
    make: Make, caplog: pytest.LogCaptureFixture, fault: Exception | None, scores: dict[str, float], said: str
) -> None:
    reranker = SaysOf(scores, fault)
    reranking = make(reranker)
    with caplog.at_level(logging.INFO):
        assert [reranking.rerank("q", hits(2.0, 1.9, 1.0)) for _ in range(2)] == [(hits(2.0, 1.9, 1.0), said)] * 2
        assert reranking.state() == RerankState(2, 2, 0, said)
        assert len(caplog.records) == 1
        reranker.fault, reranker.said = None, {"p0": 0.1, "p1": 0.9, "p2": 0.2}
        assert reranking.rerank("q", hits(2.0, 1.9, 1.0))[1] == ""
        assert reranking.state() == RerankState(3, 2, 0, "")
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_after_failures_in_a_row_it_is_left_alone_for_a_while(make: Make) -> None:
    now = [0.0]
    reranker = SaysOf({"p0": 0.1, "p1": 0.9, "p2": 0.2}, EngineFailed("It stopped."))
    reranking = Reranking(reranker, candidates=3, deadline_s=30.0, clock=lambda: now[0])
    for _ in range(MOST_FAILURES + 4):
        assert reranking.rerank("q", hits(2.0, 1.9, 1.0))[1] == "It stopped."
    assert len(reranker.asked) == MOST_FAILURES
    reranker.fault, now[0] = None, PAUSE_S
    assert reranking.rerank("q", hits(2.0, 1.9, 1.0))[1] == ""
    reranking.close()


def test_a_busy_one_is_not_a_failing_one(make: Make) -> None:
    reranking = make(SaysOf({}, EngineBusy("Too many wait; try again.")))
    assert reranking.rerank("q", hits(2.0, 1.0)) == (hits(2.0, 1.0), "Too many wait; try again.")
    assert reranking.state() == RerankState(1, 0, 1, "")


BUSY = "The reranker is busy with other questions; passages stand in the order of search."


class Waits(SaysOf):
    """Says nothing before it may."""

    def __init__(self) -> None:
        super().__init__({"p0": 0.1, "p1": 0.9})
        self.begun = threading.Event()
        self.may = threading.Event()

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        self.begun.set()
        self.may.wait(30)
        return super().score(query, passages)


def test_a_slow_one_is_not_waited_for(make: Make) -> None:
    reranker = Waits()
    reranking = make(reranker, deadline_s=0.01)
    found, fault = reranking.rerank("q", hits(2.0, 1.0))
    assert names(found) == ["p0", "p1"]
    assert fault == "The reranker took longer than 0.01 s: lower rerank.candidates, or allow more."
    reranker.may.set()


def test_under_load_few_wait_and_the_others_go_on_at_once(make: Make) -> None:
    reranker = Waits()
    reranking = make(reranker)
    with ThreadPoolExecutor(1 + MOST_WAITING) as others:
        answers = [others.submit(reranking.rerank, f"q{number}", hits(2.0, 1.0)) for number in range(1 + MOST_WAITING)]
        while reranking.state().requests < 1 + MOST_WAITING or not reranker.begun.is_set():
            time.sleep(0.001)
        gone_on = [reranking.rerank("q", hits(2.0, 1.0)) for _ in range(MOST_FAILURES)]
        reranker.may.set()
        assert [answer.result()[1] for answer in answers] == [""] * len(answers)
    assert gone_on == [(hits(2.0, 1.0), BUSY)] * MOST_FAILURES
    assert reranking.state() == RerankState(1 + MOST_WAITING + MOST_FAILURES, 0, MOST_FAILURES, "")
    assert reranking.rerank("q", hits(2.0, 1.0))[1] == ""


class Clocked(SaysOf):
    """Takes what a test says of the clock's seconds, and lets another question be asked meanwhile."""

    def __init__(self, now: list[float], takes: float) -> None:
        super().__init__({"p0": 0.1, "p1": 0.9})
        self.now = now
        self.takes = takes
        self.meanwhile: Callable[[], object] = list

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        self.now[0] += self.takes
        self.meanwhile()
        return super().score(query, passages)


def test_nobody_waits_behind_one_that_is_late_already() -> None:
    now = [0.0]
    reranker = Clocked(now, takes=31.0)
    reranking = Reranking(reranker, candidates=3, deadline_s=30.0, clock=lambda: now[0])
    meanwhile: list[str] = []
    reranker.meanwhile = lambda: meanwhile.append(reranking.rerank("other", hits(2.0, 1.0))[1])
    reranking.rerank("q", hits(2.0, 1.0))
    reranking.close()
    assert meanwhile == [BUSY]
    assert [query for query, _ in reranker.asked] == ["q"]


def test_one_that_waited_in_vain_is_no_failure() -> None:
    reranker = Waits()
    reranking = Reranking(reranker, candidates=3, deadline_s=0.5, clock=lambda: 0.0)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(reranking.rerank, "first", hits(2.0, 1.0))
        reranker.begun.wait(30)
        assert reranking.rerank("second", hits(2.0, 1.0)) == (hits(2.0, 1.0), BUSY)
        assert first.result()[1].startswith("The reranker took longer")
    reranker.may.set()
    reranking.close()
    assert [query for query, _ in reranker.asked] == ["first"]
    assert (reranking.state().failures, reranking.state().busy) == (1, 1)


def test_one_that_waited_and_was_slow_itself_is_a_failure() -> None:
    now = [0.0]
    reranker = Clocked(now, takes=0.0)
    reranking = Reranking(reranker, candidates=3, deadline_s=30.0, clock=lambda: now[0])
    with ThreadPoolExecutor(1) as other:

        def a_second_comes() -> None:
            reranker.meanwhile, reranker.takes = list, 31.0
            other.submit(reranking.rerank, "second", hits(2.0, 1.0))
            while reranking.state().requests < 2:
                time.sleep(0.001)

        reranker.meanwhile = a_second_comes
        reranking.rerank("first", hits(2.0, 1.0))
    reranking.close()
    assert [query for query, _ in reranker.asked] == ["first", "second"]
    assert (reranking.state().failures, reranking.state().busy) == (1, 0)
