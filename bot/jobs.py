"""Ingests and upkeep inside a server: one worker, one job at a time, a bounded queue, how far each is. Knows no front end.

A running server's jobs do not outlive it: what was running is interrupted (the index stands as it was after the last
document), what was waiting is not begun. Finished ingests leave a report (`bot/reporting.py`), which stays; what upkeep
came to (`bot/upkeep.py`) is told to whoever asks soon.
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

from bot.errors import BotError, Explained, Overloaded, explain
from bot.ingesting import IngestRequest, Ingests, Outcome
from bot.reporting import ReportStore
from bot.upkeep import UpkeepRequest, UpkeepResult
from ingest.errors import SourceError
from ingest.reports import Progress
from retrieval.errors import DataFolderError

State = Literal["queued", "running", "done", "failed", "interrupted"]
RunUpkeep = Callable[[UpkeepRequest, Callable[[Progress], None]], UpkeepResult]
"""`Upkeep.run`."""

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
    request: IngestRequest | UpkeepRequest
    by: str
    """Who asked for it: a principal's id, `schedule`, `watch` or a hook."""
    state: State
    submitted: datetime
    started: datetime | None = None
    finished: datetime | None = None
    progress: tuple[SourceProgress, ...] = ()
    outcome: Outcome | None = None
    """Of an ingest."""
    result: UpkeepResult | None = None
    """Of upkeep."""
    fault: str = ""
    """Why it failed: a sentence."""

    @property
    def kind(self) -> str:
        """Whether it is an ingest, or which kind of upkeep."""
        return self.request.kind if isinstance(self.request, UpkeepRequest) else "ingest"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state not in ("queued", "running")


class Interrupted(BotError):
    """The server ends: raised inside a running job at its next sign of life."""


def no_upkeep(_: UpkeepRequest, __: Callable[[Progress], None]) -> UpkeepResult:
    """Of a server that ingests and does nothing else."""
    raise BotError("This server does no upkeep: stop it, and run this again.")


@dataclass(slots=True)
class _Meter:
    """The progress of one source, and when it was how far."""

    latest: SourceProgress
    marks: deque[tuple[float, int]] = field(default_factory=deque)


class IngestJobs:
    """Carries out jobs one after the other, in a thread of its own. Any number of threads may ask at once.

    `ended` is told of each job that is over, in the worker's thread. `clock` gives seconds that only go forward.
    """

    def __init__(
        self,
        ingests: Ingests,
        *,
        reports: ReportStore,
        upkeep: RunUpkeep = no_upkeep,
        most_waiting: int = MOST_WAITING,
        ended: Callable[[Job], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ingests = ingests
        self._reports = reports
        self._upkeep = upkeep
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

    def submit(self, request: IngestRequest | UpkeepRequest, *, by: str) -> Job:
        """Put a job in the queue, or find the waiting ingest that does the same. Returns at once.

        A running one is never taken for it: it may have listed its source before the change that is asked about. Nor is
        one in front of upkeep: what was asked for after a removal must not happen before it.
        Raises SourceError for a source that is not configured, Overloaded when the queue is full or the server ends.
        """
        known = self._ingests.names()
        for name in request.sources if isinstance(request, IngestRequest) else ():
            if name not in known:
                raise SourceError(f"There is no source {name}: take one of those in the settings.")
        with self._changed:
            for job in reversed(self._waiting.values()):
                if isinstance(job.request, UpkeepRequest):
                    break
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
            source in request.sources or not (request.sources or request.paths)
            for request in (job.request for job in under_way)
            if isinstance(request, IngestRequest) and not request.dry_run
        )

    def close(self, patience_s: float = PATIENCE_S) -> bool:
        """Take no more jobs, drop what waits, ask what runs to end, and wait for it. Returns whether it ended in time."""
        with self._changed:
            self._closing = True
            while self._waiting:
                _, waiting = self._waiting.popitem(last=False)
                self._finish(replace(waiting, state="interrupted", fault="Kura was stopped before this was begun."))
            self._changed.notify_all()
            worker = self._worker
        if worker is not None:
            worker.join(patience_s)
            if worker.is_alive():
                structlog.get_logger(__name__).warning("a job is still at one document while the server ends")
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
        log.info(f"{job.kind} begun", sources=list(job.request.sources) or "all")
        try:
            ended = self._done(job)
        except Interrupted:
            rest = "the next ingest takes up the rest" if job.kind == "ingest" else "do it again"
            ended = replace(job, state="interrupted", fault=f"Kura was stopped while this ran; {rest}.")
        except Exception as error:  # noqa: BLE001 - the worker must live for the next job
            explained = explain(error)
            ended = _failed(job, explained)
            if explained.known:
                log.error(f"{job.kind} failed", reason=explained.sentence)
            else:
                log.error("unforeseen fault", exception="".join(format_exception(error)))
        if ended.outcome is not None:
            self._keep_report(job, ended.outcome)
        log.info(f"{job.kind} ended", state=ended.state, fault=ended.fault)
        with self._changed:
            self._running = None
            ended = self._finish(self._as_it_stands(ended))
        try:
            self._ended(ended)
        except Exception as error:  # noqa: BLE001 - whoever listens must not end the worker
            log.error("unforeseen fault", exception="".join(format_exception(error)))

    def _done(self, job: Job) -> Job:
        """Do it; the job with what came of it. Raises what the ingest or the upkeep raises."""
        if isinstance(job.request, UpkeepRequest):
            return replace(job, state="done", result=self._upkeep(job.request, self._note))
        outcome = self._ingests.run(job.request, self._note)
        if outcome.faults and not outcome.reports:
            return replace(job, state="failed", outcome=outcome, fault=next(iter(outcome.faults.values())))
        return replace(job, state="done", outcome=outcome)

    def _keep_report(self, job: Job, outcome: Outcome) -> None:
        """A report that cannot be written takes nothing from the ingest."""
        try:
            self._reports.put(job.id, outcome, job.started or job.submitted)
        except (OSError, DataFolderError) as error:
            structlog.get_logger(__name__).error("no report could be written", job=job.id, reason=str(error))

    def _finish(self, job: Job) -> Job:
        """Remember an ended job, with the lock held."""
        ended = replace(job, finished=datetime.now(UTC))
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
                raise Interrupted
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


def _failed(job: Job, explained: Explained) -> Job:
    """The job with why it failed; all of that goes to the command line of this machine, which asks for upkeep."""
    failed = replace(job, state="failed", fault=explained.public)
    if isinstance(job.request, UpkeepRequest):
        return replace(failed, result=UpkeepResult(fault=explained.sentence, exit_code=explained.exit_code))
    return replace(failed, outcome=Outcome((), {"": explained.public}))
