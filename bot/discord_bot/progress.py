"""What is shown while an answer is made: at most one edit in 1.2 seconds, always of the latest text. Knows no Discord client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

GAP_S = 1.2
"""Between two edits of one message: Discord allows five in five seconds, shared with everything else in the channel."""
FIRST_S = 0.6
"""An answer that is there by then is shown whole, without any step before it."""


class Progress:
    """Shows the latest of what it is told with `show`, in a task of its own. What `show` raises is logged and nothing more:
    the answer will come all the same."""

    def __init__(
        self, show: Callable[[str], Awaitable[None]], *, gap_s: float = GAP_S, first_s: float = FIRST_S
    ) -> None:
        self._show = show
        self._gap_s = gap_s
        self._first_s = first_s
        self._latest: str | Callable[[], str] = ""
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._free_at = 0.0

    def tell(self, text: str | Callable[[], str]) -> None:
        """This is how it stands, or what gives it when it is to be shown; returns at once."""
        self._latest = text
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._edit())

    async def close(self) -> None:
        """Show nothing more, and return once another edit may follow."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        wait_s = self._free_at - asyncio.get_running_loop().time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def _edit(self) -> None:
        await asyncio.sleep(self._first_s)
        shown = ""
        while True:
            await self._changed.wait()
            self._changed.clear()
            latest = self._latest if isinstance(self._latest, str) else self._latest()
            if latest != shown:
                shown = latest
                edit = asyncio.ensure_future(self._show(shown))
                try:
                    await asyncio.shield(edit)
                except asyncio.CancelledError:
                    await asyncio.gather(
                        edit, return_exceptions=True
                    )  # an edit under way must not come after the answer
                    self._rest()
                    raise
                except Exception as error:  # noqa: BLE001 - whatever it was, the answer is what counts
                    said = f"{type(error).__name__}: {error}"
                    structlog.get_logger(__name__).warning("Discord did not take a step of an answer.", reason=said)
                self._rest()
                await asyncio.sleep(self._gap_s)

    def _rest(self) -> None:
        self._free_at = asyncio.get_running_loop().time() + self._gap_s
