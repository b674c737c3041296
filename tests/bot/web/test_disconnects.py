from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive

from bot.web.disconnects import Disconnected, while_connected


def going(gone: asyncio.Event) -> Receive:
    """A client that goes away when `gone` is set, after a message that says nothing."""
    messages = [{"type": "http.request"}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    return receive


def test_the_work_of_a_client_that_stays_is_returned() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    async def stay() -> int:
        return await while_connected(work(), going(asyncio.Event()))

    assert asyncio.run(stay()) == 7


def test_a_fault_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise LookupError

    async def stay() -> None:
        await while_connected(work(), going(asyncio.Event()))

    with pytest.raises(LookupError):
        asyncio.run(stay())


def test_the_work_of_a_client_that_goes_ends_with_its_cleanup_whole() -> None:
    life: list[str] = []
    begun = asyncio.Event()

    async def work() -> None:
        try:
            life.append("begun")
            begun.set()
            await asyncio.Event().wait()
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            life.append("cleaned up")

    async def go() -> None:
        gone = asyncio.Event()
        call = asyncio.create_task(while_connected(work(), going(gone)))
        await begun.wait()
        gone.set()
        with pytest.raises(Disconnected):
            await call

    asyncio.run(go())
    assert life == ["begun", "cleaned up"]


def test_a_call_that_is_cancelled_leaves_no_work_behind() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def stop() -> None:
        call = asyncio.create_task(while_connected(work(), going(asyncio.Event())))
        for _ in range(3):
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert ended.is_set()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(stop())
