from __future__ import annotations

import aiohttp
import pytest

from bot.discord_bot.patience import TIMES, passing, patiently

pytestmark = pytest.mark.anyio


async def test_what_passes_is_asked_again_and_what_does_not_is_raised_at_once() -> None:
    tried = 0

    async def call() -> str:
        nonlocal tried
        tried += 1
        if tried < 3:
            raise aiohttp.ClientConnectionError
        return "there"

    assert await patiently(call, first_wait_s=0.0) == "there"
    tried = 0

    async def refused() -> None:
        nonlocal tried
        tried += 1
        raise ValueError

    with pytest.raises(ValueError):
        await patiently(refused, first_wait_s=0.0)
    assert tried == 1


async def test_patience_has_an_end() -> None:
    tried = 0

    async def call() -> None:
        nonlocal tried
        tried += 1
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await patiently(call, first_wait_s=0.0)
    assert tried == TIMES


def test_a_reset_passes_and_a_mistake_does_not() -> None:
    assert passing(ConnectionResetError())
    assert passing(TimeoutError())
    assert not passing(ValueError())
