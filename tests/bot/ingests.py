"""A stand-in for the ingest: it reads nothing, waits where it is told to, and says what it is told to say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from bot.ingesting import IngestRequest, Outcome
from ingest.reports import Progress, Stages, SyncReport
from retrieval.access import Readers

PATIENCE_S = 20.0
"""For a loaded machine; nothing waits that long otherwise."""


def sync_report(source: str = "handbook", **changes: Any) -> SyncReport:
    values: dict[str, Any] = {
        "root": f"/srv/{source}",
        "readers": Readers(frozenset({"all"})),
        "added": ("a.md",),
        "replaced": (),
        "moved": {},
        "repermitted": (),
        "removed": (),
        "unchanged": 3,
        "chunks": 5,
        "embedded": 4,
        "failed": {},
        "skipped": {},
        "seconds": 1.5,
        "stages": Stages(listing=0.1, embedding=1.0),
    }
    return SyncReport(source=source, **(values | changes))


class FakeIngests:
    """Notes each request. `script` is called in the place of the ingest; `hold` makes each run wait for `release`."""

    def __init__(
        self,
        script: Callable[[IngestRequest, Callable[[Progress], None]], Outcome] | None = None,
        *,
        names: Sequence[str] = ("handbook", "wiki", "uploads", "code"),
        hold: bool = False,
    ) -> None:
        self.requests: list[IngestRequest] = []
        self.begun = threading.Semaphore(0)
        self.most_at_once = 0
        self._at_once = 0
        self._script = script
        self._names = names
        self._gate = threading.Semaphore(0) if hold else None

    def names(self) -> Sequence[str]:
        return self._names

    def release(self) -> None:
        assert self._gate is not None
        self._gate.release()

    def run(self, request: IngestRequest, on_progress: Callable[[Progress], None]) -> Outcome:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self.requests.append(request)
            self.begun.release()
            if self._gate is not None:
                while not self._gate.acquire(timeout=0.02):
                    on_progress(Progress("handbook", 1, 4, "b.md", 2))
            if self._script is not None:
                return self._script(request, on_progress)
            return Outcome(tuple(sync_report(name) for name in request.sources or self._names), seconds=2.0)
        finally:
            self._at_once -= 1
