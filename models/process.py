"""The chat engine in a child process: a native crash or an exhausted memory ends the child, not its parent.

Starts the child, watches it, starts the next one when it ends. Knows no llama.cpp, nor how messages travel.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

from models import process_wire as wire
from models.cards import ModelCard
from models.engine import Cancel, EngineOptions, EngineState, Generation, Request, Score
from models.errors import EngineBusy, EngineFailed, ModelError
from models.process_link import Link
from models.requests import check, check_deadline
from models.templates import Segment

COMMAND = (sys.executable, "-P", "-m", "models.process_child")
"""`-P`: the working folder is no place to import from."""
OPEN_S = 900.0
"""Seconds until a child that opens a model is taken for stuck: a large file on a slow disk takes minutes."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Seconds before a child that ended is started again: doubled each time, from the start once a child has answered."""
WATCH_S = 1.0
"""Seconds between two looks for a child that hangs."""
STATE_S = 0.5
"""Seconds that `state` waits for the child before it tells what it last knew."""
COUNT_S = 60.0
"""Seconds that counting the tokens of one prompt may take."""
CLOSE_S = 10.0
"""Seconds that `close` waits for the killed child's remains."""

_log = logging.getLogger(__name__)


class ProcessEngine:
    """A `ChatEngine` that has a `models.llamacpp.LlamaEngine` work in a child process, started at first use.

    Takes what `LlamaEngine` takes. While an ended child is being started again, calls raise EngineBusy. A model that
    cannot be opened is not tried again by itself: the error goes to whoever asked, and the next call tries again.
    `command` and `pause` (waits the given seconds before a restart) are for tests.
    """

    def __init__(
        self,
        card: ModelCard,
        options: EngineOptions = EngineOptions(),  # noqa: B008 - frozen
        *,
        pinned: Sequence[Segment] = (),
        adapters: Mapping[str, Path] | None = None,
        command: Sequence[str] = COMMAND,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self.card = card
        self._opening = wire.Open(card, options, tuple(pinned), dict(adapters or {}))
        self._command = command
        self._closing = threading.Event()
        self._pause = pause or self._closing.wait
        self._lock = threading.Lock()  # guards all below
        self._child: Link | None = None  # the one that runs, opened or not
        self._attempt: Future[Link] | None = None  # the opened child, there or on its way; None: nobody tries
        self._thread: threading.Thread | None = None
        self._down = False  # a child has ended, and no other is open yet
        self._back_at = 0.0  # when the next one should be open, on the monotonic clock
        self._opened_in_s = 0.0
        self._context_length = 0
        self._restarts = 0
        self._state = EngineState()

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and its answer may have together; loads the model."""
        if not self._context_length:
            self.load()
        return self._context_length

    @property
    def pid(self) -> int | None:
        """The child's process id; None when none runs."""
        child = self._child
        return child.pid if child is not None and child.failure is None else None

    def load(self) -> None:
        """See `models.engine.ChatEngine.load`; waits also for a restart that is under way."""
        self._begun().result()

    def count_tokens(self, segments: Sequence[Segment]) -> int:
        """See `models.engine.ChatEngine.count_tokens`."""
        return self._opened().ask(wire.Count(tuple(segments)), wire.integer, seconds=COUNT_S).result()

    def generate(self, request: Request, *, cancel: Cancel | None = None) -> Generation:
        """See `models.engine.ChatEngine.generate`; EngineBusy also while the child is being started again."""
        check(request)
        ends_at = time.monotonic() + request.deadline_s
        link, cancel = self._opened(), cancel or Cancel()
        generation = Generation(cancel)
        left = dataclasses.replace(request, deadline_s=ends_at - time.monotonic())
        link.ask(left, wire.nothing, seconds=left.deadline_s, channel=generation.channel, cancel=cancel).result()
        return generation

    def score(
        self,
        segments: Sequence[Segment],
        continuations: Sequence[str],
        *,
        deadline_s: float,
        cancel: Cancel | None = None,
    ) -> list[Score]:
        """See `models.engine.ChatEngine.score`."""
        check_deadline(deadline_s)
        ends_at = time.monotonic() + deadline_s
        link, left = self._opened(), ends_at - time.monotonic()
        scoring = wire.Scoring(tuple(segments), tuple(continuations), left)
        return link.ask(scoring, wire.scores, seconds=left, cancel=cancel).result()

    def state(self) -> EngineState:
        """Counts of the running child since it was opened, and the restarts; what was last known if it does not answer.

        Never raises. A child that leaves it unanswered for `process_link.GRACE_S` hangs, and is replaced.
        """
        child, attempt = self._child, self._attempt
        if child is not None and attempt is not None and attempt.done():
            with contextlib.suppress(ModelError, TimeoutError):
                self._state = child.ask(wire.AskState(), wire.engine_state, seconds=STATE_S).result(STATE_S)
        return dataclasses.replace(self._state, restarts=self._restarts)

    def close(self) -> None:
        """Kill the child. Whoever still waits gets EngineFailed. May be called again."""
        with self._lock:
            self._closing.set()
            child, thread = self._child, self._thread
        if child is not None:
            child.end(self._closed())
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSE_S)
        atexit.unregister(self.close)

    def _closed(self) -> EngineFailed:
        return EngineFailed(f"The model {self.card.name} was closed; ask again after the restart.")

    def _opened(self) -> Link:
        """The child that answers; starts it if none was ever tried."""
        with self._lock:
            if (self._down or self._gone()) and not self._closing.is_set():
                wait = max(FIRST_PAUSE_S, self._back_at - time.monotonic())
                raise EngineBusy(
                    f"The process of the model {self.card.name} is being started again; try again in {wait:.0f} s.",
                    wait,
                )
        return self._begun().result()

    def _begun(self) -> Future[Link]:
        with self._lock:
            if self._closing.is_set():
                raise self._closed()
            if self._attempt is None:
                self._attempt = Future()
                self._thread = threading.Thread(
                    target=self._supervise, args=(self._attempt,), name="model-supervisor", daemon=True
                )
                self._thread.start()
                atexit.register(self.close)
            elif self._attempt.done() and self._gone():
                self._attempt = Future()  # the supervisor has not seen it yet, and will take this one
            return self._attempt

    def _gone(self) -> bool:
        return self._child is not None and self._child.failure is not None

    # In the supervisor's thread

    def _supervise(self, attempt: Future[Link]) -> None:
        """One child after the other, until the engine is closed or the model cannot be opened."""
        pause_s = FIRST_PAUSE_S
        while True:
            # 1. a child's life
            failure: ModelError | None = None
            try:
                link = self._open()
            except _Ended as ended:
                failure = ended.failure
            except Exception as refusal:
                with self._lock:
                    self._child, self._attempt, self._down = None, None, False
                attempt.set_exception(refusal)
                if not isinstance(refusal, ModelError):
                    raise  # a bug: whoever waits hears of it, and so does the log
                return
            else:
                with self._lock:
                    self._down = False
                attempt.set_result(link)
                self._watch(link)
                pause_s = FIRST_PAUSE_S if link.answers else pause_s
            # 2. the time until the next one
            with self._lock:
                following = self._attempt
                if following is None or following is attempt:
                    following = Future()
                self._attempt, self._down = following, True
                self._back_at = time.monotonic() + pause_s + self._opened_in_s
            if failure is not None:
                attempt.set_exception(failure)
            attempt = following
            if not self._closing.is_set():
                self._pause(pause_s)
            if self._closing.is_set():
                attempt.set_exception(self._closed())
                return
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            self._restarts += 1

    def _open(self) -> Link:
        """A child with the model open. Raises what the child says against that, and _Ended if it says nothing."""
        name, began_at = self.card.name, time.monotonic()
        try:
            link = Link(self._command, name)
        except (OSError, RuntimeError) as error:
            raise _Ended(EngineFailed(f"No process can be started for {name} ({error}); free some memory.")) from error
        with self._lock:
            self._child = link
            if self._closing.is_set():
                link.end(self._closed())
        try:
            self._context_length = link.ask(self._opening, wire.integer).result(OPEN_S)
        except TimeoutError:
            late = EngineFailed(
                f"The model {name} was not open after {OPEN_S:.0f} seconds; look at its disk, and ask again."
            )
            link.end(late)
            raise _Ended(late) from None
        except ModelError as error:
            if link.failure is not None and error.args == link.failure.args:
                raise _Ended(error) from error
            link.end(EngineFailed(f"The model {name} is not open; ask again."))
            link.over.wait(CLOSE_S)
            raise
        self._opened_in_s = time.monotonic() - began_at
        return link

    def _watch(self, link: Link) -> None:
        while not link.over.wait(WATCH_S):
            if link.overdue():
                link.end(link.ended("did not answer in time"))
        if not self._closing.is_set():
            _log.warning("%s", link.failure)


class _Ended(Exception):
    """A child was gone before it could open the model."""

    def __init__(self, failure: ModelError) -> None:
        super().__init__()
        self.failure = failure
