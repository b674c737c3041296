from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from bot.web.disconnects import Disconnected
from bot.web.event_stream import EventStream


class Connection:
    """An ASGI connection that keeps what is sent and can go away."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.arrived = asyncio.Event()
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.arrived.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


def stream(events: AsyncGenerator[bytes, None], heartbeat_s: float = 60) -> EventStream:
    return EventStream(events, fault_event=lambda error: f"fault {error}\n\n".encode(), heartbeat_s=heartbeat_s)


def test_silence_is_filled_with_comments_until_events_come() -> None:
    async def run() -> None:
        connection = Connection()

        async def slow() -> AsyncGenerator[bytes, None]:
            await connection.arrived.wait()  # by a comment: nothing else can have arrived
            yield b"data: 1\n\n"

        await stream(slow(), heartbeat_s=0.001)({"type": "http"}, connection.receive, connection.send)
        assert connection.sent[0]["type"] == "http.response.start"
        assert connection.body.startswith(b": ping\n\n")
        assert connection.body.replace(b": ping\n\n", b"") == b"data: 1\n\n"
        assert connection.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    asyncio.run(run())


def test_a_fault_before_the_first_event_leaves_the_answer_to_others() -> None:
    async def run() -> None:
        connection = Connection()

        async def faulty() -> AsyncGenerator[bytes, None]:
            raise LookupError
            yield b""

        with pytest.raises(LookupError):
            await stream(faulty())({"type": "http"}, connection.receive, connection.send)
        assert connection.sent == []

    asyncio.run(run())


def test_a_fault_after_it_is_an_event() -> None:
    async def run() -> None:
        connection = Connection()

        async def faulty() -> AsyncGenerator[bytes, None]:
            yield b"data: 1\n\n"
            raise LookupError("gone")

        await stream(faulty())({"type": "http"}, connection.receive, connection.send)
        assert connection.body == b"data: 1\n\nfault gone\n\n"

    asyncio.run(run())


def test_a_client_that_goes_while_it_is_sent_to_closes_the_events() -> None:
    async def run() -> None:
        connection = Connection()
        closed = asyncio.Event()

        async def endless() -> AsyncGenerator[bytes, None]:
            try:
                while True:
                    yield b"data: 1\n\n"
            finally:
                await asyncio.sleep(0)
                closed.set()

        async def stuck(message: Message) -> None:
            await connection.send(message)
            if message.get("body"):
                await asyncio.Event().wait()  # a full pipe

        answering = asyncio.create_task(stream(endless())({"type": "http"}, connection.receive, stuck))
        await connection.arrived.wait()
        connection.gone.set()
        with pytest.raises(Disconnected):
            await answering
        assert closed.is_set()

    asyncio.run(run())
