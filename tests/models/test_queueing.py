from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.engine import Priority
from models.errors import EngineBusy
from models.queueing import FIRST_GUESS_S, INTERACTIVE_IN_A_ROW, FairQueue


def filled(*asked: str, size: int = 100) -> FairQueue[str]:
    """A queue of "person item" strings, interactive; those of a person that begins with * are batch."""
    queue: FairQueue[str] = FairQueue(size)
    for item in asked:
        queue.add(item, item.split()[0], "batch" if item.startswith("*") else "interactive")
    return queue


def emptied(queue: FairQueue[str]) -> list[str]:
    items = []
    while (item := queue.pop()) is not None:
        items.append(item)
    return items


def test_people_take_turns_and_each_is_served_in_order() -> None:
    queue = filled("ann 1", "ann 2", "ann 3", "bob 1", "bob 2", "eve 1")

    assert emptied(queue) == ["ann 1", "bob 1", "eve 1", "ann 2", "bob 2", "ann 3"]


def test_somebody_new_waits_behind_one_request_of_each_other_at_most() -> None:
    queue = filled("ann 1", "ann 2", "ann 3")
    assert queue.pop() == "ann 1"
    queue.add("bob 1", "bob", "interactive")

    assert emptied(queue) == ["ann 2", "bob 1", "ann 3"]


def test_interactive_requests_pass_batch_ones_but_never_for_ever() -> None:
    queue = filled("*night 1", *(f"p{number} 1" for number in range(INTERACTIVE_IN_A_ROW + 2)))
    order = emptied(queue)

    assert order.index("*night 1") == INTERACTIVE_IN_A_ROW
    assert len(order) == INTERACTIVE_IN_A_ROW + 3


def test_a_full_queue_says_when_to_come_back() -> None:
    queue = filled("ann 1", "bob 1", size=2)
    with pytest.raises(EngineBusy, match="2 requests are already waiting") as caught:
        queue.add("eve 1", "eve", "interactive")

    assert caught.value.retry_after_s == 2 * FIRST_GUESS_S
    assert emptied(queue) == ["ann 1", "bob 1"]


def test_one_person_cannot_fill_the_queue() -> None:
    queue = filled("ann 1", "ann 2", size=8)
    with pytest.raises(EngineBusy, match="2 requests of yours"):
        queue.add("ann 3", "ann", "batch")
    queue.add("bob 1", "bob", "interactive")

    assert len(queue) == 3


def test_places_are_those_in_which_items_come_out() -> None:
    queue = filled("ann 1", "ann 2", "*night 1", "bob 1")
    places = [(item, place.position) for item, place in queue.places()]

    assert places == [("ann 1", 1), ("bob 1", 2), ("ann 2", 3), ("*night 1", 4)]
    assert emptied(queue) == [item for item, _ in places]


def test_the_wait_is_estimated_from_what_requests_took_and_how_many_are_served_at_once() -> None:
    queue: FairQueue[str] = FairQueue(100, served_at_once=4)
    for _ in range(50):
        queue.took(2.0)

    assert queue.seconds(1) == queue.seconds(4) == pytest.approx(2.0, abs=0.1)
    assert queue.seconds(5) == pytest.approx(4.0, abs=0.1)


def test_dropped_items_leave_their_places_to_the_others() -> None:
    queue = filled("ann 1", "ann 2", "bob 1", "*night 1")
    dropped = queue.drop(lambda item: item in {"ann 1", "*night 1"})

    assert sorted(dropped) == ["*night 1", "ann 1"]
    assert emptied(queue) == ["ann 2", "bob 1"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(("interactive", "batch"))), max_size=40))
def test_nothing_is_lost_or_doubled_and_everybody_keeps_their_order(asked: list[tuple[str, Priority]]) -> None:
    queue: FairQueue[tuple[str, str, int]] = FairQueue(1000)
    for number, (person, priority) in enumerate(asked):
        queue.add((person, priority, number), person, priority)
    assert [place.position for _, place in queue.places()] == list(range(1, len(asked) + 1))
    served = []
    while (item := queue.pop()) is not None:
        served.append(item)

    assert sorted(item[2] for item in served) == list(range(len(asked)))
    for person in "abc":
        for priority in ("interactive", "batch"):
            numbers = [number for one, kind, number in served if (one, kind) == (person, priority)]
            assert numbers == sorted(numbers)
