"""One child process and the pipes to it: sends calls, hands what comes back to whoever waits. Knows no restarts.

Three threads serve a link: one writes, so that no caller ever waits for a full pipe; one reads, always; one passes on what
the child says on standard error. All end with the child.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import models
from models import process_wire as wire
from models.engine import Cancel, Channel
from models.errors import EngineFailed, ModelError
from models.offline import forbid_telemetry

GRACE_S = 30.0
"""Seconds after a request's deadline at which the child is taken to hang: one native step of a large model takes less."""
END_S = 2.0
"""Seconds between the end of a child's output and its exit."""
LOGGED_LINES = 1_000
"""Lines of standard error passed on from one child, each cut after `LOGGED_BYTES`."""
LOGGED_BYTES = 2_000

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Pending:
    """A call under way; `overdue_at` on the monotonic clock. A generation has a channel and outlives its answer."""

    answer: Future[Any]
    decode: Callable[[Any], Any]
    overdue_at: float
    channel: Channel | None

    def fail(self, error: ModelError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
        elif self.channel is not None:
            self.channel.put(error)


class Link:
    """Starts `command` and talks to it. `name` is the model's, for sentences. Raises OSError if it cannot be started."""

    def __init__(self, command: Sequence[str], name: str) -> None:
        self._name = name
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            process_group=0,  # Ctrl-C goes to a terminal's whole group; whether the child ends is the parent's affair
        )
        self.pid = self._process.pid
        self.over = threading.Event()
        """Set once nothing more will come, everybody has been told and the child's remains are gone."""
        self.answers = 0
        self._ids = itertools.count()
        self._lock = threading.Lock()
        self._pending: dict[int, _Pending] = {}
        self.failure: EngineFailed | None = None  # why it ended; whoever asks from then on gets it too
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        targets = (self._write, self._pass_on, self._read)
        self._threads = [
            threading.Thread(target=target, name=f"model-process-{self.pid}", daemon=True) for target in targets
        ]
        for thread in self._threads:
            thread.start()

    def ask(
        self,
        call: wire.Call,
        decode: Callable[[Any], _T],
        *,
        seconds: float = float("inf"),
        channel: Channel | None = None,
        cancel: Cancel | None = None,
    ) -> Future[_T]:
        """Send a call. Its answer is a value, or a ModelError: what the engine raised, or that the child ended.

        `seconds` is the call's own deadline. With `channel` it is a generation, which goes on after the answer.
        """
        ident, answer = next(self._ids), Future[_T]()
        frame = wire.encode_call(ident, call)
        with self._lock:
            if self.failure is not None:
                raise EngineFailed(*self.failure.args)
            self._pending[ident] = _Pending(answer, decode, time.monotonic() + seconds + GRACE_S, channel)
        self._outbox.put(frame)
        if cancel is not None:
            # Garbage collection may set it, in any thread and under any lock: nothing but a put may happen here.
            cancel.then(functools.partial(self._outbox.put, wire.encode_call(ident, wire.Stop())))
        return answer

    def overdue(self) -> bool:
        """Whether something under way should have ended long ago."""
        now = time.monotonic()
        return any(pending.overdue_at < now for pending in list(self._pending.values()))

    def end(self, failure: EngineFailed) -> None:
        """Kill the child, which has nothing to save; whoever waits gets `failure`. Returns at once."""
        with self._lock:
            self.failure = self.failure or failure
        self._process.kill()

    def _write(self) -> None:
        stream = self._process.stdin
        assert stream is not None  # noqa: S101 - it was asked for
        with contextlib.suppress(OSError), stream:  # a child that is gone: the reader tells
            while (frame := self._outbox.get()) is not None:
                stream.write(frame)
                stream.flush()

    def _pass_on(self) -> None:
        stream = self._process.stderr
        assert stream is not None  # noqa: S101
        with stream:
            for number, line in enumerate(iter(functools.partial(stream.readline, LOGGED_BYTES), b"")):
                if number < LOGGED_LINES:
                    _log.warning("model process %d: %s", self.pid, line.decode("utf-8", "backslashreplace").rstrip())

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None  # noqa: S101
        try:
            with stream:
                while (line := stream.readline(wire.MAX_FRAME_BYTES + 1)).endswith(b"\n"):
                    for event in wire.decode_events(line):
                        self._take(*event)
                if len(line) > wire.MAX_FRAME_BYTES:
                    raise wire.Malformed("a line without end")
        except wire.Malformed as error:
            _log.error("model process %d sent what is no message: %s", self.pid, error)
            self.end(self.ended("sent something that is no message"))
        finally:
            self._finish()

    def _take(self, ident: int, kind: str, value: Any) -> None:
        pending = self._pending.get(ident)
        if pending is None:
            raise wire.Malformed(f"an event for {ident}, which nobody asked or which has ended")
        channel, accepted = pending.channel, pending.answer.done()
        if kind == "error":
            del self._pending[ident]
            pending.fail(value)
        elif kind == "value" and not accepted:
            result = wire.decoded(pending.decode, value)
            if channel is None:
                del self._pending[ident]
            pending.answer.set_result(result)
        elif channel is None or not accepted or kind == "value":
            raise wire.Malformed(f"{kind} out of turn")
        elif kind == "waiting":
            channel.waiting = value
        else:
            if kind == "finished":
                del self._pending[ident]
                self.answers += 1
            channel.put(value)

    def _finish(self) -> None:
        try:
            status = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        with self._lock:
            self.failure = failure = self.failure or self.ended(how_it_ended(status))
        # From here on nothing is added to _pending.
        for pending in self._pending.values():
            pending.fail(EngineFailed(*failure.args))  # each its own: what is raised collects a traceback
        self._pending.clear()
        self._outbox.put(None)
        for thread in self._threads[:-1]:
            thread.join(END_S)
        self.over.set()

    def ended(self, how: str) -> EngineFailed:
        """The fault of which everybody hears who waits, or waits for the next child."""
        return EngineFailed(f"The process of the model {self._name} {how}; it is being started again, ask again soon.")


def how_it_ended(status: int) -> str:
    """What a child's exit status says, as the end of a sentence that begins with the process."""
    if status == -signal.SIGKILL:
        return "was killed (SIGKILL), probably because memory ran out"
    if status < 0:
        known = -status in set(signal.Signals)
        return f"was ended by {signal.Signals(-status).name if known else f'signal {-status}'}"
    return f"ended with status {status}"


def _environment() -> dict[str, str]:
    """The parent's, without telemetry; and its import path, so that the child finds this package and no other.

    An empty entry means whatever the working folder is by now: this package's own folder stands in its place.
    """
    ours = str(Path(models.__file__ or "").parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry or ours for entry in sys.path)}
    forbid_telemetry(environment)
    return environment
