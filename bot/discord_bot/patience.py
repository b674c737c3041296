"""Asking Discord again where it is down for a moment. Knows no message.

discord.py waits out rate limits, but raises for 503 and, on Linux, for a connection that is reset. What is asked again must do
no harm when both times were heard: an edit, or a message with a nonce, which Discord takes once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
import discord

T = TypeVar("T")

TIMES = 6
FIRST_WAIT_S = 0.5
"""Doubled each time: half a minute in all."""


async def patiently(call: Callable[[], Awaitable[T]], *, first_wait_s: float = FIRST_WAIT_S) -> T:
    """What `call` gives; raises what it raises once it is no longer worth asking."""
    for time in range(TIMES - 1):
        try:
            return await call()
        except Exception as error:
            if not passing(error):
                raise
            await asyncio.sleep(first_wait_s * 2**time)
    return await call()


def passing(error: Exception) -> bool:
    """Whether Discord may answer when it is asked again."""
    if isinstance(error, discord.HTTPException):
        return error.status == 429 or error.status >= 500
    return isinstance(error, (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError, ConnectionError))
