"""Work for a client ends when the client goes. Knows neither the work nor the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")


class Disconnected(Exception):
    """The client went away before it had its answer; there is nobody left to tell."""


async def while_connected(
    work: Coroutine[Any, Any, T],
    receive: Receive,
    *,
    heartbeat: Callable[[], Awaitable[None]] | None = None,
    every_s: float | None = None,
) -> T:
    """The result of `work`, which is cancelled once, and waited for, as soon as the client disconnects.

    `receive` must have no body left to give. `heartbeat` is called whenever `every_s` seconds passed without an end.
    Cancelled once: a clean-up inside `work` may await, which a cancel scope would forbid it again and again.
    Raises Disconnected, or whatever `work` raises.
    """
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_disconnect(receive))
    try:
        while not (
            done := (await asyncio.wait({working, watching}, timeout=every_s, return_when="FIRST_COMPLETED"))[0]
        ):
            if heartbeat is not None:
                await heartbeat()
        if working in done:
            return working.result()
        raise Disconnected
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
