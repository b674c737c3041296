"""How often may be asked: by one person, and in one channel. Knows no question."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Literal

MINUTE_S = 60.0
MOST_KNOWN = 10_000
"""People and channels remembered; those who asked longest ago are forgotten first."""


class Limits:
    """Counts questions over the last minute. `clock` gives seconds that only go forward."""

    def __init__(self, per_person: int, per_channel: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = {"person": per_person, "channel": per_channel}
        self._clock = clock
        self._asked: OrderedDict[tuple[str, int], deque[float]] = OrderedDict()

    def wait(self, person: int, channel: int) -> tuple[Literal["person", "channel"], float] | None:
        """None: the question is counted, go on. Else whose limit is reached, and in how many seconds one may ask again."""
        now = self._clock()
        kinds: tuple[tuple[Literal["person", "channel"], int], ...] = (("person", person), ("channel", channel))
        for kind, id_ in kinds:
            times = self._of(kind, id_, now)
            if len(times) >= self._most[kind]:
                return kind, times[0] + MINUTE_S - now
        for kind, id_ in kinds:
            self._of(kind, id_, now).append(now)
        return None

    def _of(self, kind: str, id_: int, now: float) -> deque[float]:
        times = self._asked.setdefault((kind, id_), deque())
        self._asked.move_to_end((kind, id_))
        while times and times[0] <= now - MINUTE_S:
            times.popleft()
        while len(self._asked) > MOST_KNOWN:
            self._asked.popitem(last=False)
        return times
