from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.engine import Cancel, Generation, Sampling, TokenLogprob, TokenUsage
from models.errors import EngineBusy, EngineFailed, ModelConfigError, PromptTooLong
from models.llamacpp import LlamaEngine
from models.templates import Segment
from tests.models.scripted import (
    FOR_EVER,
    WAIT_S,
    Gate,
    ScriptedContext,
    ask,
    expected,
    follows,
    over,
    says,
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
    generation = ask(engine, stop=("lo",))

    assert (generation.text(), generation.finished.reason) == ("hel", "stop")


def test_log_probabilities_come_when_they_are_asked_for(engine: LlamaEngine) -> None:
    plain, told = ask(engine, max_tokens=1), ask(engine, max_tokens=1, sampling=Sampling(logprobs=2))
    assert plain.text() == told.text() == "h"

    assert plain.finished.logprobs == ()
    (first,) = told.finished.logprobs
    assert isinstance(first, TokenLogprob)
    assert (first.token, first.logprob) == (b"h", pytest.approx(-0.69, abs=0.01))
    assert [token for token, _ in first.top] == [b"h", b"\0"]


def test_a_deadline_that_has_passed_runs_nothing(engine: LlamaEngine, context: ScriptedContext) -> None:
    generation = ask(engine, deadline_s=0.0)

    assert (generation.text(), generation.finished.reason) == ("", "deadline")
    assert context.decoded == []


def test_a_deadline_ends_an_answer_that_has_begun(engine: LlamaEngine, context: ScriptedContext) -> None:
    context.script = says(FOR_EVER)
    context.before_decode = lambda: time.sleep(0.3) if len(context.decoded) == 4 else None
    generation = ask(engine, deadline_s=0.2)

    assert FOR_EVER.startswith(generation.text())
    assert generation.finished.reason == "deadline"
    assert len(context.decoded) <= 4


def test_a_deadline_breaks_off_the_step_that_runs_a_prompt(engine: LlamaEngine, context: ScriptedContext) -> None:
    assert ask(engine).text() == "hello"
    steps = len(context.steps)
    context.before_decode = lambda: None if context.aborted.wait(WAIT_S) else pytest.fail("nobody broke the step off")
    generation = ask(engine, "a longer prompt", deadline_s=0.05)

    assert (generation.text(), generation.finished.reason) == ("", "deadline")
    assert len(context.steps) == steps + 1
    context.before_decode = lambda: None
    assert ask(engine).text() == "hello"


def test_a_cancel_breaks_off_the_step_that_runs_a_prompt(context: ScriptedContext) -> None:
    engine = over(context)
    cancel = Cancel()
    context.before_decode = cancel.set
    generation = ask(engine, cancel=cancel)

    assert (generation.text(), generation.finished.reason) == ("", "cancelled")
    assert len(context.steps) == 1
    assert context.held == [[]]
    context.before_decode = lambda: None
    assert ask(engine).text() == "hello"
    engine.close()


@pytest.mark.parametrize("cuttable", [True, False])
def test_those_who_shared_a_broken_step_lose_nothing(cuttable: bool) -> None:
    context = ScriptedContext(follows, sequences=2)
    context.cuttable = cuttable
    engine = over(context)
    cancel = Cancel()
    gate = Gate()
    context.before_decode = gate
    first = ask(engine, "first", max_tokens=50)
    assert gate.reached.wait(WAIT_S)
    second = ask(engine, "second", cancel=cancel, principal_key="bob")
    context.before_decode = lambda: cancel.set() if any(len(run.tokens) == 6 for run in context.steps[-1]) else None
    gate.opened.set()

    assert first.text() == expected("first", 50)
    assert (second.text(), second.finished.reason) == ("", "cancelled")
    engine.close()


def test_closing_a_stream_frees_the_engine_at_the_next_token(engine: LlamaEngine, context: ScriptedContext) -> None:
    context.script = says(FOR_EVER)
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
    context.script = says("next")
    assert ask(engine).text() == "next"


def test_dropping_a_stream_cancels_it(engine: LlamaEngine, context: ScriptedContext) -> None:
    context.script = says(FOR_EVER)
    gate = Gate()
    context.before_decode = gate
    generation = ask(engine)
    assert gate.reached.wait(WAIT_S)
    del generation
    gc.collect()
    gate.opened.set()
    context.script = says("next")

    assert ask(engine).text() == "next"
    assert len(context.decoded) < 20  # of 800 that it would have run


def test_a_full_queue_refuses_and_a_cancelled_place_is_free_again(context: ScriptedContext) -> None:
    engine = over(context, queue_size=2)
    gate = Gate()
    context.before_decode = gate
    running = ask(engine)
    assert gate.reached.wait(WAIT_S)
    waiting = [ask(engine, principal_key=name) for name in ("bob", "eve")]
    with pytest.raises(EngineBusy, match="try again") as caught:
        ask(engine, principal_key="joe")
    assert caught.value.retry_after_s > 0
    waiting[0].close()
    late = ask(engine, principal_key="joe")

    assert waiting[0].text() == ""
    assert waiting[0].finished.reason == "cancelled"
    gate.opened.set()
    assert [running.text(), waiting[1].text(), late.text()] == ["hello"] * 3
    engine.close()


def test_those_who_wait_know_their_place(engine: LlamaEngine, context: ScriptedContext) -> None:
    gate = Gate()
    context.before_decode = gate
    running = ask(engine)
    assert gate.reached.wait(WAIT_S)
    waiting = [ask(engine, principal_key="bob"), ask(engine, principal_key="bob"), ask(engine, principal_key="eve")]
    places = [generation.waiting for generation in waiting]

    assert running.waiting is None
    assert [place and place.position for place in places] == [1, 3, 2]  # bob's second waits for eve's first
    assert all(place and place.seconds > 0 for place in places)
    gate.opened.set()
    assert [generation.text() for generation in (running, *waiting)] == ["hello"] * 4
    assert all(generation.waiting is None for generation in waiting)


def test_who_need_not_wait_has_no_place(engine: LlamaEngine, context: ScriptedContext) -> None:
    engine.load()
    gate = Gate()
    context.before_decode = gate
    with engine._changed:  # the thread cannot take it up before it is looked at
        generation = ask(engine)
        assert generation.waiting is None
    gate.opened.set()

    assert generation.text() == "hello"


def test_the_state_counts_what_runs_waits_and_was_done(engine: LlamaEngine, context: ScriptedContext) -> None:
    assert engine.state().slots == 0
    gate = Gate()
    context.before_decode = gate
    running = ask(engine)
    assert gate.reached.wait(WAIT_S)
    waiting = ask(engine, principal_key="bob")
    gate.opened.set()
    running.text()
    waiting.text()
    engine.score([Segment("x")], [], deadline_s=WAIT_S)  # a turn of the engine: what ended before is counted
    state = engine.state()

    assert (state.slots, state.requests, state.prompt_tokens, state.completion_tokens) == (1, 2, 12, 10)
    assert (state.active, state.waiting) == (0, 0)


def test_a_prompt_too_long_is_refused_before_anything_runs(engine: LlamaEngine, context: ScriptedContext) -> None:
    assert ask(engine, "x" * 900, max_tokens=100).text() == "hello"
    context.steps.clear()
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
    assert context.steps[0][0].tokens[0] == ord("^")


def test_a_prompt_without_a_token_is_refused(engine: LlamaEngine) -> None:
    with pytest.raises(ModelConfigError, match="at least one token"):
        ask(engine, "")


def test_an_adapter_nobody_gave_is_refused(engine: LlamaEngine) -> None:
    with pytest.raises(ModelConfigError, match="no adapter named 'tuned'"):
        ask(engine, adapter="tuned")


def test_requests_of_different_adapters_take_turns_and_share_no_step() -> None:
    context = ScriptedContext(follows, sequences=3)
    engine = over(context, adapters={"hr": Path("hr.gguf"), "law": Path("law.gguf")})
    gate = Gate()
    context.before_decode = gate
    asked = [ask(engine, f"question {name}", adapter=name, max_tokens=12) for name in ("hr", "law", "", "hr")]
    assert gate.reached.wait(WAIT_S)
    gate.opened.set()

    for name, generation in zip(("hr", "law", "", "hr"), asked, strict=True):
        assert generation.text() == expected(f"question {name}", 12)
    assert {"", "hr", "law"} == set(context.adapters)
    engine.close()


def test_memory_is_used_again_for_the_same_person_only(engine: LlamaEngine, context: ScriptedContext) -> None:
    def cached(prompt: str, key: str) -> int:
        generation = ask(engine, prompt, principal_key=key)
        assert generation.text() == "hello"
        return generation.finished.usage.cached

    assert cached("system A", "ann") == 0
    assert cached("system B", "ann") == len("system ")
    assert cached("system B", "ann") == len("system B") - 1  # its last token must run to be continued
    assert cached("system B", "bob") == 0
    assert cached("system B", "ann") == 0
    assert cached("system B", "") == 0
    assert cached("system B", "") == 0


def test_the_pinned_prefix_is_shared_by_everybody() -> None:
    context = ScriptedContext(follows, sequences=2)
    engine = over(context, pinned=[Segment("system ")])
    for name, cached in (("ann", 0), ("bob", 7), ("", 7)):
        generation = ask(engine, f"system {name}?", principal_key=name, max_tokens=9)
        assert generation.text() == expected(f"system {name}?", 9)
        assert generation.finished.usage.cached == cached
    engine.close()


def test_several_answers_are_written_in_the_same_steps() -> None:
    context = ScriptedContext(follows, sequences=4, batch_size=16)
    engine = over(context)
    gate = Gate()
    context.before_decode = gate
    prompts = [f"{'x' * 5 * number} prompt {number}" for number in range(9)]
    asked = [ask(engine, prompt, principal_key=prompt, max_tokens=30) for prompt in prompts]
    gate.opened.set()

    assert [generation.text() for generation in asked] == [expected(prompt, 30) for prompt in prompts]
    assert max(len(step) for step in context.steps) > 1
    assert max(context.decoded) <= 16
    engine.close()


def test_scores_come_beside_answers_and_faults_of_theirs_stay_theirs(engine: LlamaEngine) -> None:
    scores = engine.score([Segment("prompt")], ["a", "bcd", ""], deadline_s=WAIT_S)

    assert [score.tokens for score in scores] == [1, 3, 0]
    assert scores[1].mean == pytest.approx(scores[1].logprob / 3)
    assert scores[2].mean == 0.0
    with pytest.raises(PromptTooLong):
        engine.score([Segment("prompt")], ["x" * 1000], deadline_s=WAIT_S)
    with pytest.raises(EngineFailed, match="in time"):
        engine.score([Segment("prompt")], ["a"], deadline_s=0.0)
    assert ask(engine).text() == "hello"


def test_an_answer_streams_on_an_event_loop(engine: LlamaEngine) -> None:
    async def read() -> tuple[str, str]:
        generation = ask(engine)
        return "".join([piece async for piece in generation]), generation.finished.reason

    assert asyncio.run(read()) == ("hello", "stop")


def test_cancelling_the_task_cancels_the_generation(engine: LlamaEngine, context: ScriptedContext) -> None:
    context.script = says(FOR_EVER)
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
