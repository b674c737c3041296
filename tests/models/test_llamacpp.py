from __future__ import annotations

import asyncio
import dataclasses
import gc
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from models.cards import local_chat
from models.engine import Generation, TokenUsage
from models.errors import EngineBusy, EngineFailed, ModelConfigError, ModelFileError, PromptTooLong
from models.llamacpp import PREFILL_CHUNK, LlamaEngine
from models.templates import Segment

END = 0
WAIT_S = 20.0
FOR_EVER = "ab" * 400


class ScriptedVocabulary:
    """Tokens are characters (code points), `END` ends an answer."""

    special_tokens: Mapping[int, str] = {END: "<end>"}
    bos: int | None = None

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        return [ord(character) for character in text]

    def is_end(self, token: int) -> bool:
        return token == END

    def piece(self, token: int) -> bytes:
        return chr(token).encode()


class ScriptedContext:
    """Answers every prompt with `answer`; `before_decode` may block, raise or cancel."""

    def __init__(self, answer: str = "hello", context_length: int = 1000) -> None:
        self.context_length = context_length
        self.vocabulary = ScriptedVocabulary()
        self.answer = answer
        self.held: list[int] = []
        self.decoded: list[int] = []
        self.threads: set[int] = set()
        self.closed = False
        self.before_decode: Callable[[], None] = lambda: None

    def decode(self, tokens: Sequence[int]) -> None:
        self.threads.add(threading.get_ident())
        self.decoded.append(len(tokens))
        self.before_decode()
        self.held += tokens

    def keep(self, count: int) -> int:
        del self.held[count:]
        return count

    def sampler(self, temperature: float, seed: int) -> ScriptedSampler:
        return ScriptedSampler(self.answer)

    def close(self) -> None:
        self.closed = True


class ScriptedSampler:
    def __init__(self, answer: str) -> None:
        self._tokens = iter([*map(ord, answer), END])

    def sample(self) -> int:
        return next(self._tokens)

    def close(self) -> None:
        self._tokens = iter(())


class Gate:
    """Blocks the engine's thread in `decode` until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        if not self.opened.wait(WAIT_S):
            raise AssertionError("the gate was never opened")


@pytest.fixture
def context() -> ScriptedContext:
    return ScriptedContext()


@pytest.fixture
def engine(context: ScriptedContext) -> Iterator[LlamaEngine]:
    engine = LlamaEngine(local_chat(Path("scripted.gguf")), queue_size=2, open_context=lambda: context)
    yield engine
    engine.close()


def ask(engine: LlamaEngine, prompt: str = "prompt", **given: object) -> Generation:
    asked: dict[str, object] = {"principal_key": "ann", "max_tokens": 900, "deadline_s": WAIT_S} | given
    return engine.generate([Segment(prompt)], **asked)  # type: ignore[arg-type]


def test_an_answer_streams_and_counts_its_tokens(engine: LlamaEngine) -> None:
    generation = ask(engine)

    assert list(generation) == list("hello")
    assert generation.finished.reason == "stop"
    assert generation.finished.usage == TokenUsage(prompt=6, cached=0, completion=5)


def test_the_token_cap_ends_an_answer(engine: LlamaEngine) -> None:
    generation = ask(engine, max_tokens=3)

    assert (generation.text(), generation.finished.reason) == ("hel", "length")
    assert generation.finished.usage.completion == 3


def test_a_stop_string_ends_an_answer(engine: LlamaEngine) -> None:
    generation = ask(engine, stop=["lo"])

    assert (generation.text(), generation.finished.reason) == ("hel", "stop")


def test_a_deadline_that_has_passed_runs_nothing(engine: LlamaEngine, context: ScriptedContext) -> None:
    generation = ask(engine, deadline_s=0.0)

    assert (generation.text(), generation.finished.reason) == ("", "deadline")
    assert context.decoded == []


def test_a_deadline_ends_an_answer_that_has_begun(engine: LlamaEngine, context: ScriptedContext) -> None:
    context.answer = FOR_EVER
    context.before_decode = lambda: time.sleep(0.3) if len(context.decoded) == 4 else None
    generation = ask(engine, deadline_s=0.2)

    assert FOR_EVER.startswith(generation.text())
    assert generation.finished.reason == "deadline"
    assert len(context.decoded) <= 4


def test_a_cancel_stops_between_two_chunks_of_the_prompt(context: ScriptedContext) -> None:
    context.context_length = 20 * PREFILL_CHUNK
    engine = LlamaEngine(local_chat(Path("scripted.gguf")), open_context=lambda: context)
    cancel = threading.Event()
    context.before_decode = lambda: cancel.set() if len(context.decoded) == 2 else None
    generation = ask(engine, "x" * 10 * PREFILL_CHUNK, cancel=cancel)

    assert (generation.text(), generation.finished.reason) == ("", "cancelled")
    assert context.decoded == [PREFILL_CHUNK, PREFILL_CHUNK]
    engine.close()


def test_closing_a_stream_frees_the_engine_at_the_next_token(engine: LlamaEngine, context: ScriptedContext) -> None:
    context.answer = FOR_EVER
    gate = Gate()
    context.before_decode = lambda: gate() if len(context.decoded) == 3 else None
    generation = ask(engine)
    pieces = iter(generation)
    assert next(pieces) + next(pieces) == "ab"
    assert gate.reached.wait(WAIT_S)
    generation.close()
    gate.opened.set()

    assert list(pieces) == []
    assert generation.finished.reason == "cancelled"
    assert len(context.decoded) == 3
    context.answer = "next"
    assert ask(engine).text() == "next"


def test_dropping_a_stream_cancels_it(engine: LlamaEngine, context: ScriptedContext) -> None:
    context.answer = FOR_EVER
    gate = Gate()
    context.before_decode = gate
    generation = ask(engine)
    assert gate.reached.wait(WAIT_S)
    del generation
    gc.collect()
    gate.opened.set()
    context.answer = "next"

    assert ask(engine).text() == "next"
    assert len(context.decoded) < 20  # of 800 that it would have run


def test_a_full_queue_refuses_and_a_cancelled_place_is_free_again(
    engine: LlamaEngine, context: ScriptedContext
) -> None:
    gate = Gate()
    context.before_decode = gate
    running = ask(engine)
    assert gate.reached.wait(WAIT_S)
    waiting = [ask(engine, str(number)) for number in range(2)]
    with pytest.raises(EngineBusy, match="try again"):
        ask(engine)
    waiting[0].close()
    late = ask(engine)

    assert waiting[0].text() == ""
    assert waiting[0].finished.reason == "cancelled"
    gate.opened.set()
    assert [running.text(), waiting[1].text(), late.text()] == ["hello"] * 3


def test_a_prompt_too_long_is_refused_before_anything_runs(engine: LlamaEngine, context: ScriptedContext) -> None:
    assert ask(engine, "x" * 900, max_tokens=100).text() == "hello"
    context.decoded.clear()
    with pytest.raises(PromptTooLong, match="901 tokens"):
        ask(engine, "x" * 901, max_tokens=100)
    assert context.decoded == []


def test_max_tokens_below_one_is_refused(engine: LlamaEngine) -> None:
    with pytest.raises(ModelConfigError, match="max_tokens"):
        ask(engine, max_tokens=0)


def test_a_model_that_wants_a_beginning_token_gets_exactly_one(engine: LlamaEngine, context: ScriptedContext) -> None:
    context.vocabulary.bos = ord("^")

    assert engine.count_tokens([Segment("prompt")]) == 7
    assert engine.count_tokens([Segment("^", trusted=True), Segment("prompt")]) == 7
    assert ask(engine).text() == "hello"
    assert context.held[0] == ord("^")


def test_a_prompt_without_a_token_is_refused(engine: LlamaEngine) -> None:
    with pytest.raises(ModelConfigError, match="at least one token"):
        ask(engine, "")


def test_an_adapter_that_cannot_be_applied_is_refused() -> None:
    card = dataclasses.replace(local_chat(Path("scripted.gguf")), adapter=Path("tuned.gguf"))
    with pytest.raises(ModelConfigError, match="merge it"):
        LlamaEngine(card)


def test_memory_is_used_again_for_the_same_person_only(engine: LlamaEngine, context: ScriptedContext) -> None:
    def cached(prompt: str, key: str) -> int:
        generation = ask(engine, prompt, principal_key=key)
        assert generation.text() == "hello"
        assert "".join(map(chr, context.held)).startswith(prompt)
        return generation.finished.usage.cached

    assert cached("system A", "ann") == 0
    assert cached("system B", "ann") == len("system ")
    assert cached("system B", "ann") == len("system B") - 1  # its last token must run to be continued
    assert cached("system B", "bob") == 0
    assert cached("system B", "ann") == 0
    assert cached("system B", "") == 0
    assert cached("system B", "") == 0


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
        assert context.held == []
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
    engine = LlamaEngine(local_chat(Path("scripted.gguf")), open_context=lambda: opened.append(1) or context)  # type: ignore[func-returns-value]
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

    def open_context() -> ScriptedContext:
        if faults:
            raise faults.pop()
        return context

    engine = LlamaEngine(local_chat(Path("scripted.gguf")), open_context=open_context)
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


def test_an_answer_streams_on_an_event_loop(engine: LlamaEngine) -> None:
    async def read() -> tuple[str, str]:
        generation = ask(engine)
        return "".join([piece async for piece in generation]), generation.finished.reason

    assert asyncio.run(read()) == ("hello", "stop")


def test_cancelling_the_task_cancels_the_generation(engine: LlamaEngine, context: ScriptedContext) -> None:
    context.answer = FOR_EVER
    gate = Gate()
    context.before_decode = lambda: gate() if len(context.decoded) == 3 else None

    async def read_and_cancel() -> Generation:
        generation = ask(engine)
        pieces: list[str] = []
        two = asyncio.Event()

        async def read() -> None:
            async for piece in generation:
                pieces.append(piece)
                if len(pieces) == 2:
                    two.set()

        task = asyncio.create_task(read())
        await two.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return generation

    generation = asyncio.run(read_and_cancel())
    gate.opened.set()

    assert generation.text() == ""
    assert generation.finished.reason == "cancelled"


def test_how_it_finished_is_not_known_before_the_end(engine: LlamaEngine) -> None:
    with ask(engine) as generation, pytest.raises(RuntimeError, match="has not finished"):
        _ = generation.finished
