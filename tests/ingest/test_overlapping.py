from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ingest.overlapping import overlapped


def test_the_next_item_is_made_while_one_is_worked_on() -> None:
    made_next = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        made_next.set()
        yield 2

    def work(item: int) -> int:
        assert made_next.wait(10), "nothing is made meanwhile"
        return item * 10

    assert [*overlapped(items(), work)] == [(1, 10), (2, 20)]


def test_items_come_in_order_and_only_few_are_held() -> None:
    made: list[int] = []
    done: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            assert number - len(done) <= 2
            made.append(number)
            yield number

    assert [item for item, _ in overlapped(items(), done.append)] == done == made


def test_a_fault_of_the_work_stops_it() -> None:
    tried: list[int] = []

    def work(item: int) -> None:
        tried.append(item)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        list(overlapped(range(9), work))
    assert tried == [0]


def test_a_fault_of_the_making_waits_for_the_work_under_way() -> None:
    done: list[int] = []

    def items() -> Iterator[int]:
        yield 1
        raise ValueError("not listed")

    with pytest.raises(ValueError, match="not listed"):
        list(overlapped(items(), done.append))
    assert done == [1]


def test_of_two_faults_the_first_is_told() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("not parsed")

    def work(_: int) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        list(overlapped(items(), work))


def test_without_items_nothing_is_done() -> None:
    assert [*overlapped([], str)] == []
