from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from models.engine import Cancel
from models.errors import EngineBusy, EngineFailed, ModelConfigError, PromptTooLong
from models.served import ChatServed
from models.served_pool import STICKY_SLACK
from tests.models.model_server import (
    WAIT_S,
    ModelServer,
    Reply,
    answer,
    closed_address,
    cut,
    endless,
    held,
    raw,
    refusal,
)

Connect = Callable[..., ChatServed]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes chats over servers or addresses, closed at the end of the test."""
    made: list[ChatServed] = []

    def over(*servers: ModelServer | str, **given: Any) -> ChatServed:
        urls = tuple(server if isinstance(server, str) else server.url for server in servers)
        made.append(ChatServed(base_urls=urls, model="served", **given))
        return made[-1]

    yield over
    for chat in made:
        chat.close()


@pytest.fixture
def one() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def two() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


def in_background(work: Callable[[], object], times: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for _ in range(times)]
    for thread in threads:
        thread.start()
    return threads


def counts(servers: Sequence[ModelServer]) -> list[int]:
    return [len(server.posts) for server in servers]


@pytest.mark.parametrize(
    "fault",
    [
        refusal(500),
        refusal(502, b"<html>"),
        refusal(503, None, Retry_After="9"),
        refusal(429),
        refusal(200, {"choices": []}),
        cut(),
        raw(b"data: garbage\n\n"),
        raw(b'data: {"error": {"message": "broken", "code": 500}}\n\n'),
        raw(b""),
        refusal(307, None, Location="http://127.0.0.1:9/v1"),
    ],
)
def test_a_fault_before_the_first_token_is_made_good_by_another_server(
    connect: Connect, one: ModelServer, two: ModelServer, fault: Reply
) -> None:
    one.replies.append(fault)
    chat = connect(one, two)

    assert chat.invoke("hi").text == "hello"
    assert counts([one, two]) == [1, 1]
    assert one.posts[0].body == two.posts[0].body


def test_a_pool_with_a_dead_server_answers_and_asks_it_no_more(
    connect: Connect, one: ModelServer, two: ModelServer
) -> None:
    chat = connect(closed_address(), one, two)

    assert [chat.invoke("hi").text for _ in range(6)] == ["hello"] * 6
    assert counts([one, two]) == [3, 3]
    assert "cannot be reached" in chat.check()[0].problem


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (cut("hel"), "broke off"),
        (raw(b'data: {"choices": [{"delta": {"content": "hel"}}]}\n\n'), "broke off in the middle"),
        (raw(b'data: {"choices": [{"delta": {"content": "hel"}}]}\n\ndata: {"error": {"code": 503}}\n\n'), "busy"),
        (raw(b'data: {"choices": [{"delta": {"content": "hel"}}]}\n\ndata: <html>\n\n'), "no part of an answer"),
    ],
)
def test_a_fault_after_the_first_token_is_told_and_nothing_is_repeated(
    connect: Connect, one: ModelServer, two: ModelServer, fault: Reply, said: str
) -> None:
    one.replies.append(fault)
    stream = connect(one, two).stream("hi")

    assert next(stream).text == "hel"
    with pytest.raises(EngineFailed, match=said):
        next(stream)
    assert counts([one, two]) == [1, 0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, ModelConfigError), (422, ModelConfigError), (413, PromptTooLong)],
)
def test_what_another_server_would_refuse_too_is_not_asked_again(
    connect: Connect, one: ModelServer, two: ModelServer, status: int, kind: type[Exception]
) -> None:
    one.replies.append(refusal(status, {"error": {"message": "no"}}))
    with pytest.raises(kind):
        connect(one, two).invoke("hi")
    assert counts([one, two]) == [1, 0]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_is_set_up_wrong_is_left_out_and_another_asked(
    connect: Connect, one: ModelServer, two: ModelServer, status: int
) -> None:
    one.replies.append(refusal(status, None))
    chat = connect(one, two)
    assert chat.invoke("hi").text == "hello"

    assert counts([one, two]) == [1, 1]


def test_where_all_servers_are_set_up_wrong_it_is_said_what_is(connect: Connect, one: ModelServer) -> None:
    one.replies.append(refusal(404, None))
    with pytest.raises(ModelConfigError, match="has no model"):
        connect(one).invoke("hi")


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(connect: Connect, one: ModelServer) -> None:
    one.replies.append(refusal(503, None, Retry_After="100"))
    chat = connect(one)
    for _ in range(2):
        with pytest.raises(EngineBusy) as caught:
            chat.invoke("hi")
        assert 50 < caught.value.retry_after_s <= 100

    assert counts([one]) == [1]


def test_without_any_server_the_message_names_each(connect: Connect) -> None:
    addresses = closed_address(), closed_address()
    chat = connect(*addresses)
    for _ in range(2):
        with pytest.raises(EngineFailed) as caught:
            chat.invoke("what is the salary of Ann?")
        assert all(address in str(caught.value) for address in addresses)
        assert "Ann" not in str(caught.value)


def test_a_server_that_failed_is_taken_back_once_a_check_finds_it_well(connect: Connect, one: ModelServer) -> None:
    one.replies.extend([refusal(500), answer("back")])
    one.well = False
    chat = connect(one)
    for said in ("500", "not ready"):
        with pytest.raises(EngineFailed, match=said):
            chat.invoke("hi")
    one.well = True

    assert chat.invoke("hi").text == "back"
    assert counts([one]) == [2]  # the second time only its health was asked for


def test_a_server_that_failed_is_checked_while_others_work(
    connect: Connect, one: ModelServer, two: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.served_pool.FIRST_BACK_OFF_S", 0.0)
    one.replies.append(refusal(500))
    chat = connect(one, two)
    until = time.monotonic() + WAIT_S
    while counts([one]) != [2] and time.monotonic() < until:
        assert chat.invoke("hi").text == "hello"

    assert counts([one]) == [2]
    assert one.checked.is_set()


def test_a_server_that_gave_nothing_until_the_deadline_is_checked(connect: Connect, one: ModelServer) -> None:
    one.replies.append(endless())
    connect(one).invoke("hi", deadline_s=0.2)

    assert one.checked.wait(WAIT_S)


def test_the_least_busy_server_is_asked(connect: Connect, one: ModelServer, two: ModelServer) -> None:
    release = threading.Event()
    for server in (one, two):
        server.replies.extend([held(release, "slow")] * 2)
    chat = connect(one, two)
    threads = in_background(lambda: chat.invoke("hi"), 4)
    for server in (one, one, two, two):
        assert server.holding.acquire(timeout=WAIT_S)
    assert [health.under_way for health in chat.check()] == [2, 2]
    release.set()
    for thread in threads:
        thread.join(WAIT_S)

    assert counts([one, two]) == [2, 2]
    assert [health.under_way for health in chat.check()] == [0, 0]


def test_a_conversation_stays_with_its_server_until_that_is_much_busier(
    connect: Connect, one: ModelServer, two: ModelServer
) -> None:
    chat = connect(one, two)
    for _ in range(4):
        chat.invoke("hi", conversation="thread 7")
    home, other = sorted((one, two), key=lambda server: -len(server.posts))
    assert counts([home, other]) == [4, 0]

    release = threading.Event()
    home.replies.extend([held(release)] * (STICKY_SLACK + 1))
    threads = in_background(lambda: chat.invoke("hi", conversation="thread 7"), STICKY_SLACK + 1)
    for _ in threads:
        assert home.holding.acquire(timeout=WAIT_S)
    assert chat.invoke("hi", conversation="thread 7").text == "hello"
    assert len(other.posts) == 1
    release.set()
    for thread in threads:
        thread.join(WAIT_S)


def test_closing_a_stream_closes_the_connection(connect: Connect, one: ModelServer) -> None:
    one.replies.append(endless("hel"))
    stream = connect(one).stream("hi")
    assert next(stream).text == "hel"
    stream.close()  # type: ignore[attr-defined]

    assert one.left.wait(WAIT_S)


def test_dropping_a_stream_closes_the_connection(connect: Connect, one: ModelServer) -> None:
    one.replies.append(endless("hel"))
    stream = connect(one).stream("hi")
    next(stream)
    del stream
    gc.collect()

    assert one.left.wait(WAIT_S)


def test_cancelling_the_task_closes_the_connection_also_before_the_first_token(
    connect: Connect, one: ModelServer
) -> None:
    chat = connect(one)

    async def scenario() -> None:
        task = asyncio.create_task(chat.ainvoke("hi"))
        assert await asyncio.to_thread(one.holding.acquire, timeout=WAIT_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    one.replies.append(endless())
    asyncio.run(scenario())

    assert one.left.wait(WAIT_S)


@pytest.mark.parametrize("early", [True, False])
def test_a_cancelled_call_ends_as_cancelled_and_frees_the_server(
    connect: Connect, one: ModelServer, early: bool
) -> None:
    one.replies.append(endless("hel"))
    chat, cancel = connect(one), Cancel()
    if early:
        cancel.set()
    stream = chat.stream("hi", cancel=cancel)
    if not early:
        assert next(stream).text == "hel"
        cancel.set()

    assert [chunk.response_metadata["finish_reason"] for chunk in stream] == ["cancelled"]
    assert early or one.left.wait(WAIT_S)


def test_the_deadline_ends_an_answer_and_says_so(connect: Connect, one: ModelServer) -> None:
    one.replies.extend([endless("hel"), endless()])
    chat = connect(one)
    begun, not_begun = chat.invoke("hi", deadline_s=0.3), chat.invoke("hi", deadline_s=0.3)

    assert (begun.text, begun.response_metadata["finish_reason"]) == ("hel", "deadline")
    assert (not_begun.text, not_begun.response_metadata["finish_reason"]) == ("", "deadline")
    assert one.left.wait(WAIT_S)
    assert chat.invoke("hi").text == "hello"


def test_many_at_once_each_get_their_own_answer(connect: Connect, one: ModelServer, two: ModelServer) -> None:
    def echo(exchange: Any) -> None:
        answer(exchange.body["messages"][0]["content"])(exchange)

    for server in (one, two):
        server.replies.extend([echo] * 100)
    chat = connect(one, two)
    questions = [f"question {number}" for number in range(50)]

    assert [each.text for each in chat.batch(questions)] == questions
    assert [each.text for each in asyncio.run(chat.abatch(questions))] == questions  # type: ignore[arg-type]


def test_closing_ends_what_is_under_way_and_what_comes_after(connect: Connect, one: ModelServer) -> None:
    one.replies.append(endless("hel"))
    chat = connect(one)
    stream = chat.stream("hi")
    assert next(stream).text == "hel"
    chat.close()
    chat.close()

    with pytest.raises(EngineFailed, match="closed"):
        next(stream)
    with pytest.raises(EngineFailed, match="closed"):
        chat.invoke("hi")
    assert one.left.wait(WAIT_S)
    assert "kura-served" not in {thread.name for thread in threading.enumerate()}


def test_a_dropped_client_ends_its_thread(one: ModelServer) -> None:
    chat = ChatServed(base_urls=(one.url,), model="served")
    chat.invoke("hi")
    assert "kura-served" in {thread.name for thread in threading.enumerate()}
    del chat
    gc.collect()

    assert "kura-served" not in {thread.name for thread in threading.enumerate()}
