"""One child process after another, kept at work by one thread: limits of time, who is to blame, restarts.

Small documents are sent a few ahead, so that a child never waits for us; the one it works on is the oldest sent. If the
child ends, that one is to blame, and those sent behind it go to the next child. Knows no order of results.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import selectors
import signal
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from ingest.errors import DocumentError, IngestError, ParserStopped
from ingest.parsing_child import NO_MEMORY
from ingest.parsing_frames import Answer, Malformed, Parsed, ParseRequest, Ready, TooLarge
from ingest.parsing_limits import ParseLimits
from ingest.parsing_process import Child, Ended

START_S = 60.0
"""Seconds until a child that does not say it is ready is taken for stuck."""
STARTS = 3
"""Failures to start in a row after which starting is given up..."""
PAUSE_S = 0.5
"""...with so many seconds between them."""
SENT, SENT_BYTES = 8, 2**18
"""Documents a child has at once, and their size together: larger ones are sent one by one."""
DOCUMENTS = 1_000
"""Documents of one child: parsers leak. A start costs about what 100 small documents do."""
WORN = 0.5
"""Share of the memory limit that a child may hold after a document; with more, it gets no other."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Job:
    """A request, and its outcome: a value, a DocumentError as a value, or an IngestError that ends the run."""

    request: ParseRequest
    outcome: Future[Parsed | DocumentError] = field(default_factory=Future)


class Jobs:
    """Jobs not yet taken, first in, first out, for any number of lanes."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._lock = threading.Lock()

    def put(self, job: Job) -> None:
        with self._lock:
            self._waiting.append(job)

    def take(self, room: int | None) -> Job | None:
        """The next job, of at most `room` bytes; None if there is none."""
        with self._lock:
            while self._waiting:
                if room is not None and len(self._waiting[0].request.data) > room:
                    return None
                job = self._waiting.popleft()
                if job.outcome.set_running_or_notify_cancel():
                    return job
        return None


class Lane:
    """A thread that takes jobs and has a child do them. `wake` it when there are some; `close` kills the child."""

    def __init__(self, jobs: Jobs, limits: ParseLimits, passage: int, loader: str) -> None:
        self._jobs = jobs
        self._limits = limits
        self._passage = passage
        self._loader = loader
        self._closing = threading.Event()
        self._woken, self._waker = os.pipe()
        for descriptor in (self._woken, self._waker):
            os.set_blocking(descriptor, False)
        self._thread = threading.Thread(target=self._run, name="parser", daemon=True)
        # of the thread alone
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._child: Child | None = None
        self._ready = False
        self._failures = 0  # to start, in a row
        self._left = 0  # documents that the child may still get
        self._numbers = itertools.count()
        self._sent: deque[tuple[int, Job]] = deque()  # the first is the one the child works on
        self._again: deque[Job] = deque()  # sent in vain to a child that ended
        self._ends_at = 0.0  # when the child must have answered (or be ready), on the monotonic clock
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The child's process id; None when none runs."""
        child = self._child
        return child.pid if child is not None else None

    @property
    def alive(self) -> bool:
        """Whether its thread still takes jobs."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Have the thread look for jobs."""
        with contextlib.suppress(BlockingIOError):  # it has not seen the last call yet
            os.write(self._waker, b"!")

    def close(self) -> None:
        """Kill the child; what it had to do fails with IngestError. Returns when the thread has ended."""
        self._closing.set()
        self.wake()
        self._thread.join()
        self._selector.close()
        os.close(self._woken)
        os.close(self._waker)

    # In the lane's thread

    def _run(self) -> None:
        fault: BaseException = IngestError("The parser was closed; start the run again.")
        try:
            while not self._closing.is_set():
                self._turn()
        except BaseException as error:  # whoever waits must hear of a bug too
            fault = error
            raise
        finally:
            self._drop()
            self._fail_all(fault)

    def _turn(self) -> None:
        """Start, send, wait for what comes first: an answer, the end of the child or of its time, a call."""
        try:
            if self._child is None and (job := self._take(None)) is not None:
                self._again.appendleft(job)
                self._start()
            if self._ready:
                self._send()
            waiting = self._child is not None and (self._sent or not self._ready)
            events = self._selector.select(max(0.0, self._ends_at - time.monotonic()) if waiting else None)
            for key, _ in events:
                if key.fd == self._woken:
                    os.read(self._woken, 2**16)
                elif self._child is not None:
                    for message in self._child.handle(key.fd):
                        self._heard(message)
            if self._child is not None and (self._sent or not self._ready) and time.monotonic() > self._ends_at:
                raise Ended("took too long", -signal.SIGXCPU)
            if self._ready and self._left <= 0 and not self._sent:
                self._drop()
        except (Ended, Malformed, TooLarge) as end:
            self._ended(end)

    def _take(self, room: int | None) -> Job | None:
        if self._again:
            fits = room is None or len(self._again[0].request.data) <= room
            return self._again.popleft() if fits else None
        return self._jobs.take(room)

    def _start(self) -> None:
        self._ready, self._left = False, DOCUMENTS
        self._ends_at = time.monotonic() + START_S
        try:
            self._child = Child(self._selector, self._limits, self._passage, self._loader)
        except (OSError, ValueError) as error:
            raise Ended(f"could not be started ({error})") from error

    def _send(self) -> None:
        assert self._child is not None  # noqa: S101 - it is ready
        while self._left > 0 and len(self._sent) < SENT:
            size = sum(len(job.request.data) for _, job in self._sent)
            job = self._take(SENT_BYTES - size if self._sent else None)
            if job is None:
                return
            if not self._sent:
                self._ends_at = time.monotonic() + self._limits.seconds
            number = next(self._numbers)
            self._sent.append((number, job))
            self._left -= 1
            self._child.send(number, job.request)

    def _heard(self, message: Ready | Answer) -> None:
        if isinstance(message, Ready) or not self._ready:
            self._greeted(message)
            return
        if not self._sent or message.number != self._sent[0][0]:
            raise Malformed("an answer that nobody waits for")
        _, job = self._sent.popleft()
        self._ends_at = time.monotonic() + self._limits.seconds
        job.outcome.set_result(message.outcome or self._out_of_memory(job))
        if isinstance(message.outcome, ParserStopped) and self._child is not None:
            _log.warning("parser process %d failed on a document: %s", self._child.pid, self._child.said())
        if message.outcome is None or message.used_bytes > WORN * self._limits.memory_bytes:
            self._left = 0

    def _greeted(self, message: Ready | Answer) -> None:
        if not isinstance(message, Ready) or self._ready:
            raise Malformed("a greeting out of turn")
        self._ready, self._failures = True, 0
        if not message.sealed:
            _log.info("This system has no filter of system calls for parsers; limits and the audit hook are left.")

    def _ended(self, end: Ended | Malformed | TooLarge) -> None:
        """The child is gone, or must go: blame the document it worked on, and put those behind it back."""
        pid, was_ready, tail = self.pid, self._ready, self._drop()
        if self._closing.is_set():
            return
        state = "" if was_ready else " was not ready, and"
        _log.warning("parser process %s%s %s; it said: %s", pid, state, end, tail or "nothing")
        if was_ready and self._sent:
            _, job = self._sent.popleft()
            job.outcome.set_result(self._verdict(job, end))
        self._again.extendleft(job for _, job in reversed(self._sent))
        self._sent.clear()
        if was_ready:
            return
        self._failures += 1
        if self._failures >= STARTS:
            self._failures = 0
            self._fail_all(
                IngestError(
                    f"The process that parses documents {end}, {STARTS} times: look at the log, free some memory."
                )
            )
        else:
            self._closing.wait(PAUSE_S)

    def _drop(self) -> str:
        """End the child, if there is one; returns the last that it said."""
        child, self._child, self._ready = self._child, None, False
        if child is None:
            return ""
        child.end()
        return child.said()

    def _fail_all(self, fault: BaseException) -> None:
        jobs = [*(job for _, job in self._sent), *self._again]
        while (job := self._jobs.take(None)) is not None:
            jobs.append(job)
        self._sent.clear()
        self._again.clear()
        for job in jobs:
            job.outcome.set_exception(fault)

    def _verdict(self, job: Job, end: Ended | Malformed | TooLarge) -> DocumentError:
        item = job.request.item
        if isinstance(end, TooLarge):
            return DocumentError(f"{item}: it holds more text than one document may; split it.")
        if isinstance(end, Malformed):
            return ParserStopped(f"{item}: its parser answered with what is no document; save the file anew.")
        if end.status == NO_MEMORY:
            return self._out_of_memory(job)
        if end.status == -signal.SIGXCPU:
            return ParserStopped(
                f"{item}: reading it took more than {self._limits.seconds:g} seconds and was stopped;"
                " split the file, or save it in a simpler form."
            )
        return ParserStopped(f"{item}: the process that read it {end}; save the file anew, or in another format.")

    def _out_of_memory(self, job: Job) -> ParserStopped:
        return ParserStopped(
            f"{job.request.item}: reading it takes more than {self._limits.memory_bytes / 2**20:,.0f} MiB of memory;"
            " split the file, or save it in a simpler form."
        )
