"""Ingests inside a server: one worker, one job at a time, a bounded queue, and how far each is. Knows no front end.

A running server's jobs do not outlive it: what was running is interrupted (the index stands as it was after the last
document), what was waiting is not begun. Finished jobs leave a report (`bot/reporting.py`), which stays.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from traceback import format_exception
from types import MappingProxyType
from typing import Literal

import structlog

from bot.errors import BotError, Overloaded, explain
from bot.ingesting import IngestRequest, Ingests, Outcome
from bot.reporting import ReportStore
from ingest.errors import SourceError
from ingest.reports import Progress
from retrieval.errors import DataFolderError

State = Literal["queued", "running", "done", "failed", "interrupted"]

MOST_WAITING = 16
"""Different requests in the queue; equal ones are one. More is a program gone wrong."""
MOST_KEPT = 50
"""Finished jobs that are remembered; older ones are found through their report."""
MOST_FAILURES = 20
"""Failed documents that are named while a job runs; the report names all."""
RATE_S = 10.0
"""The rate is that of the last seconds: documents differ, and an average of the whole would answer late."""
PATIENCE_S = 10.0
"""How long the end of a server waits for the document in hand. The index is whole at any moment without that."""


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """How far one source of a job is: `done` of `total` documents, `passages` written."""

    source: str
    done: int
    total: int
    passages: int
    item: str
    """The document in hand."""
    rate: float | None
    """Documents a second, over the last seconds; None until that can be said."""
    seconds_left: float | None
    failed: Mapping[str, str]
    """Why, by document: the first of `failed_count`."""
    failed_count: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands at one moment. Times are in UTC."""

    id: str
    request: IngestRequest
    by: str
    """Who asked for it: a principal's id, `schedule`, `watch` or a hook."""
    state: State
    submitted: datetime
    started: datetime | None = None
    finished: datetime | None = None
    progress: tuple[SourceProgress, ...] = ()
    outcome: Outcome | None = None
    fault: str = ""
    """Why it failed: a sentence."""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state not in ("queued", "running")


class Interrupted(BotError):
    """The server ends: raised inside a running ingest at its next sign of life."""


@dataclass(slots=True)
class _Meter:
    """The progress of one source, and when it was how far."""

    latest: SourceProgress
    marks: deque[tuple[float, int]] = field(default_factory=deque)


class IngestJobs:
    """Carries out ingests one after the other, in a thread of its own. Any number of threads may ask at once.

    `ended` is told of each job that is over, in the worker's thread. `clock` gives seconds that only go forward.
    """

    def __init__(
        self,
        ingests: Ingests,
        *,
        reports: ReportStore,
        most_waiting: int = MOST_WAITING,
        ended: Callable[[Job], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ingests = ingests
        self._reports = reports
        self._most_waiting = most_waiting
        self._ended = ended
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, Job] = OrderedDict()
        self._running: Job | None = None
        self._meters: dict[str, _Meter] = {}
        self._finished: OrderedDict[str, Job] = OrderedDict()
        self._closing = False
        self._worker: threading.Thread | None = None

    def submit(self, request: IngestRequest, *, by: str) -> Job:
        """Put a job in the queue, or find the waiting one that does the same. Returns at once.

        A running one is never taken for it: it may have listed its source before the change that is asked about.
        Raises SourceError for a source that is not configured, Overloaded when the queue is full or the server ends.
        """
        known = self._ingests.names()
        for name in request.sources:
            if name not in known:
                raise SourceError(f"There is no source {name}: take one of those in the settings.")
        with self._changed:
            for job in self._waiting.values():
                if job.request == request:
                    return job
            if self._closing:
                raise Overloaded("Kura is being stopped: ask again when it has started.")
            if len(self._waiting) >= self._most_waiting:
                raise Overloaded("Too many ingests are waiting: try again in a minute.")
            job = Job(secrets.token_hex(8), request, by, "queued", datetime.now(UTC))
            self._waiting[job.id] = job
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="kura-ingest", daemon=True)
                self._worker.start()
            self._changed.notify_all()
            return job

    def get(self, job_id: str) -> Job | None:
        """The job as it stands now; None if it is not known (any more)."""
        with self._changed:
            if self._running is not None and self._running.id == job_id:
                return self._as_it_stands(self._running)
            return self._waiting.get(job_id) or self._finished.get(job_id)

    def recent(self) -> list[Job]:
        """What waits, runs and was done, newest first."""
        with self._changed:
            running = [self._as_it_stands(self._running)] if self._running else []
            return [*reversed(self._waiting.values()), *running, *reversed(self._finished.values())]

    def busy_with(self, source: str) -> bool:
        """Whether a job that waits or runs brings `source` up to date."""
        with self._changed:
            under_way = [*self._waiting.values(), *([self._running] if self._running else [])]
        return any(
            source in job.request.sources or not (job.request.sources or job.request.paths)
            for job in under_way
            if not job.request.dry_run
        )

    def close(self, patience_s: float = PATIENCE_S) -> bool:
        """Take no more jobs, drop what waits, ask what runs to end, and wait for it. Returns whether it ended in time."""
        with self._changed:
            self._closing = True
            while self._waiting:
                self._finish(self._waiting.popitem(last=False)[1], "interrupted", fault="Kura was stopped.")
            self._changed.notify_all()
            worker = self._worker
        if worker is not None:
            worker.join(patience_s)
            if worker.is_alive():
                structlog.get_logger(__name__).warning("an ingest is still at one document while the server ends")
                return False
        return True

    # --- the worker ---

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    return
                _, waiting = self._waiting.popitem(last=False)
                job = self._running = replace(waiting, state="running", started=datetime.now(UTC))
                self._meters = {}
            self._carry_out(job)

    def _carry_out(self, job: Job) -> None:
        log = structlog.get_logger(__name__).bind(job=job.id, by=job.by)
        log.info("ingest begun", sources=list(job.request.sources) or "all")
        state: State
        fault, outcome = "", None
        try:
            outcome = self._ingests.run(job.request, self._note)
            failed = bool(outcome.faults) and not outcome.reports
            state = "failed" if failed else "done"
            fault = next(iter(outcome.faults.values())) if failed else ""
        except Interrupted as end:
            state, fault = "interrupted", str(end)
        except Exception as error:  # noqa: BLE001 - the worker must live for the next job
            explained = explain(error)
            state, fault = "failed", explained.public
            outcome = Outcome((), {"": explained.public})
            if explained.known:
                log.error("ingest failed", reason=explained.sentence)
            else:
                log.error("unforeseen fault", exception="".join(format_exception(error)))
        if outcome is not None:
            self._keep_report(job, outcome)
        log.info("ingest ended", state=state, fault=fault)
        with self._changed:
            self._running = None
            ended = self._finish(self._as_it_stands(job), state, outcome=outcome, fault=fault)
        try:
            self._ended(ended)
        except Exception as error:  # noqa: BLE001 - whoever listens must not end the worker
            log.error("unforeseen fault", exception="".join(format_exception(error)))

    def _keep_report(self, job: Job, outcome: Outcome) -> None:
        """A report that cannot be written takes nothing from the ingest."""
        try:
            self._reports.put(job.id, outcome, job.started or job.submitted)
        except (OSError, DataFolderError) as error:
            structlog.get_logger(__name__).error("no report could be written", job=job.id, reason=str(error))

    def _finish(self, job: Job, state: State, *, outcome: Outcome | None = None, fault: str = "") -> Job:
        """Remember an ended job, with the lock held."""
        ended = replace(job, state=state, finished=datetime.now(UTC), outcome=outcome, fault=fault)
        self._finished[job.id] = ended
        while len(self._finished) > MOST_KEPT:
            self._finished.popitem(last=False)
        return ended

    # --- progress ---

    def _note(self, progress: Progress) -> None:
        """Called by the ingest before each document."""
        now = self._clock()
        with self._changed:
            if self._closing:
                raise Interrupted("Kura was stopped while this ran; the next ingest takes up the rest.")
            latest = SourceProgress(
                source=progress.source,
                done=progress.done,
                total=progress.total,
                passages=progress.chunks,
                item=progress.item,
                rate=None,
                seconds_left=None,
                # a copy: the ingest goes on filling its own
                failed=MappingProxyType(dict(itertools.islice(progress.failed.items(), MOST_FAILURES))),
                failed_count=len(progress.failed),
            )
            meter = self._meters.setdefault(progress.source, _Meter(latest))
            meter.latest = latest
            if meter.marks and progress.done < meter.marks[-1][1]:
                meter.marks.clear()  # the source is gone through again
            meter.marks.append((now, progress.done))
            while len(meter.marks) > 2 and meter.marks[1][0] <= now - RATE_S:
                meter.marks.popleft()

    def _as_it_stands(self, job: Job) -> Job:
        """`job` with its progress, with the lock held."""
        now = self._clock()
        return replace(job, progress=tuple(_measured(meter, now) for meter in self._meters.values()))


def _measured(meter: _Meter, now: float) -> SourceProgress:
    began, first = meter.marks[0]
    made, seconds = meter.marks[-1][1] - first, now - began
    if made <= 0 or seconds <= 0:
        return meter.latest
    rate = made / seconds
    return replace(meter.latest, rate=rate, seconds_left=max(meter.latest.total - meter.latest.done, 0) / rate)
