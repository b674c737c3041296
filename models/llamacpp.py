"""The chat engine over llama.cpp: one thread owns the model's context, a bounded queue stands in front of it.

Knows no people, documents or LangChain. Nothing is loaded before the first request (or `load`).
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from models import gguf
from models.cards import ModelCard
from models.engine import Channel, Finished, FinishReason, Generation, TokenUsage
from models.errors import EngineBusy, EngineFailed, ModelConfigError, ModelError, PromptTooLong
from models.streaming import StopCutter
from models.templates import Segment, tokens_of

PREFILL_CHUNK = 256
"""Tokens of the prompt run at once: a cancel, a deadline and a full queue are looked at between two chunks."""
CLOSE_S = 10.0
"""Seconds that `close` waits for a native call to return before it leaves the thread to itself."""


class Sampler(Protocol):
    """Chooses the next token after the last decoded one."""

    def sample(self) -> int: ...
    def close(self) -> None: ...


class ContextVocabulary(Protocol):
    """The tokens of the model; `tokenize` is safe from any thread."""

    @property
    def special_tokens(self) -> Mapping[int, str]: ...
    @property
    def bos(self) -> int | None: ...
    def tokenize(self, text: str, *, special: bool) -> list[int]: ...
    def is_end(self, token: int) -> bool: ...
    def piece(self, token: int) -> bytes: ...


class Context(Protocol):
    """What the engine's thread drives; `models/llamacpp_context.py` is the real one."""

    @property
    def context_length(self) -> int: ...
    @property
    def vocabulary(self) -> ContextVocabulary: ...
    def decode(self, tokens: Sequence[int]) -> None: ...
    def keep(self, count: int) -> int: ...
    def sampler(self, temperature: float, seed: int) -> Sampler: ...
    def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class _Job:
    """One request; `ends_at` on the monotonic clock."""

    tokens: list[int]
    principal_key: str
    max_tokens: int
    ends_at: float
    temperature: float
    seed: int
    stop: tuple[str, ...]
    cancel: threading.Event
    channel: Channel

    def ending(self) -> FinishReason | None:
        """Why to stop now, if there is a reason."""
        if self.cancel.is_set():
            return "cancelled"
        return "deadline" if time.monotonic() >= self.ends_at else None


class LlamaEngine:
    """A `ChatEngine` that works on one request at a time, in order of arrival.

    `context_length` (tokens; 0: the card's), `threads` (0: all processors of this process), `n_gpu_layers` (-1: all).
    `queue_size` requests may wait behind the running one. `open_context` is for tests.
    """

    def __init__(
        self,
        card: ModelCard,
        *,
        context_length: int = 0,
        threads: int = 0,
        n_gpu_layers: int = 0,
        queue_size: int = 16,
        open_context: Callable[[], Context] | None = None,
    ) -> None:
        if card.adapter is not None:
            raise ModelConfigError(f"The adapter {card.adapter} cannot be applied here; merge it into {card.path}.")
        self.card = card
        self._context_length = context_length or card.context_length
        self._threads = threads
        self._n_gpu_layers = n_gpu_layers
        self._queue_size = queue_size
        self._open = open_context or self._open_llama
        self._loading = threading.Lock()
        self._thread: threading.Thread | None = None
        self._context: Context | None = None
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()  # this and the two below: only under _changed
        self._running = False
        self._closed = False

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and its answer may have together; loads the model."""
        return self._loaded().context_length

    def load(self) -> None:
        """Verify the file and open the model, if that has not happened. Raises ModelFileError, EngineFailed."""
        self._loaded()

    def count_tokens(self, segments: Sequence[Segment]) -> int:
        """Tokens of a prompt, exactly as `generate` counts them; loads the model."""
        return len(_prompt(segments, self._loaded().vocabulary))

    def generate(
        self,
        segments: Sequence[Segment],
        *,
        principal_key: str,
        max_tokens: int,
        deadline_s: float,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        cancel: threading.Event | None = None,
    ) -> Generation:
        """See `models.engine.ChatEngine.generate`."""
        if max_tokens < 1:
            raise ModelConfigError(f"max_tokens must be at least 1, and is {max_tokens}; correct the settings.")
        ends_at = time.monotonic() + deadline_s
        context = self._loaded()
        tokens = _prompt(segments, context.vocabulary)
        if len(tokens) + max_tokens > context.context_length:
            raise PromptTooLong(
                f"The prompt has {len(tokens):,} tokens; with {max_tokens:,} for the answer it does not fit into the "
                f"{context.context_length:,} of {self.card.name}: shorten the question or hand in fewer passages."
            )
        cancel = cancel or threading.Event()
        generation = Generation(cancel)
        job = _Job(
            tokens, principal_key, max_tokens, ends_at, temperature, seed, tuple(stop), cancel, generation.channel
        )
        self._submit(job)
        return generation

    def close(self) -> None:
        """Stop whatever runs, give the memory back. Whoever still waits gets EngineFailed. May be called again."""
        with self._loading:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            if self._thread is not None:
                self._thread.join(CLOSE_S)
                self._thread = None
        atexit.unregister(self.close)

    # In the callers' threads

    def _loaded(self) -> Context:
        with self._loading:
            if self._closed:
                raise self._closed_error()
            if self._context is None:
                opened: Future[Context] = Future()
                thread = threading.Thread(target=self._serve, args=(opened,), name="llama.cpp", daemon=True)
                thread.start()
                self._context = opened.result()
                self._thread = thread
                atexit.register(self.close)  # a thread inside llama.cpp must not outlive the interpreter
            return self._context

    def _submit(self, job: _Job) -> None:
        with self._changed:
            if self._closed:
                raise self._closed_error()
            self._drop_ended()
            if len(self._waiting) + self._running > self._queue_size:
                raise EngineBusy(
                    f"{len(self._waiting)} requests are already waiting for {self.card.name}; try again in a moment."
                )
            self._waiting.append(job)
            self._changed.notify()

    def _drop_ended(self) -> None:
        """Answer the waiting jobs that were cancelled or whose time is over. Under `_changed`."""
        for job in list(self._waiting):
            if reason := job.ending():
                self._waiting.remove(job)
                job.channel.put(Finished(reason, TokenUsage(prompt=len(job.tokens))))

    def _closed_error(self) -> EngineFailed:
        return EngineFailed(f"The model {self.card.name} was closed; ask again after the restart.")

    # In the engine's thread

    def _open_llama(self) -> Context:
        gguf.check(self.card.path, self.card.sha256)
        try:
            from models.llamacpp_context import LlamaContext
        except (ImportError, OSError, RuntimeError) as error:
            raise EngineFailed(f"llama-cpp-python does not start here ({error}); install it again.") from error
        return LlamaContext(
            self.card.path,
            context_length=self._context_length,
            threads=self._threads,
            n_gpu_layers=self._n_gpu_layers,
            batch=PREFILL_CHUNK,
        )

    def _serve(self, opened: Future[Context]) -> None:
        try:
            context = self._open()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked for the model
            opened.set_exception(error)
            return
        opened.set_result(context)
        memory = _Memory(context)
        while (job := self._next()) is not None:
            job.channel.put(self._answer(memory, job))
        with self._changed:
            while self._waiting:
                self._waiting.popleft().channel.put(self._closed_error())
        context.close()

    def _next(self) -> _Job | None:
        with self._changed:
            self._running = False
            while not self._closed:
                self._drop_ended()
                if self._waiting:
                    self._running = True
                    return self._waiting.popleft()
                self._changed.wait()
        return None

    def _answer(self, memory: _Memory, job: _Job) -> Finished | ModelError:
        try:
            return self._generate(memory, job)
        except ModelError as error:
            memory.forget()
            return error
        except Exception as error:  # noqa: BLE001 - the reader must hear of it, and the thread must live on
            memory.forget()
            failed = EngineFailed(f"The engine of {self.card.name} failed ({type(error).__name__}); ask again.")
            failed.__cause__ = error
            return failed

    def _generate(self, memory: _Memory, job: _Job) -> Finished:
        # 1. the prompt, but for what is still in memory
        cached = position = memory.reuse(job.tokens, job.principal_key)
        while position < len(job.tokens):
            if reason := self._ending(job):
                return Finished(reason, TokenUsage(len(job.tokens), cached, 0))
            position += memory.extend(job.tokens[position : position + PREFILL_CHUNK])
        # 2. the answer, token by token
        vocabulary, cutter, made = memory.context.vocabulary, StopCutter(job.stop), 0
        sampler = memory.context.sampler(job.temperature, job.seed)
        try:
            while (reason := self._ending(job)) is None:
                token = sampler.sample()
                if vocabulary.is_end(token):
                    reason = "stop"
                    break
                made += 1
                if text := cutter.feed(vocabulary.piece(token)):
                    job.channel.put(text)
                if cutter.stopped or made == job.max_tokens:
                    reason = "stop" if cutter.stopped else "length"
                    break
                memory.extend([token])
        finally:
            sampler.close()
        # 3. what was held back
        if text := cutter.finish():
            job.channel.put(text)
        return Finished(reason, TokenUsage(len(job.tokens), cached, made))

    def _ending(self, job: _Job) -> FinishReason | None:
        """Looked at between two native calls: the running job, those that wait, and the engine itself."""
        with self._changed:
            if self._closed:
                raise self._closed_error()
            self._drop_ended()
        return job.ending()


class _Memory:
    """Which tokens the context holds, and for whom. No other principal's request ever builds on them."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._tokens: list[int] = []
        self._owner = ""

    def reuse(self, prompt: Sequence[int], owner: str) -> int:
        """Keep what `prompt` begins with, but for its last token, if it is the same owner's. Returns how many."""
        shared = 0
        if owner and owner == self._owner:
            for ours, theirs in zip(self._tokens, prompt[:-1], strict=False):
                if ours != theirs:
                    break
                shared += 1
        kept = self.context.keep(shared)
        self._tokens, self._owner = list(prompt[:kept]), owner
        return kept

    def extend(self, tokens: Sequence[int]) -> int:
        """Run tokens after those in memory; returns how many."""
        self.context.decode(tokens)
        self._tokens += tokens
        return len(tokens)

    def forget(self) -> None:
        self._tokens, self._owner = [], ""
        self.context.keep(0)


def _prompt(segments: Sequence[Segment], vocabulary: ContextVocabulary) -> list[int]:
    tokens = tokens_of(segments, vocabulary)
    if vocabulary.bos is not None and tokens[:1] != [vocabulary.bos]:
        tokens.insert(0, vocabulary.bos)
    if not tokens:
        raise ModelConfigError("A prompt needs at least one token; hand in a question.")
    return tokens
