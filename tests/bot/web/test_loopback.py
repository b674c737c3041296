"""The application in a real server on loopback: what arrives when, who goes away, and bytes no client should send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from fastapi import FastAPI

from bot.answers import Answer, Delta, Done, Searching
from bot.fakes import HOLD, ScriptedAssistant
from bot.web.metrics import Metrics
from tests.bot.web.loopback import serving

pytestmark = pytest.mark.real
MakeApp = Callable[..., FastAPI]
PATIENCE_S = 20


def ask(accept: str = "*/*") -> bytes:
    body = json.dumps({"question": "何?"}).encode()
    head = f"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def exchange(port: int, sent: bytes) -> bytes:
    """Send bytes and read what comes back, up to the end of the headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


def run(test: Callable[[], object]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(test(), PATIENCE_S)  # type: ignore[arg-type]

    asyncio.run(bounded())


def test_events_arrive_while_the_answer_is_still_being_made(make_app: MakeApp, answer: Answer) -> None:
    async def test() -> None:
        assistant = ScriptedAssistant([Searching("何"), HOLD, Delta("18,000 円"), Done(answer)])
        async with serving(make_app(assistant)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ask("text/event-stream"))
            first = await reader.readuntil(b'"query":"\xe4\xbd\x95"')
            first += await reader.readuntil(b"\n\n")
            assert b"delta" not in first
            assistant.release()
            rest = await reader.readuntil(b"0\r\n\r\n")
            assert b"event: delta" in rest
            assert b"event: done" in rest
            writer.close()

    run(test)


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
def test_a_client_that_goes_away_frees_the_assistant_at_once(make_app: MakeApp, answer: Answer, accept: str) -> None:
    async def test() -> None:
        assistant, metrics = ScriptedAssistant([Searching("何"), HOLD, Done(answer)]), Metrics()
        async with serving(make_app(assistant, metrics=metrics)) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ask(accept))
            await assistant.holding.wait()
            assert not assistant.closed.is_set()
            writer.close()
            await assistant.closed.wait()  # nobody releases HOLD: only the disconnect can have closed it
        counted = b'kura_http_requests_total{method="POST",route="/v1/ask",status="499"} 1.0'
        assert counted in metrics.exposition()

    run(test)


def test_a_server_that_stops_frees_the_assistant(make_app: MakeApp, answer: Answer) -> None:
    async def test() -> None:
        assistant = ScriptedAssistant([Searching("何"), HOLD, Done(answer)])
        async with serving(make_app(assistant)) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ask("text/event-stream"))
            await assistant.holding.wait()
        await assistant.closed.wait()
        writer.close()

    run(test)


HEAD = b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
WRONG_BYTES = {
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": b"400",  # a TLS hello
    b"GET /healthz HTTP/1.1\r\n\r\n": b"421",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n": b"421",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n": b"404",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n": b"4",
    HEAD + b"Content-Length: nonsense\r\n\r\n": b"400",
    HEAD + b"Content-Length: 9999999999\r\n\r\n": b"413",
    CHUNKED + b"zz\r\n": b"400",
    CHUNKED + 17 * (b"10000\r\n" + b"a" * 0x10000 + b"\r\n"): b"413",
}


def test_wrong_bytes_are_answered_and_the_server_lives_on(make_app: MakeApp) -> None:
    async def test() -> None:
        assistant = ScriptedAssistant()
        async with serving(make_app(assistant)) as port:
            for sent, status in WRONG_BYTES.items():
                assert (await exchange(port, sent)).startswith(b"HTTP/1.1 " + status), sent[:60]
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ask()[:-3])  # a body that breaks off
            writer.close()
            alive = await exchange(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert alive.startswith(b"HTTP/1.1 200")
        assert assistant.questions == []

    run(test)
