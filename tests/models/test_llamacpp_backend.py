"""The whole engine over the real llama.cpp with the starter model."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from models.cards import ModelCard, local_chat
from models.engine import Cancel, EngineOptions, Finished, Generation, Request, Sampling
from models.errors import EngineBusy, EngineFailed, ModelConfigError, ModelFileError
from models.llamacpp import LlamaEngine
from models.llamacpp_model import build_info
from models.templates import Message, Segment, render
from tests.models.gguf_files import tiny_llama, tiny_lora

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
FRANCE = tuple(render("chatml", [Message("user", "What is the capital of France?")]))
WAIT_S = 120.0
LOGIT_NOISE = 0.5
"""At the first difference between two ways of computing the same answer, the two best tokens are this near each other."""
SUBJECTS = (
    "rain iron salt wool tea glass paper bread gold sand milk ice wood fire steam coal rice ink silk clay".split()
)
ASPECTS = ("Where is {} found?", "Why is {} useful?", "Is {} heavy?", "Write a line about {}.", "List uses of {}.")


def asked(text: str, most: int = 12, **given: object) -> Request:
    settings: dict[str, object] = {"principal_key": text, "deadline_s": WAIT_S} | given
    return Request(tuple(render("chatml", [Message("user", text)])), max_tokens=most, **settings)  # type: ignore[arg-type]


def read(generation: Generation) -> tuple[str, Finished]:
    return generation.text(), generation.finished


def test_greedy_answers_in_company_equal_those_given_alone(real_engine: LlamaEngine) -> None:
    """Up to float noise, over 200 prompts of different lengths."""
    told = Sampling(logprobs=2)
    texts = [aspect.format(subject) for _ in range(2) for subject in SUBJECTS for aspect in ASPECTS]
    requests = [asked(f"{n} {text}", 5, sampling=told) for n, text in enumerate(texts)]
    alone = [read(real_engine.generate(request)) for request in requests]
    together = [read(one) for one in [real_engine.generate(request) for request in requests]]

    assert len(requests) == 200
    same = 0
    for (text, finished), (other, others) in zip(alone, together, strict=True):
        if text == other:
            same += 1
            continue
        first = next(
            mine for mine, theirs in zip(finished.logprobs, others.logprobs, strict=False) if mine.token != theirs.token
        )
        assert first.top[0][1] - first.top[1][1] <= LOGIT_NOISE, (text, other)
    assert same > 100


def test_the_starter_answers_and_uses_its_memory_again(real_engine: LlamaEngine) -> None:
    def answer() -> tuple[str, str, int]:
        generation = real_engine.generate(Request(FRANCE, "first visit", 20, WAIT_S))
        text = generation.text()
        return text, generation.finished.reason, generation.finished.usage.cached

    prompt = real_engine.count_tokens(FRANCE)
    assert answer() == ("The capital of France is Paris.", "stop", 0)
    assert answer() == ("The capital of France is Paris.", "stop", prompt - 1)


def test_a_parked_conversation_is_taken_back_and_answers_the_same(starter: ModelCard) -> None:
    engine = LlamaEngine(starter, EngineOptions(context_length=512, slots=1))
    long = "The printer is in room twelve. " * 12
    fresh = read(engine.generate(asked(long + "Where is it?", principal_key="ann")))
    engine.generate(asked(long + "Which room?", principal_key="bob")).text()
    assert engine.state().parked_bytes > 0
    again = read(engine.generate(asked(long + "Where is it?", principal_key="ann")))
    engine.close()

    assert again[0] == fresh[0]
    assert again[1].usage.cached > 50
    assert fresh[1].usage.cached == 0


def test_a_pinned_prefix_changes_no_answer_and_is_used_by_everybody(
    starter: ModelCard, real_engine: LlamaEngine
) -> None:
    system = Message("system", "Answer in one sentence. " * 10)
    pinned = render("chatml", [system, Message("user", "x")])[:4]
    engine = LlamaEngine(starter, EngineOptions(context_length=512, slots=2), pinned=pinned)
    for number, name in enumerate(("ann", "bob", "")):
        prompt = tuple(render("chatml", [system, Message("user", f"Name a colour, {name}.")]))
        text, finished = read(engine.generate(Request(prompt, name, 8, WAIT_S)))
        assert text == real_engine.generate(Request(prompt, "", 8, WAIT_S)).text()
        assert finished.usage.cached == (engine.count_tokens(pinned) if number else 0)
    engine.close()


def test_five_hundred_cancels_at_random_moments_leak_no_slot(real_engine: LlamaEngine) -> None:
    chance = random.Random(7)  # noqa: S311 - moments, not secrets
    before = real_engine.state().requests

    def one(number: int) -> None:
        cancel = Cancel()
        text = f"{number} " + "Tell me about the sea. " * chance.choice((1, 1, 8))
        try:
            generation = real_engine.generate(asked(text, 200), cancel=cancel)
        except EngineBusy:
            pytest.fail("the queue holds a thousand")
        threading.Timer(chance.random() * 0.2, cancel.set).start()
        generation.text()
        reasons.append(generation.finished.reason)

    reasons: list[str] = []
    for start in range(0, 500, 25):
        people = [threading.Thread(target=one, args=(number,)) for number in range(start, start + 25)]
        for person in people:
            person.start()
        for person in people:
            person.join(WAIT_S)

    assert len(reasons) == 500
    assert reasons.count("cancelled") > 450
    assert read(real_engine.generate(Request(FRANCE, "", 20, WAIT_S)))[0] == "The capital of France is Paris."
    assert (real_engine.state().active, real_engine.state().waiting) == (0, 0)
    assert real_engine.state().requests >= before


def test_random_requests_are_neither_lost_nor_crossed(real_engine: LlamaEngine) -> None:
    chance = random.Random(3)  # noqa: S311 - arrivals, not secrets
    outcomes: list[tuple[str, str, str]] = []

    def one(number: int) -> None:
        time.sleep(chance.random())
        subject = SUBJECTS[number % len(SUBJECTS)]
        stop = (".",) if number % 3 == 0 else ()
        request = asked(f'Repeat exactly: "{subject} {subject} {subject}"', chance.randint(4, 30), stop=stop)
        generation = real_engine.generate(request)
        pieces = []
        for piece in generation:
            pieces.append(piece)
            if number % 5 == 0 and len(pieces) == 3:
                generation.close()
        outcomes.append((subject, "".join(pieces), generation.finished.reason))

    people = [threading.Thread(target=one, args=(number,)) for number in range(60)]
    for person in people:
        person.start()
    for person in people:
        person.join(WAIT_S)

    assert len(outcomes) == 60
    for subject, text, reason in outcomes:
        assert reason in {"stop", "length", "cancelled"}
        assert not [other for other in SUBJECTS if other != subject and f"{other} {other}" in text.lower()], text


def test_adapters_take_turns_and_change_nobody_else_s_answer(tmp_path: Path) -> None:
    card = local_chat(tiny_llama(tmp_path / "base.gguf"), context_length=512)
    engine = LlamaEngine(card, EngineOptions(slots=4), adapters={"tuned": tiny_lora(tmp_path / "lora.gguf")})

    def ask(adapter: str) -> Generation:
        return engine.generate(asked("hello", 10, principal_key="ann", adapter=adapter))

    alone = {adapter: ask(adapter).text() for adapter in ("", "tuned")}
    assert alone[""] != alone["tuned"]
    together = [(adapter, ask(adapter)) for adapter in ("", "tuned") * 4]
    for adapter, generation in together:
        assert generation.text() == alone[adapter]
    engine.close()


def test_json_schemas_bind_the_answer(real_engine: LlamaEngine) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    sampling = Sampling(json_schema=json.dumps(schema))
    text, finished = read(real_engine.generate(asked("Describe a person as JSON.", 80, sampling=sampling)))

    assert finished.reason == "stop"
    assert json.loads(text).keys() == {"name", "age"}


@pytest.mark.parametrize("schema", ["[]", "{", '{"$ref": "https://example.com/x"}', '{"type": "nothing"}'])
def test_a_schema_that_is_none_is_refused(real_engine: LlamaEngine, schema: str) -> None:
    with pytest.raises(ModelConfigError, match="schema"):
        real_engine.generate(asked("x", sampling=Sampling(json_schema=schema)))


def test_a_grammar_that_is_none_is_refused_and_the_engine_goes_on(real_engine: LlamaEngine) -> None:
    with pytest.raises(ModelConfigError, match="grammar"):
        real_engine.generate(asked("x", sampling=Sampling(grammar="root ::= ["))).text()
    with pytest.raises(ModelConfigError, match="not both"):
        real_engine.generate(asked("x", sampling=Sampling(grammar='root ::= "a"', json_schema="{}")))

    assert real_engine.generate(asked("x", 2)).text()


def test_the_likely_continuation_scores_highest_and_in_company_as_alone(real_engine: LlamaEngine) -> None:
    texts = ["The capital of France is Paris.", "The capital of France is London.", "Bananas are blue."]
    scores = real_engine.score(FRANCE, texts, deadline_s=WAIT_S)
    alone = [real_engine.score(FRANCE, [text], deadline_s=WAIT_S)[0] for text in texts]

    assert scores[0].mean > scores[1].mean > scores[2].mean
    for ours, theirs in zip(scores, alone, strict=True):
        assert ours.logprob == pytest.approx(theirs.logprob, abs=0.5)
        assert ours.tokens == theirs.tokens


def test_a_seed_decides_what_is_drawn(real_engine: LlamaEngine) -> None:
    def answer(seed: int) -> str:
        sampling = Sampling(temperature=1.5, seed=seed)
        return real_engine.generate(Request(FRANCE[:1], "", 12, WAIT_S, sampling=sampling)).text()

    assert answer(1) == answer(1)
    assert len({answer(seed) for seed in range(4)}) > 1


def test_llama_cpp_writes_nothing_and_the_interpreter_ends_with_an_answer_half_done(tmp_path: Path) -> None:
    program = """
from models.cards import starter_chat
from models.engine import EngineOptions, Request
from models.llamacpp import LlamaEngine
from models.templates import Segment
engine = LlamaEngine(starter_chat(), EngineOptions(context_length=1024))
generation = engine.generate(Request((Segment("once upon a time"),), "", 900, 60))
print(len(next(iter(generation))) > 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},  # the cores are taken by this process
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_a_model_of_an_unknown_architecture_is_one_sentence(starter: ModelCard, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(starter.path.read_bytes().replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0lamla", 1))
    engine = LlamaEngine(local_chat(path))
    with pytest.raises(ModelFileError, match="unknown model architecture") as caught:
        engine.load()
    engine.close()

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_without_memory_for_its_slots_is_one_sentence(starter: ModelCard) -> None:
    engine = LlamaEngine(starter, EngineOptions(context_length=8192, slots=300))
    with pytest.raises(EngineFailed, match="fewer slots"):
        engine.load()
    engine.close()


def test_importing_the_engine_loads_no_native_library_and_starts_no_thread() -> None:
    program = (
        "import sys, threading, models.llamacpp, models.chat, models.embedders, models.llamacpp_embed, models.fakes\n"
        "print([m for m in ('llama_cpp', 'wordllama', 'chromadb') if m in sys.modules], threading.active_count())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "[] 1\n"


def test_the_build_describes_itself_in_one_line() -> None:
    line = build_info()

    assert line.startswith("llama-cpp-python 0.")
    assert "GPU" in line or "CPU only" in line
    assert "\n" not in line


def test_a_segment_of_nothing_but_text_is_a_prompt(real_engine: LlamaEngine) -> None:
    assert real_engine.generate(Request((Segment("One, two,"),), "", 3, WAIT_S)).text()
