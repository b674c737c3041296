"""The port of a parser: requests in, documents with their chunks and words out. The shipped one parses in child processes.

What a hostile or broken file does, it does to a child with limits: that one document fails. Knows no format, no source
and no index. A child parses many documents: one that took it over could falsify those after it, but do no more.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from ingest.errors import DocumentError, IngestError
from ingest.parsing_frames import Parsed, ParseRequest
from ingest.parsing_lane import Job, Jobs, Lane
from ingest.parsing_limits import ParseLimits
from ingest.splitting import PASSAGE

__all__ = ["ChildParser", "ParseLimits", "ParseRequest", "Parsed", "Parser"]

LOADER = "ingest.loaders:parse"
AHEAD, AHEAD_BYTES = 128, 2**26
"""Requests, for each worker, and their bytes, together, drawn before their results are asked for: enough small documents
that a child does not wait while a batch is written."""
DRAWN = 2
"""Requests drawn for each result that is handed out: more than one, until there are enough ahead."""


class Parser(Protocol):
    """Turns bytes into documents. A port, so that tests and benchmarks can do without processes."""

    def parse_all(self, requests: Iterable[ParseRequest]) -> Iterator[tuple[ParseRequest, Parsed | DocumentError]]:
        """Each request with its outcome, in order. Draws requests lazily, a few ahead, in the caller's thread.

        An exception out of `requests` is raised after the results of what came before it. Raises IngestError if
        nothing can be parsed at all.
        """

    def close(self) -> None:
        """Let go of everything. May be called again."""


class ChildParser:
    """Parses in `workers` child processes, started at first use, each under `limits`; `passage` is the size of a chunk.

    `loader` is what a child calls with the name and the bytes, as `module:function`: see `ingest.loaders.parse`.
    May be used from several threads.
    """

    def __init__(
        self,
        *,
        limits: ParseLimits = ParseLimits(),  # noqa: B008 - frozen
        passage: int = PASSAGE,
        workers: int = 1,
        loader: str = LOADER,
    ) -> None:
        if workers < 1 or passage < 1:
            raise ValueError("workers and passage must be at least 1")
        self._limits = limits
        self._passage = passage
        self._workers = workers
        self._loader = loader
        self._jobs = Jobs()
        self._lock = threading.Lock()
        self._lanes: list[Lane] = []
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """The children that run now."""
        return [pid for lane in self._lanes if (pid := lane.pid) is not None]

    def parse_all(self, requests: Iterable[ParseRequest]) -> Iterator[tuple[ParseRequest, Parsed | DocumentError]]:
        """See `Parser.parse_all`."""
        source = iter(requests)
        ahead: deque[Job] = deque()
        more = True
        fault: Exception | None = None
        try:
            while True:
                drawn = 0
                while more and self._room(ahead) and (drawn < DRAWN or not ahead[0].outcome.done()):
                    try:
                        request = next(source)
                    except StopIteration:
                        more = False
                    except Exception as error:  # noqa: BLE001 - raised below, when it is its turn
                        more, fault = False, error
                    else:
                        ahead.append(self._put(request))
                        drawn += 1
                if not ahead:
                    break
                outcome = ahead[0].outcome.result()
                yield ahead.popleft().request, outcome
        finally:
            for job in ahead:
                job.outcome.cancel()
        if fault is not None:
            raise fault

    def close(self) -> None:
        """Kill the children. Whoever still waits for a result gets IngestError."""
        with self._lock:
            self._closed = True
            lanes, self._lanes = self._lanes, []
        for lane in lanes:
            lane.close()

    def _room(self, ahead: deque[Job]) -> bool:
        size = sum(len(job.request.data) for job in ahead)
        return not ahead or (len(ahead) < AHEAD * self._workers and size < AHEAD_BYTES)

    def _put(self, request: ParseRequest) -> Job:
        job = Job(request)
        with self._lock:
            if self._closed:
                raise IngestError("The parser was closed; start the run again.")
            self._lanes = [lane for lane in self._lanes if lane.alive]
            while len(self._lanes) < self._workers:
                self._lanes.append(Lane(self._jobs, self._limits, self._passage, self._loader))
            self._jobs.put(job)
            for lane in self._lanes:
                lane.wake()
        return job
