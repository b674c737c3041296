"""What the child process runs: a chat engine behind two pipes. `python -m models.process_child`; its parent is
`models.process`. Knows nothing of restarts.

It ends with its standard input, wherever its threads are by then: a parent that is gone, however, leaves no child behind.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import functools
import os
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, NoReturn

from models import process_wire as wire
from models.engine import Cancel, ChatEngine, Finished, Generation, Request, Waiting
from models.errors import EngineFailed, ModelError

CALLERS, SCORERS = 4, 32
"""Threads for calls that return soon, and for scorings, which wait for their result. Made when needed."""
WAITING_S = 0.25
"""Seconds between two reports of places in the queue."""
BATCH = 256
"""Events of one line at most."""


def main() -> NoReturn:
    serve(_llama)


def _llama(opening: wire.Open) -> ChatEngine:
    from models.llamacpp import LlamaEngine

    return LlamaEngine(opening.card, opening.options, pinned=opening.pinned, adapters=opening.adapters)


def serve(build: Callable[[wire.Open], ChatEngine]) -> NoReturn:
    """Answer the parent's calls with the engine that `build` makes, until standard input ends."""
    faulthandler.enable()  # a crash says where, on standard error
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What others in this process read and print must not touch the messages.
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    status = 1
    try:
        _Desk(source, sink, build).run()
        status = 0
    except BaseException:  # noqa: BLE001 - said on standard error, and the process ends
        traceback.print_exc()
    finally:
        os._exit(status)


@dataclasses.dataclass(slots=True, eq=False)
class _Stream:
    """A generation that is forwarded; `said` is the place in the queue that the parent knows of."""

    ident: int
    generation: Generation
    begun: bool = False
    said: Waiting | None = None


class _Desk:
    """Reads calls in the thread that runs it, writes all events from one other thread."""

    def __init__(self, source: BinaryIO, sink: BinaryIO, build: Callable[[wire.Open], ChatEngine]) -> None:
        self._source = source
        self._sink = sink
        self._build = build
        self._engine: ChatEngine | None = None
        self._name = ""
        self._callers = ThreadPoolExecutor(CALLERS)
        self._scorers = ThreadPoolExecutor(SCORERS)
        self._cancels: dict[int, Cancel] = {}
        self._ready: queue.SimpleQueue[tuple[int, str, Any] | _Stream] = queue.SimpleQueue()
        """Events, and streams that have something to forward."""

    def run(self) -> None:
        """Returns when the input has ended."""
        threading.Thread(target=self._write, daemon=True).start()
        while line := self._source.readline():
            self._take(*wire.decode_call(line))

    def _take(self, ident: int, call: wire.Call) -> None:
        match call:
            case wire.Stop():
                if cancel := self._cancels.get(ident):
                    cancel.set()
            case Request():
                cancel = self._cancels[ident] = Cancel()
                self._callers.submit(self._generate, ident, call, cancel)
            case wire.Scoring():
                cancel = self._cancels[ident] = Cancel()
                self._scorers.submit(self._score, ident, call, time.monotonic() + call.deadline_s, cancel)
            case wire.Open():
                self._callers.submit(self._open, ident, call)
            case wire.Count(segments):
                self._callers.submit(self._answer, ident, lambda engine: engine.count_tokens(segments))
            case wire.AskState():
                self._callers.submit(self._answer, ident, lambda engine: engine.state())

    # In the callers' threads

    def _open(self, ident: int, opening: wire.Open) -> None:
        self._name = opening.card.name
        with self._telling(ident):
            engine = self._build(opening)
            engine.load()
            self._engine = engine
            self._ready.put((ident, "value", engine.context_length))

    def _answer(self, ident: int, ask: Callable[[ChatEngine], Any]) -> None:
        with self._telling(ident):
            self._ready.put((ident, "value", ask(self._opened())))

    def _score(self, ident: int, call: wire.Scoring, ends_at: float, cancel: Cancel) -> None:
        left = ends_at - time.monotonic()
        self._answer(
            ident, lambda engine: engine.score(call.segments, call.continuations, deadline_s=left, cancel=cancel)
        )
        self._cancels.pop(ident, None)

    def _generate(self, ident: int, request: Request, cancel: Cancel) -> None:
        with self._telling(ident):
            stream = _Stream(ident, self._opened().generate(request, cancel=cancel))
            self._ready.put((ident, "value", None))
            # No thread waits for pieces: the engine's own says that there is one.
            stream.generation.channel.wake = functools.partial(self._ready.put, stream)
            self._ready.put(stream)

    def _opened(self) -> ChatEngine:
        if self._engine is None:
            raise EngineFailed("The model is not open yet; ask again.")
        return self._engine

    @contextlib.contextmanager
    def _telling(self, ident: int) -> Iterator[None]:
        """Whatever is raised goes to the parent; of a fault that is none of ours, only its kind."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the asker must hear of it
            self._cancels.pop(ident, None)
            told = error
            if not isinstance(error, ModelError):
                traceback.print_exc()
                told = EngineFailed(f"The engine of {self._name} failed ({type(error).__name__}); ask again.")
            self._ready.put((ident, "error", told))

    # In the writer's thread

    def _write(self) -> None:
        try:
            queued: dict[int, _Stream] = {}
            reported_at = 0.0
            while True:
                events: list[tuple[int, str, Any]] = []
                with contextlib.suppress(queue.Empty):
                    self._gather(self._ready.get(timeout=WAITING_S if queued else None), events, queued)
                    while len(events) < BATCH:
                        self._gather(self._ready.get_nowait(), events, queued)
                if queued and (now := time.monotonic()) - reported_at >= WAITING_S:
                    reported_at = now
                    for stream in queued.values():
                        _report(stream, events)
                if events:
                    self._sink.write(wire.encode_events(events))
                    self._sink.flush()
        except OSError:  # the parent is gone
            os._exit(0)
        except BaseException:  # noqa: BLE001 - without this thread nobody would hear anything: let the parent start anew
            traceback.print_exc()
            os._exit(1)

    def _gather(
        self, item: tuple[int, str, Any] | _Stream, events: list[tuple[int, str, Any]], queued: dict[int, _Stream]
    ) -> None:
        """Add what `item` brings to `events`; `queued` are the streams that have not begun."""
        if isinstance(item, tuple):
            events.append(item)
            return
        channel = item.generation.channel
        for _ in range(channel.items.qsize()):
            piece = channel.items.get_nowait()
            item.begun = True
            if isinstance(piece, str):
                events.append((item.ident, "text", piece))
            else:
                events.append((item.ident, "finished" if isinstance(piece, Finished) else "error", piece))
                self._cancels.pop(item.ident, None)
                channel.wake = _nothing  # lets go of the stream
        if item.begun:
            queued.pop(item.ident, None)
        else:
            queued[item.ident] = item
            _report(item, events)


def _nothing() -> None:
    """What a channel wakes that nobody reads any more. The engine may be looking at it just now: None would not do."""


def _report(stream: _Stream, events: list[tuple[int, str, Any]]) -> None:
    place = stream.generation.channel.waiting
    if place != stream.said and not stream.begun:
        stream.said = place
        events.append((stream.ident, "waiting", place))


if __name__ == "__main__":
    main()
