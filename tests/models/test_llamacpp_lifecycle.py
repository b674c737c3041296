"""Opening, faults and closing of the engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.cards import local_chat
from models.engine import Generation, Sampling
from models.errors import EngineBusy, EngineFailed, ModelFileError
from models.llamacpp import LlamaEngine
from models.templates import Segment
from tests.models.scripted import (
    CARD,
    WAIT_S,
    Gate,
    ScriptedBackend,
    ScriptedContext,
    ask,
    over,
)


@pytest.fixture
def context() -> ScriptedContext:
    """One sequence: requests are answered one after the other."""
    return ScriptedContext(sequences=1)


@pytest.fixture
def engine(context: ScriptedContext) -> Iterator[LlamaEngine]:
    engine = over(context, queue_size=8)
    yield engine
    engine.close()
    assert context.samplers == 0


def test_an_engine_that_fails_says_so_and_goes_on_with_a_clean_memory(
    engine: LlamaEngine, context: ScriptedContext
) -> None:
    assert ask(engine).text() == "hello"
    for fault in (EngineFailed("status 1"), ZeroDivisionError("a bug")):

        def fail(error: Exception = fault) -> None:
            raise error

        context.before_decode = fail
        with pytest.raises(EngineFailed):
            ask(engine).text()
        assert context.held == [[]]
        context.before_decode = lambda: None
        generation = ask(engine)
        assert generation.text() == "hello"
        assert generation.finished.usage.cached == 0


def test_only_one_thread_ever_decodes(engine: LlamaEngine, context: ScriptedContext) -> None:
    asked: list[Generation] = []

    def busy_retry() -> None:
        for _ in range(1000):
            try:
                asked.append(ask(engine))
            except EngineBusy:
                continue
            return

    callers = [threading.Thread(target=busy_retry) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert [generation.text() for generation in asked] == ["hello"] * 3
    assert len(context.threads) == 1
    assert threading.get_ident() not in context.threads


def test_nothing_is_opened_before_the_first_use(context: ScriptedContext) -> None:
    opened: list[int] = []
    before = threading.active_count()
    engine = LlamaEngine(CARD, open_backend=lambda: opened.append(1) or ScriptedBackend(context))  # type: ignore[func-returns-value]
    assert (opened, threading.active_count()) == ([], before)
    assert engine.context_length == 1000
    assert opened == [1]
    engine.close()


def test_close_is_final_twice_harmless_and_tells_those_who_wait(engine: LlamaEngine, context: ScriptedContext) -> None:
    gate = Gate()
    context.before_decode = gate
    generations = [ask(engine), ask(engine)]
    assert gate.reached.wait(WAIT_S)
    closer = threading.Thread(target=engine.close)
    closer.start()
    while not engine._closed:
        pass
    gate.opened.set()
    closer.join()
    engine.close()

    assert context.closed
    for generation in generations:
        with pytest.raises(EngineFailed, match="closed"):
            generation.text()
    with pytest.raises(EngineFailed, match="closed"):
        ask(engine)


def test_a_model_that_does_not_open_raises_where_it_was_asked_for_and_may_be_tried_again(
    context: ScriptedContext,
) -> None:
    faults = [ModelFileError("The file is damaged.")]

    def open_backend() -> ScriptedBackend:
        if faults:
            raise faults.pop()
        return ScriptedBackend(context)

    engine = LlamaEngine(CARD, open_backend=open_backend)
    with pytest.raises(ModelFileError, match="damaged"):
        engine.load()
    assert ask(engine).text() == "hello"
    engine.close()


def test_a_damaged_file_never_reaches_llama_cpp(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    engine = LlamaEngine(local_chat(path))
    with pytest.raises(ModelFileError, match="version 0"):
        engine.load()
    engine.close()


def test_a_prefix_without_a_token_is_none(context: ScriptedContext) -> None:
    engine = over(context, pinned=[Segment("")])

    assert ask(engine).text() == "hello"
    engine.close()


def test_a_fault_while_opening_is_told_and_closes_what_was_opened(context: ScriptedContext) -> None:
    class Broken(ScriptedBackend):
        @property
        def context(self) -> ScriptedContext:
            raise ZeroDivisionError

        @context.setter
        def context(self, value: ScriptedContext) -> None:
            self.held = value

        def close(self) -> None:
            self.held.close()

    engine = LlamaEngine(CARD, pinned=[Segment("x")], open_backend=lambda: Broken(context))
    with pytest.raises(ZeroDivisionError):
        engine.load()
    engine.close()

    assert context.closed


def test_closing_breaks_off_the_step_that_runs(context: ScriptedContext) -> None:
    engine = over(context)
    reached = threading.Event()

    def wait_for_the_sign() -> None:
        reached.set()
        assert context.aborted.wait(WAIT_S)

    context.before_decode = wait_for_the_sign
    generation = ask(engine)
    assert reached.wait(WAIT_S)
    engine.close()

    with pytest.raises(EngineFailed, match="closed"):
        generation.text()


def test_one_request_that_cannot_begin_harms_no_other(context: ScriptedContext) -> None:
    def sampler(sampling: Sampling, grammar: str) -> object:
        if grammar:
            raise TypeError("a bug")
        return ScriptedContext.sampler(context, sampling, grammar)

    context.sampler = sampler  # type: ignore[method-assign, assignment]
    engine = over(context, queue_size=20)
    gate = Gate()
    context.before_decode = gate
    first = ask(engine)
    assert gate.reached.wait(WAIT_S)
    wrong, last = ask(engine, sampling=Sampling(grammar="x")), ask(engine)
    gate.opened.set()

    assert first.text() == last.text() == "hello"
    with pytest.raises(EngineFailed, match="TypeError"):
        wrong.text()
    engine.close()
