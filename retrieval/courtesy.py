"""Who asks comes first: what writes stops between two steps while somebody searches. Knows neither.

Python runs one thread at a time, and one that computes gives up its turn only every 5 ms: a search, which takes its turn
anew at each row that it reads, would wait hundreds of times.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_S = 0.05
"""For so long a writer waits at each step: one search is over by then, and however many follow, the writer goes on too."""


class Courtesy:
    """Shared by those who search and those who write."""

    def __init__(self) -> None:
        self._searching = 0
        self._changed = threading.Condition()

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
                if not self._searching:
                    self._changed.notify_all()

    def give_way(self) -> None:
        """Wait while anybody searches, but no longer than LONGEST_S."""
        if self._searching:
            with self._changed:
                self._changed.wait_for(lambda: not self._searching, LONGEST_S)
