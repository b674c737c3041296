from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from bot.bridge import Bridge
from bot.errors import Overloaded


def test_work_runs_in_a_thread_and_its_result_comes_back() -> None:
    bridge = Bridge()
    assert asyncio.run(bridge.run(threading.current_thread)) is not threading.main_thread()
    bridge.close()


def test_a_fault_comes_back_as_it_was() -> None:
    bridge = Bridge()

    def fail() -> None:
        raise ValueError("said here")

    with pytest.raises(ValueError, match="said here"):
        asyncio.run(bridge.run(fail))
    bridge.close()


def test_the_callers_context_goes_along() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    bridge = Bridge()

    async def ask() -> str:
        variable.set("of the caller")
        return await bridge.run(variable.get)

    assert asyncio.run(ask()) == "of the caller"
    bridge.close()


def test_too_many_at_once_are_refused_and_later_ones_are_taken_again() -> None:
    bridge = Bridge(threads=1, most_waiting=1)
    release = threading.Event()

    async def crowd() -> None:
        first, second = (asyncio.ensure_future(bridge.run(release.wait)) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="try again"):
            await bridge.run(release.wait)
        release.set()
        await asyncio.gather(first, second)
        await asyncio.sleep(0.01)
        assert await bridge.run(lambda: "taken") == "taken"

    asyncio.run(crowd())
    bridge.close()
