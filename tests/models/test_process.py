from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from models import process
from models.cards import local_chat
from models.engine import Cancel, ChatEngine, Generation, Score, Waiting
from models.errors import EngineBusy, EngineFailed, ModelConfigError, ModelError, ModelFileError, PromptTooLong
from models.process import ProcessEngine
from models.templates import Segment
from tests.models.scripted_child import COMMAND, WAIT_S, ScriptedEngine, prompt, request, until


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessEngine]:
    """One for the tests that leave it as it was."""
    engine = ProcessEngine(local_chat(tmp_path_factory.mktemp("model") / "good.gguf"), command=COMMAND)
    engine.load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "STATE_S", WAIT_S)  # on a busy machine too, tests want to know what is
        yield engine
    engine.close()


@pytest.fixture(params=["here", "in a child"])
def either(child: ProcessEngine, request: pytest.FixtureRequest) -> ChatEngine:
    """The scripted engine, with and without a process in between."""
    return child if request.param == "in a child" else ScriptedEngine(child.card)


def test_an_answer_is_the_same_with_and_without_a_process(either: ChatEngine) -> None:
    before = either.state().requests
    generation = either.generate(request("say 4", logprobs=1))
    assert list(generation) == ["0 ", "1 ", "2 ", "3 "]
    assert generation.finished.reason == "stop"
    assert generation.finished.usage.completion == 4
    assert [token.token for token in generation.finished.logprobs] == [b"\xe8"] * 4
    assert generation.finished.logprobs[0].top[1] == (b"a", float("-inf"))
    assert either.generate(request("echo 蔵\n\ud800")).text() == "蔵\n\ud800"
    assert either.count_tokens(prompt("four")) == 7
    assert either.context_length == 1_000
    assert either.score(prompt(""), ["ab", ""], deadline_s=WAIT_S) == [Score(-1.0, 2), Score(-0.0, 0)]
    until(lambda: either.state().active == 0)
    assert (either.state().slots, either.state().requests) == (8, before + 2)


@pytest.mark.parametrize(
    ("order", "max_tokens", "deadline_s", "reason"),
    [("endless", 3, WAIT_S, "length"), ("endless", 1_000_000, 0.2, "deadline"), ("silent", 5, -1.0, "deadline")],
)
def test_caps_end_an_answer_with_and_without_a_process(
    either: ChatEngine, order: str, max_tokens: int, deadline_s: float, reason: str
) -> None:
    generation = either.generate(request(order, max_tokens=max_tokens, deadline_s=deadline_s))
    generation.text()
    assert generation.finished.reason == reason


@pytest.mark.parametrize(
    ("order", "kind", "sentence"),
    [
        ("file", ModelFileError, "The file is gone."),
        ("config", ModelConfigError, "There is no such adapter."),
        ("long", PromptTooLong, "The prompt is too long."),
        ("busy", EngineBusy, "Come back later."),
        ("failed", EngineFailed, "The engine failed."),
        ("bug", EngineFailed, "The engine of good failed (ZeroDivisionError); ask again."),
    ],
)
def test_what_the_engine_refuses_is_raised_by_generate(
    child: ProcessEngine, order: str, kind: type[ModelError], sentence: str
) -> None:
    with pytest.raises(kind) as caught:
        child.generate(request(f"raise {order}"))
    assert type(caught.value) is kind
    assert str(caught.value) == sentence
    assert getattr(caught.value, "retry_after_s", 7.5) == 7.5
    assert child.generate(request("say 1")).text() == "0 "


def test_a_fault_in_the_middle_comes_after_the_pieces_before_it(either: ChatEngine) -> None:
    pieces = iter(either.generate(request("fail")))
    assert next(pieces) == "half "
    with pytest.raises(EngineFailed, match="in the middle"):
        next(pieces)


def test_the_place_in_the_queue_is_told_until_work_begins(child: ProcessEngine) -> None:
    generation = child.generate(request("queue"))
    until(lambda: generation.waiting == Waiting(3, 4.5))
    until(lambda: generation.waiting == Waiting(2, 3.0))
    assert generation.text() == "served"
    assert generation.waiting is None


def test_streams_can_be_read_on_an_event_loop(child: ProcessEngine) -> None:
    async def read(generation: Generation) -> str:
        return "".join([piece async for piece in generation])

    async def read_all() -> list[str]:
        return await asyncio.gather(*(read(child.generate(request("say 50"))) for _ in range(8)))

    assert asyncio.run(read_all()) == ["".join(f"{number} " for number in range(50))] * 8


def test_many_threads_ask_at_once_and_nothing_is_crossed(child: ProcessEngine) -> None:
    def ask(number: int) -> bool:
        text = child.generate(request(f"echo {number}")).text()
        counted = child.count_tokens(prompt("a" * number))
        [score] = child.score(prompt(""), ["b" * number], deadline_s=WAIT_S)
        return (text, counted, score.tokens) == (str(number), number + 3, number)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(200)))


@pytest.mark.parametrize("how", ["close", "cancel", "drop", "set before", "set twice"])
def test_cancelling_frees_the_child_of_the_request(child: ProcessEngine, how: str) -> None:
    cancel, before = Cancel(), child.state().requests
    if how == "set before":
        cancel.set()
    generation = child.generate(request("silent"), cancel=cancel)
    match how:
        case "close":
            generation.close()
        case "drop":
            del generation
        case "cancel" | "set twice":
            cancel.set()
            cancel.set()
    until(lambda: child.state().active == 0 and child.state().requests == before + 1)
    if how != "drop":
        assert generation.text() == ""
        assert generation.finished.reason == "cancelled"
    cancel.set()
    assert child.generate(request("say 1")).text() == "0 "


def test_a_scoring_can_be_cancelled(child: ProcessEngine) -> None:
    cancel = Cancel()
    threading.Timer(0.05, cancel.set).start()
    with pytest.raises(EngineFailed, match="was cancelled"):
        child.score((Segment("wait"),), ["a"], deadline_s=1_000.0, cancel=cancel)


def test_two_hundred_cancels_at_any_moment_leak_nothing(child: ProcessEngine) -> None:
    before = child.state().requests

    def ask_and_leave(seed: int) -> str:
        generation = child.generate(request("endless", max_tokens=1_000))
        pieces = iter(generation)
        for _ in range(seed // 2 % 20):
            next(pieces)
        if seed % 2:
            generation.close()
            generation.text()
            return generation.finished.reason
        return "cancelled"  # dropped

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask_and_leave, range(200))) == {"cancelled"}
    gc.collect()
    until(lambda: child.state().active == 0)
    assert child.state().requests == before + 200
    link = child._child
    assert link is not None
    until(lambda: not link._pending)


def test_a_reader_that_sleeps_holds_up_nobody(child: ProcessEngine) -> None:
    asleep = child.generate(request("say 20000", max_tokens=20_000))
    assert child.generate(request("say 3")).text() == "0 1 2 "
    assert len(list(asleep)) == 20_000
