"""The port of a chat engine: what is asked for, what comes back, the stream between two threads. Knows no llama.cpp.

An engine takes requests from any thread and answers each with a `Generation`. How many it works on at once is its own
affair.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from models.errors import ModelError
from models.templates import Segment

FinishReason = Literal["stop", "length", "deadline", "cancelled"]


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one request: of the prompt, how many of those were still in memory, and how many were generated."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """How a generation ended."""

    reason: FinishReason
    usage: TokenUsage


class ChatEngine(Protocol):
    """Generates text from prompts. Safe to call from any thread."""

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and its answer may have together."""

    def count_tokens(self, segments: Sequence[Segment]) -> int:
        """Tokens of a prompt, exactly as `generate` counts them."""

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
        """Queue a prompt and return its stream at once.

        `principal_key` says who asks: memory of an earlier prompt is used again only under an equal key, and never
        under an empty one. `deadline_s` is wall-clock time from this call on, waiting included. `temperature` 0 takes
        the most probable token each time; `seed` matters above 0. Setting `cancel` ends it as `Generation.close` does.

        Raises PromptTooLong (prompt + `max_tokens` exceed the context) and EngineBusy (the queue is full) before
        anything runs, ModelFileError if the model cannot be loaded, EngineFailed if the engine is closed.
        """


class Generation:
    """The stream of one answer: iterate over its pieces of text, in this thread or with `async for`. One reader only.

    `close()`, leaving the `with` block or dropping the object cancels. Iterating raises what the engine raised.
    """

    def __init__(self, cancel: threading.Event) -> None:
        self._cancel = cancel
        self._channel = Channel()
        self._finished: Finished | None = None
        self._over = False

    @property
    def channel(self) -> Channel:
        """The engine's end. An engine must not hold the Generation itself, or dropping it would not cancel."""
        return self._channel

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


class Channel:
    """From the engine's thread to the reader: pieces of text, then one `Finished` or one error."""

    def __init__(self) -> None:
        self.items: queue.SimpleQueue[str | Finished | ModelError] = queue.SimpleQueue()
        self.wake: Callable[[], object] | None = None

    def put(self, item: str | Finished | ModelError) -> None:
        self.items.put(item)
        if self.wake is not None:
            with contextlib.suppress(RuntimeError):  # the reader's event loop is closed: nobody reads any more
                self.wake()
