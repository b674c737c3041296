"""The queue in front of a model: bounded, fair between people, interactive work before batch work. Knows no model.

People take turns: somebody who asks ten questions at once waits behind somebody who asks one. Not safe for threads by
itself.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from models.engine import Priority, Waiting
from models.errors import EngineBusy

T = TypeVar("T")

INTERACTIVE_IN_A_ROW = 8
"""So many interactive requests may pass before a waiting batch request is taken up: nobody starves."""
FIRST_GUESS_S = 5.0
"""How long a request takes, before one was seen."""
MEMORY = 0.8
"""Weight of the past in the running mean of durations."""


class _Turns(Generic[T]):
    """People in turn, each with their own queue."""

    def __init__(self) -> None:
        self._people: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._people.values()))

    def add(self, person: str, item: T) -> None:
        self._people.setdefault(person, deque()).append(item)

    def held_by(self, person: str) -> int:
        return len(self._people.get(person, ()))

    def pop(self) -> T:
        person, items = self._people.popitem(last=False)
        item = items.popleft()
        if items:
            self._people[person] = items  # to the end
        return item

    def drop(self, ended: Callable[[T], bool]) -> list[T]:
        dropped = []
        for person, items in list(self._people.items()):
            dropped += [item for item in items if ended(item)]
            left = deque(item for item in items if not ended(item))
            if left:
                self._people[person] = left
            else:
                del self._people[person]
        return dropped

    def in_order(self) -> Iterator[T]:
        """As `pop` would give them: everybody's first, then everybody's second, ..."""
        rounds = max(map(len, self._people.values()), default=0)
        for turn in range(rounds):
            yield from (items[turn] for items in self._people.values() if turn < len(items))


class FairQueue(Generic[T]):
    """At most `size` items wait, at most a quarter of them (but one) of the same person. `served_at_once` share the model."""

    def __init__(self, size: int, *, served_at_once: int = 1) -> None:
        self.served_at_once = served_at_once
        self._size = size
        self._each = max(1, math.ceil(size / 4))
        self._turns: dict[Priority, _Turns[T]] = {"interactive": _Turns(), "batch": _Turns()}
        self._in_a_row = 0
        self._mean_s = FIRST_GUESS_S

    def __len__(self) -> int:
        return len(self._turns["interactive"]) + len(self._turns["batch"])

    def add(self, item: T, person: str, priority: Priority) -> None:
        """Put an item at its person's end. Raises EngineBusy, saying when to come back."""
        waiting = len(self)
        if waiting >= self._size:
            wait = self.seconds(waiting)
            raise EngineBusy(
                f"{waiting} requests are already waiting for the model; try again in {math.ceil(wait)} seconds.", wait
            )
        held = sum(turns.held_by(person) for turns in self._turns.values())
        if person and held >= self._each:
            wait = self.seconds(held)
            raise EngineBusy(
                f"{held} requests of yours are already waiting for the model; try again in {math.ceil(wait)} seconds.",
                wait,
            )
        self._turns[priority].add(person, item)

    def pop(self) -> T | None:
        """The next item, or None."""
        interactive, batch = self._turns["interactive"], self._turns["batch"]
        if len(batch) and (not len(interactive) or self._in_a_row >= INTERACTIVE_IN_A_ROW):
            self._in_a_row = 0
            return batch.pop()
        if len(interactive):
            self._in_a_row = self._in_a_row + 1 if len(batch) else 0
            return interactive.pop()
        return None

    def drop(self, ended: Callable[[T], bool]) -> list[T]:
        """Take out, and return, the items of which `ended` is true."""
        return [item for turns in self._turns.values() for item in turns.drop(ended)]

    def places(self) -> Iterator[tuple[T, Waiting]]:
        """Every waiting item with its place; batch items stand behind all interactive ones that are there now."""
        order = (item for turns in self._turns.values() for item in turns.in_order())
        for position, item in enumerate(order, 1):
            yield item, Waiting(position, self.seconds(position))

    def took(self, seconds: float) -> None:
        """Learn from an item that was served in so many seconds."""
        self._mean_s = MEMORY * self._mean_s + (1 - MEMORY) * seconds

    def seconds(self, position: int) -> float:
        """An estimate of the wait at a place of the queue."""
        return round(math.ceil(position / self.served_at_once) * self._mean_s, 1)
