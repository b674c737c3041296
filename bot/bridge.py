"""The one bridge from the event loop to blocking work: a few threads behind a bounded queue. Knows nothing of the work."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from bot.errors import Overloaded

T = TypeVar("T")

THREADS = 2
"""Searches are Python and numpy: more threads than this only take turns."""
MOST_WAITING = 256
"""More than this would wait for seconds: better to say so at once."""


class Bridge:
    """Runs blocking calls in threads; raises Overloaded when too many wait."""

    def __init__(self, threads: int = THREADS, most_waiting: int = MOST_WAITING) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="kura")
        self._most = threads + most_waiting
        self._under_way = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Call `work` in a thread. A caller that is cancelled no longer waits; work that has begun runs to its end."""
        if self._under_way >= self._most:
            raise Overloaded("Too many questions are waiting: try again in a few seconds.")
        self._under_way += 1
        context = contextvars.copy_context()
        future = self._pool.submit(context.run, work)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: self._done(loop))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Wait for what has begun, and drop what has not."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _done(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._under_way -= 1
