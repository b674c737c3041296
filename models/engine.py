"""The port of a chat engine: what is asked for, what comes back, the stream between two threads. Knows no llama.cpp.

An engine takes requests from any thread and answers each with a `Generation`. How many it works on at once, and in which
thread or process, is its own affair.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

from models.errors import ModelError
from models.templates import Segment

FinishReason = Literal["stop", "length", "deadline", "cancelled"]
Priority = Literal["interactive", "batch"]
SplitMode = Literal["none", "layer", "row"]
FlashAttention = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to run a model on this machine; the defaults suit a server without a GPU.

    `context_length`: tokens of one prompt and its answer (0: the card's). `slots`: requests worked on at once (0: as many
    as a quarter of the free memory holds, at most 8). `threads`: 0 is one for each free core. `n_gpu_layers`: -1 is all.
    `split_mode` and `main_gpu`: how layers are spread over several GPUs. `queue_size`: requests that may wait.
    `parked_bytes`: memory for what idle conversations have already computed.
    """

    context_length: int = 0
    slots: int = 0
    threads: int = 0
    n_gpu_layers: int = 0
    split_mode: SplitMode = "layer"
    main_gpu: int = 0
    flash_attention: FlashAttention = "auto"
    queue_size: int = 64
    parked_bytes: int = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. `temperature` 0 takes the most probable one each time, whatever the cuts say.

    `top_k` (0: off), `top_p` (1: off), `min_p` (0: off) cut the candidates, in this order. `repeat_penalty` (1: off),
    `frequency_penalty` and `presence_penalty` (0: off) look at the last `penalty_window` tokens of the answer.
    `seed` matters above temperature 0. `logprobs` is how many alternatives are reported for each token (0: none, not even
    the token's own). At most one of `grammar` (GBNF, root rule `root`) and `json_schema` (JSON text) binds the answer.
    """

    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    penalty_window: int = 64
    seed: int = 0
    logprobs: int = 0
    grammar: str = ""
    json_schema: str = ""


GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt, and what its answer may cost.

    `principal_key` says who asks: what was computed for an earlier prompt is used again only under an equal key, and
    never under an empty one. `deadline_s` is wall-clock time from the call on, waiting included. A stop string ends the
    answer and is not part of it. `adapter` names a LoRA adapter that the engine was given ("": none).
    """

    segments: tuple[Segment, ...]
    principal_key: str
    max_tokens: int
    deadline_s: float
    sampling: Sampling = GREEDY
    stop: tuple[str, ...] = ()
    priority: Priority = "interactive"
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A place in the queue: 1 is the next to be taken up; `seconds` is an estimate from recent requests."""

    position: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one request: of the prompt, how many of those were still in memory, and how many were generated."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A generated token's bytes and natural log-probability, with the most probable tokens at its place, best first."""

    token: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """How a generation ended. `logprobs` has an entry for each generated token if they were asked for."""

    reason: FinishReason
    usage: TokenUsage
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """How probable a continuation is after a prompt: the sum of its tokens' natural log-probabilities, and their number."""

    logprob: float
    tokens: int

    @property
    def mean(self) -> float:
        """Log-probability of a token, for comparing continuations of different lengths; 0.0 for an empty one."""
        return self.logprob / self.tokens if self.tokens else 0.0


@dataclass(frozen=True, slots=True)
class EngineState:
    """What an engine is doing right now, and what it has done since it was opened."""

    slots: int = 0
    active: int = 0
    waiting: int = 0
    parked_bytes: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    restarts: int = 0


class Cancel:
    """Says that nobody wants an answer any more. Set from any thread, for good."""

    def __init__(self) -> None:
        # Re-entrant, and no threading.Event: the garbage collector may drop a Generation, which sets it, at any point here.
        self._lock = threading.RLock()
        self._set = False
        self._callbacks: list[Callable[[], object]] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        with self._lock:
            self._set = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def then(self, callback: Callable[[], object]) -> None:
        """Call `callback` once it is set, in the thread that sets it; at once if it is set already."""
        with self._lock:
            self._callbacks.append(callback)
        if self._set:
            self.set()


class ChatEngine(Protocol):
    """Generates text from prompts. Safe to call from any thread."""

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and its answer may have together; loads the model."""

    def load(self) -> None:
        """Verify the file and open the model, if that has not happened. Raises ModelFileError, EngineFailed."""

    def count_tokens(self, segments: Sequence[Segment]) -> int:
        """Tokens of a prompt, exactly as `generate` counts them; loads the model."""

    def generate(self, request: Request, *, cancel: Cancel | None = None) -> Generation:
        """Queue a prompt and return its stream at once. Setting `cancel` ends it as `Generation.close` does.

        Raises PromptTooLong (prompt + `max_tokens` exceed the context), ModelConfigError (sampling, grammar or adapter
        that cannot be) and EngineBusy (the queue is full, or the model's process is being started again) before anything
        runs, ModelFileError if the model cannot be loaded, EngineFailed if the engine is closed.
        """

    def score(
        self,
        segments: Sequence[Segment],
        continuations: Sequence[str],
        *,
        deadline_s: float,
        cancel: Cancel | None = None,
    ) -> list[Score]:
        """The likelihood of each continuation (untrusted text) after one shared prompt, in one batch. Waits for it.

        Raises as `generate` does, and EngineFailed when the deadline passes or `cancel` is set.
        """

    def state(self) -> EngineState:
        """Counts for monitoring; loads nothing."""

    def close(self) -> None:
        """Stop whatever runs, give the memory back. Whoever still waits gets EngineFailed. May be called again."""


class Generation:
    """The stream of one answer: iterate over its pieces of text, in this thread or with `async for`. One reader only.

    `close()`, leaving the `with` block or dropping the object cancels. Iterating raises what the engine raised.
    """

    def __init__(self, cancel: Cancel) -> None:
        self._cancel = cancel
        self._channel = Channel()
        self._finished: Finished | None = None
        self._over = False

    @property
    def channel(self) -> Channel:
        """The engine's end. An engine must not hold the Generation itself, or dropping it would not cancel."""
        return self._channel

    @property
    def waiting(self) -> Waiting | None:
        """The place in the queue; None once it is being worked on."""
        return self._channel.waiting

    @property
    def finished(self) -> Finished:
        """How it ended; known once the iteration is over. Raises RuntimeError before, and after a failure."""
        if self._finished is None:
            raise RuntimeError("the generation has not finished: read all its pieces first")
        return self._finished

    def text(self) -> str:
        """Wait for the whole answer."""
        return "".join(self)

    def __iter__(self) -> Iterator[str]:
        while not self._over:
            item = self._channel.items.get()
            if (piece := self._take(item)) is not None:
                yield piece

    async def __aiter__(self) -> AsyncIterator[str]:
        """As `__iter__`, on the event loop: no thread waits. Cancelling the task cancels the generation."""
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        self._channel.wake = lambda: loop.call_soon_threadsafe(ready.set)
        try:
            while not self._over:
                ready.clear()
                with contextlib.suppress(queue.Empty):
                    while not self._over:
                        if (piece := self._take(self._channel.items.get_nowait())) is not None:
                            yield piece
                if not self._over:
                    await ready.wait()
        finally:
            self.close()

    def close(self) -> None:
        """Stop generating. Returns at once; harmless after the end."""
        if not self._over:
            self._cancel.set()

    def _take(self, item: str | Finished | ModelError) -> str | None:
        if isinstance(item, str):
            return item
        self._over = True
        if isinstance(item, Finished):
            self._finished = item
            return None
        raise item

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


@dataclass(slots=True, eq=False)
class Channel:
    """From the engine to the reader: pieces of text, then one `Finished` or one error; and the place in the queue."""

    items: queue.SimpleQueue[str | Finished | ModelError] = field(default_factory=queue.SimpleQueue)
    waiting: Waiting | None = None
    wake: Callable[[], object] | None = None

    def put(self, item: str | Finished | ModelError) -> None:
        self.waiting = None
        self.items.put(item)
        if self.wake is not None:
            with contextlib.suppress(RuntimeError):  # the reader's event loop is closed: nobody reads any more
                self.wake()
