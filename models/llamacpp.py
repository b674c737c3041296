"""The chat engine over llama.cpp: one thread owns the model and drives the scheduler; a fair, bounded queue stands in front.

Knows no people, documents or LangChain. Nothing is loaded before the first request (or `load`).
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from models import gguf
from models.cards import ModelCard
from models.engine import (
    Cancel,
    EngineOptions,
    EngineState,
    Finished,
    Generation,
    Request,
    Score,
    TokenUsage,
    Waiting,
)
from models.errors import EngineBusy, EngineFailed, ModelConfigError, PromptTooLong
from models.queueing import FairQueue
from models.requests import check, check_deadline
from models.runs import Backend, ContextVocabulary
from models.scheduler import Job, Scheduler
from models.scoring import ScoreJob, steps
from models.sequences import Sequences
from models.templates import Segment, tokens_of

CLOSE_S = 10.0
"""Seconds that `close` waits for a native call to return before it leaves the thread to itself."""
MOST_SCORE_JOBS = 16
"""Score jobs that may wait; each is worked on between two steps of the answers."""
_DONE = object()
_log = logging.getLogger(__name__)


class LlamaEngine:
    """A `ChatEngine` that works on several requests at once, in one memory of its own.

    `pinned` is what prompts begin with (Kura's own text): computed once, shared by everybody. `adapters` are LoRA files by
    name. `open_backend` is for tests.
    """

    def __init__(
        self,
        card: ModelCard,
        options: EngineOptions = EngineOptions(),  # noqa: B008 (frozen)
        *,
        pinned: Sequence[Segment] = (),
        adapters: Mapping[str, Path] = {},
        open_backend: Callable[[], Backend] | None = None,
    ) -> None:
        self.card = card
        self.options = options
        self._pinned = tuple(pinned)
        self._adapters = dict(adapters)
        self._open = open_backend or self._open_llama
        self._loading = threading.Lock()
        self._thread: threading.Thread | None = None
        self._backend: Backend | None = None
        self._changed = threading.Condition()
        self._queue: FairQueue[Job] = FairQueue(options.queue_size)  # this and all below: only under _changed
        self._score_jobs: deque[ScoreJob] = deque()
        self._state = EngineState()
        self._closed = False

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and its answer may have together; loads the model."""
        return self._loaded().context.context_length

    def load(self) -> None:
        """See `models.engine.ChatEngine.load`."""
        self._loaded()

    def count_tokens(self, segments: Sequence[Segment]) -> int:
        """Tokens of a prompt, exactly as `generate` counts them; loads the model."""
        return len(prompt_tokens(segments, self._loaded().context.vocabulary))

    def generate(self, request: Request, *, cancel: Cancel | None = None) -> Generation:
        """See `models.engine.ChatEngine.generate`."""
        check(request)
        ends_at = time.monotonic() + request.deadline_s
        if request.adapter and request.adapter not in self._adapters:
            known = ", ".join(sorted(self._adapters)) or "none"
            raise ModelConfigError(f"{self.card.name} has no adapter named {request.adapter!r}; it has: {known}.")
        backend = self._loaded()
        grammar = backend.grammar(request.sampling)
        tokens = prompt_tokens(request.segments, backend.context.vocabulary)
        self._check_length(len(tokens), request.max_tokens, backend)
        cancel = cancel or Cancel()
        generation = Generation(cancel)
        job = Job(tokens, request, grammar, ends_at, cancel, generation.channel)
        with self._changed:
            self._check_open()
            self._drop_ended()
            self._queue.add(job, request.principal_key, request.priority)
            self._tell_places()
            self._changed.notify()
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
        backend = self._loaded()
        vocabulary = backend.context.vocabulary
        tokens = prompt_tokens(segments, vocabulary)
        texts = [tokens_of([Segment(text)], vocabulary) for text in continuations]
        self._check_length(len(tokens), max(map(len, texts), default=0), backend)
        job = ScoreJob(tokens, texts, ends_at, cancel or Cancel())
        with self._changed:
            self._check_open()
            if len(self._score_jobs) >= MOST_SCORE_JOBS:
                raise EngineBusy(
                    f"{MOST_SCORE_JOBS} score requests are already waiting for {self.card.name}; try again."
                )
            self._score_jobs.append(job)
            self._changed.notify()
        try:
            return job.scores.result(timeout=max(0.0, ends_at - time.monotonic()) + CLOSE_S)
        except FutureTimeoutError:
            job.cancel.set()
            raise EngineFailed(f"{self.card.name} did not answer in time; ask again.") from None

    def state(self) -> EngineState:
        """See `models.engine.ChatEngine.state`."""
        with self._changed:
            return self._state

    def close(self) -> None:
        """See `models.engine.ChatEngine.close`."""
        with self._loading:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            if self._backend is not None:
                self._backend.abort()
            if self._thread is not None:
                self._thread.join(CLOSE_S)
                self._thread = None
        atexit.unregister(self.close)

    # --- in the callers' threads ---

    def _loaded(self) -> Backend:
        with self._loading:
            if self._closed:
                raise self._closed_error()
            if self._backend is None:
                opened: Future[Backend] = Future()
                thread = threading.Thread(target=self._serve, args=(opened,), name="llama.cpp", daemon=True)
                thread.start()
                self._backend = opened.result()
                self._thread = thread
                atexit.register(self.close)  # a thread inside llama.cpp must not outlive the interpreter
            return self._backend

    def _check_length(self, prompt: int, more: int, backend: Backend) -> None:
        most = backend.context.context_length
        if prompt + more > most:
            raise PromptTooLong(
                f"The prompt has {prompt:,} tokens; with {more:,} for the answer it does not fit into the {most:,} of "
                f"{self.card.name}: shorten the question or hand in fewer passages."
            )

    def _check_open(self) -> None:
        if self._closed:
            raise self._closed_error()

    def _closed_error(self) -> EngineFailed:
        return EngineFailed(f"The model {self.card.name} was closed; ask again after the restart.")

    def _drop_ended(self) -> None:
        """Answer the waiting jobs that were cancelled or whose time is over. Under `_changed`."""
        if not len(self._queue):
            return  # as at most steps: every token comes by here
        for job in self._queue.drop(lambda job: job.ending() is not None):
            job.channel.put(Finished(job.ending() or "deadline", TokenUsage(prompt=len(job.prompt))))

    def _tell_places(self) -> None:
        """Tell the waiting jobs their places, but for those that the thread takes up as soon as it looks."""
        free = self._state.slots - self._state.active
        for job, place in self._queue.places():
            behind = place.position - free
            job.channel.waiting = Waiting(behind, self._queue.seconds(behind)) if behind > 0 else None

    # --- in the engine's thread ---

    def _open_llama(self) -> Backend:
        gguf.check(self.card.path, self.card.sha256)
        for file in self._adapters.values():
            gguf.check(file, self.card.adapter_sha256 if file == self.card.adapter else "")
        try:
            from models.llamacpp_backend import LlamaBackend
        except (ImportError, OSError, RuntimeError) as error:
            raise EngineFailed(f"llama-cpp-python does not start here ({error}); install it again.") from error
        return LlamaBackend(self.card, self.options, self._adapters)

    def _serve(self, opened: Future[Backend]) -> None:
        with ExitStack() as stack:
            try:
                backend = self._open()
                stack.callback(backend.close)
                tokens = tokens_of(self._pinned, backend.context.vocabulary)
                pinned = prompt_tokens(self._pinned, backend.context.vocabulary) if tokens else []
                sequences = Sequences(backend.context, parked_bytes=self.options.parked_bytes, pinned=pinned)
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked for the model
                opened.set_exception(error)
                return
            self._run(backend, sequences, opened)

    def _run(self, backend: Backend, sequences: Sequences, opened: Future[Backend]) -> None:
        scheduler = Scheduler(backend.context, sequences)
        with self._changed:
            self._queue.served_at_once = backend.context.sequences
            self._state = EngineState(slots=backend.context.sequences)
        opened.set_result(backend)
        self._work(backend, scheduler, sequences)

    def _work(self, backend: Backend, scheduler: Scheduler, sequences: Sequences) -> None:
        """Step until closed: the answers, and between two steps of them one of the scores."""
        scoring: tuple[ScoreJob, Iterator[None]] | None = None
        while (work := self._next(scheduler, sequences, idle=scoring is None)) is not None:
            jobs, score_job = work
            try:
                while jobs:
                    scheduler.take_up(jobs[0])
                    del jobs[0]
                scheduler.step()
            except Exception as error:  # noqa: BLE001 - the readers must hear of it, and the thread must live on
                _log.exception("The engine of %s failed.", self.card.name)
                failed = EngineFailed(f"The engine of {self.card.name} failed ({type(error).__name__}); ask again.")
                failed.__cause__ = error
                scheduler.stop(failed)
                for job in jobs:
                    job.channel.put(failed)
            if score_job is not None:
                scoring = score_job, steps(backend.scoring_context, score_job, lambda: scheduler.chunk)
            if scoring is not None and next(scoring[1], _DONE) is _DONE:
                scoring = None
        # Closed: tell everybody who still waits.
        scheduler.stop(self._closed_error())
        with self._changed:
            for job in self._queue.drop(lambda _: True):
                job.channel.put(self._closed_error())
            for score_job in [*([scoring[0]] if scoring else []), *self._score_jobs]:
                score_job.scores.set_exception(self._closed_error())
            self._score_jobs.clear()

    def _next(
        self, scheduler: Scheduler, sequences: Sequences, *, idle: bool
    ) -> tuple[list[Job], ScoreJob | None] | None:
        """What to take up now; waits while there is nothing to do. None once the engine is closed."""
        with self._changed:
            while not self._closed:
                self._drop_ended()
                taken: list[Job] = []
                while len(taken) < scheduler.room and (job := self._queue.pop()) is not None:
                    job.channel.waiting = None
                    taken.append(job)
                self._count(scheduler, len(taken), sequences.parked_bytes)
                if taken:
                    self._tell_places()
                score_job = self._score_jobs.popleft() if idle and self._score_jobs else None
                if taken or score_job or scheduler.active or not idle:
                    return taken, score_job
                self._changed.wait()
        return None

    def _count(self, scheduler: Scheduler, taken: int, parked_bytes: int) -> None:
        """Account for the jobs that ended since the last look. Under `_changed`."""
        state, ended = self._state, scheduler.ended
        now = (scheduler.active + taken, len(self._queue), parked_bytes)
        if not ended and now == (state.active, state.waiting, state.parked_bytes):
            return
        for one in ended:
            self._queue.took(one.seconds)
        self._state = replace(
            state,
            active=now[0],
            waiting=now[1],
            parked_bytes=now[2],
            requests=state.requests + len(ended),
            prompt_tokens=state.prompt_tokens + sum(one.usage.prompt for one in ended),
            cached_tokens=state.cached_tokens + sum(one.usage.cached for one in ended),
            completion_tokens=state.completion_tokens + sum(one.usage.completion for one in ended),
        )
        ended.clear()


def prompt_tokens(segments: Sequence[Segment], vocabulary: ContextVocabulary) -> list[int]:
    """The tokens of a prompt, with the model's mark of the beginning; raises ModelConfigError if there is none at all."""
    tokens = tokens_of(segments, vocabulary)
    if vocabulary.bos is not None and tokens[:1] != [vocabulary.bos]:
        tokens.insert(0, vocabulary.bos)
    if not tokens:
        raise ModelConfigError("A prompt needs at least one token; hand in a question.")
    return tokens
