"""Who asks comes first: what writes stops between two steps while somebody searches. Knows neither.

Python runs one thread at a time, and one that computes gives up its turn only every 5 ms: a search, which takes its turn
anew at each row that it reads, would wait hundreds of times.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_S = 0.05
"""For so long a writer waits at each step: one search is over by then, and however many follow, the writer goes on too."""
RECENT_S = 2.0
"""For so long after a search another one is expected."""


class Courtesy:
    """Shared by those who search and those who write."""

    def __init__(self) -> None:
        self._searching = 0
        self._changed = threading.Condition()
        self._last = float("-inf")

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Around a search."""
        with self._changed:
            self._searching += 1
        try:
            yield
        finally:
            with self._changed:
                self._searching -= 1
                self._last = time.monotonic()
                if not self._searching:
                    self._changed.notify_all()

    @property
    def expected(self) -> bool:
        """Whether somebody searches, or did just now: steps that a search would have to wait for are better short."""
        return self._searching > 0 or time.monotonic() - self._last < RECENT_S

    def give_way(self) -> None:
        """Wait while anybody searches, but no longer than LONGEST_S."""
        if self._searching:
            with self._changed:
                self._changed.wait_for(lambda: not self._searching, LONGEST_S)
