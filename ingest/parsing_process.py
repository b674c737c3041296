"""One child process that parses, and the pipes to it, none of which is ever waited for alone. Knows no queue and no restart.

Whoever made a `Child` uses it from that thread only: on Linux the child ends when the thread does.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import ingest
from ingest.parsing_child import Setup
from ingest.parsing_frames import Answer, ParseRequest, Ready, read_answer, write_order
from ingest.parsing_limits import ParseLimits
from models.process_link import how_it_ended

COMMAND = (sys.executable, "-P", "-m", "ingest.parsing_child")
"""`-P`: the working folder is no place to import from."""
END_S = 2.0
"""Seconds between the end of a child's output, or its being killed, and its exit."""
TAIL_BYTES = 2_000
"""Of the end of standard error, for the log."""
_PIECE = 2**20
"""Bytes of one read at most; of one write, what the pipe takes."""
_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Variables a child gets from its parent, which may hold secrets in others."""
_GIVEN = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUTF8": "1",
    "PYTHONWARNINGS": "ignore",
    "MALLOC_ARENA_MAX": "1",  # each arena takes 64 MiB of the address space
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class Ended(Exception):
    """The child is gone; says how. `status` is what the system says of it, None if it was ended from here."""

    def __init__(self, how: str, status: int | None = None) -> None:
        super().__init__(how)
        self.how = how
        self.status = status


class Child:
    """A process under `limits` that parses with `loader`; watched by `selector` beside what else is there.

    Raises OSError if it cannot be started.
    """

    def __init__(self, selector: selectors.BaseSelector, limits: ParseLimits, passage: int, loader: str) -> None:
        self._selector = selector
        self._most_bytes = limits.output_bytes
        self._outbox: deque[memoryview] = deque()
        self._inbox = bytearray()
        self._said = bytearray()
        self._answers, sink = os.pipe()
        try:
            setup = Setup(sink, os.getpid(), limits, passage, loader)
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                (*COMMAND, setup.encode()),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,  # parsers print
                stderr=subprocess.PIPE,
                pass_fds=(sink,),
                env=_environment(),
                cwd="/",
                process_group=0,  # Ctrl-C in a terminal goes to its whole group, and is the parent's affair
            )
        except BaseException:
            os.close(self._answers)
            raise
        finally:
            os.close(sink)
        self.pid = self._process.pid
        assert self._process.stdin is not None  # noqa: S101 - both were asked for
        assert self._process.stderr is not None  # noqa: S101
        self._orders, self._errors = self._process.stdin.fileno(), self._process.stderr.fileno()
        for descriptor in (self._orders, self._errors, self._answers):
            os.set_blocking(descriptor, False)
        selector.register(self._answers, selectors.EVENT_READ)
        selector.register(self._errors, selectors.EVENT_READ)

    def said(self) -> str:
        """The last that it said on standard error since this was asked."""
        tail = self._said.decode("utf-8", "backslashreplace").strip()
        self._said.clear()
        return tail

    def send(self, number: int, request: ParseRequest) -> None:
        """Have an order written, as fast as the child reads; returns at once."""
        head, data = write_order(number, request)
        if not self._outbox:
            self._selector.register(self._orders, selectors.EVENT_WRITE)
        self._outbox += (memoryview(head), memoryview(data))

    def handle(self, descriptor: int) -> Iterator[Ready | Answer]:
        """Do what the selector says is possible; yields what has arrived. Raises Ended, Malformed, TooLarge."""
        if descriptor == self._orders:
            self._write()
        elif descriptor == self._errors:
            self._listen()
        elif descriptor == self._answers:
            piece = _read(descriptor)
            if piece == b"":
                raise self._gone()
            self._inbox += piece or b""
            while (message := read_answer(self._inbox, self._most_bytes)) is not None:
                yield message

    def end(self) -> None:
        """Kill it, and let go of its pipes. May be called again."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs in the kernel, which will end it
            self._process.wait(END_S)
        if self._answers < 0:
            return
        self._listen()
        for descriptor in (self._orders, self._errors, self._answers):
            with contextlib.suppress(KeyError):  # not every one is watched
                self._selector.unregister(descriptor)
        os.close(self._answers)
        self._answers = -1
        for stream in (self._process.stdin, self._process.stderr):
            if stream is not None:
                stream.close()

    def _write(self) -> None:
        try:
            while self._outbox:
                rest = self._outbox.popleft()
                written = os.write(self._orders, rest)
                if written < len(rest):
                    self._outbox.appendleft(rest[written:])
                    return
        except BlockingIOError:
            self._outbox.appendleft(rest)
            return
        except BrokenPipeError:  # it reads no more: that it is gone is seen at its answers
            self._outbox.clear()
        self._selector.unregister(self._orders)

    def _listen(self) -> None:
        """Take one piece of standard error; what it floods beyond that must not keep us from the time."""
        piece = _read(self._errors)
        if piece == b"":
            with contextlib.suppress(KeyError):
                self._selector.unregister(self._errors)
        self._said += piece or b""
        del self._said[:-TAIL_BYTES]

    def _gone(self) -> Ended:
        """How it ended, given that it answers no more."""
        try:
            status = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            return Ended("stopped answering")
        return Ended(how_it_ended(status), status)


def _read(descriptor: int) -> bytes | None:
    """What there is to read; None for nothing, b"" at the end."""
    try:
        return os.read(descriptor, _PIECE)
    except BlockingIOError:
        return None


def _environment() -> dict[str, str]:
    """The least that Python needs, with the parent's import path, so that the child finds this package and no other.

    An empty entry means whatever the working folder is by now: this package's own folder stands in its place.
    """
    ours = str(Path(ingest.__file__ or "").parent.parent)
    path = os.pathsep.join(str(Path(entry or ours).absolute()) for entry in sys.path)
    return {**{name: os.environ[name] for name in _KEPT if name in os.environ}, **_GIVEN, "PYTHONPATH": path}
