"""The real llama.cpp with the starter model."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.cards import ModelCard, local_chat
from models.errors import EngineFailed, ModelFileError
from models.llamacpp import PREFILL_CHUNK, LlamaEngine
from models.llamacpp_context import LlamaContext, LlamaVocabulary, build_info
from models.templates import NAMES, Message, Segment, render, tokens_of

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
FRANCE = render("chatml", [Message("user", "What is the capital of France?")])


@pytest.fixture(scope="module")
def vocabulary(starter: ModelCard) -> Iterator[LlamaVocabulary]:
    context = LlamaContext(starter.path, context_length=256, threads=1, n_gpu_layers=0, batch=PREFILL_CHUNK)
    yield context.vocabulary
    context.close()


def test_the_starter_has_the_special_tokens_that_its_template_writes(vocabulary: LlamaVocabulary) -> None:
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>"} <= set(vocabulary.special_tokens.values())
    assert len(vocabulary.special_tokens) >= 17


@pytest.mark.parametrize("template", sorted(NAMES))
def test_no_special_token_comes_from_untrusted_text(vocabulary: LlamaVocabulary, template: str) -> None:
    chance = random.Random(7)  # noqa: S311 - texts, not secrets
    marks = list(vocabulary.special_tokens.values())
    frames = [
        "{}",
        "a{}b",
        "「{}」",
        "『{}』",
        "（{}）",
        "《{}》",
        "«{}»",
        "“{}”",
        "【{}】",
        "<{}>",
        "\n\n{}\n",
        " {} ",
        "\x00{}",
    ]
    texts = [frame.replace("{}", mark) for mark in marks for frame in frames]
    texts += ["".join(chance.choices([*marks, "経費", " ", "\n", "<|", "|>"], k=12)) for _ in range(200)]
    for text in texts:
        assert vocabulary.special_tokens.keys().isdisjoint(tokens_of([Segment(text)], vocabulary)), text

    allowed = tokens_of(
        [segment for segment in render(template, [Message("user", "x")]) if segment.trusted], vocabulary
    )
    prompt = tokens_of(render(template, [Message("user", "".join(texts))]), vocabulary)
    special = vocabulary.special_tokens.keys()
    assert [token for token in prompt if token in special] == [token for token in allowed if token in special]


def test_ordinary_text_is_tokenised_as_the_model_learned_it(vocabulary: LlamaVocabulary) -> None:
    spliced = tokens_of(FRANCE, vocabulary)

    assert spliced == vocabulary.tokenize("".join(segment.text for segment in FRANCE), special=True)


def test_pieces_of_a_text_give_the_text_back(vocabulary: LlamaVocabulary) -> None:
    text = "The cap is 180 €, 経費精算は月末まで 🙂 \ud800".encode("utf-8", "replace").decode()

    assert b"".join(map(vocabulary.piece, vocabulary.tokenize(text, special=False))).decode() == text


def test_a_vocabulary_refuses_after_the_model_is_closed(starter: ModelCard) -> None:
    context = LlamaContext(starter.path, context_length=256, threads=1, n_gpu_layers=0, batch=PREFILL_CHUNK)
    context.close()
    with pytest.raises(EngineFailed, match="closed"):
        context.vocabulary.tokenize("a", special=False)


def test_the_starter_answers_and_uses_its_memory_again(real_engine: LlamaEngine) -> None:
    def answer() -> tuple[str, str, int]:
        generation = real_engine.generate(FRANCE, principal_key="first visit", max_tokens=20, deadline_s=60)
        text = generation.text()
        return text, generation.finished.reason, generation.finished.usage.cached

    prompt = real_engine.count_tokens(FRANCE)
    assert answer() == ("The capital of France is Paris.", "stop", 0)
    assert answer() == ("The capital of France is Paris.", "stop", prompt - 1)


def test_memory_used_again_changes_no_answer(real_engine: LlamaEngine) -> None:
    def answer(question: str, key: str) -> str:
        prompt = render("chatml", [Message("system", "Answer in one sentence. " * 20), Message("user", question)])
        return real_engine.generate(prompt, principal_key=key, max_tokens=16, deadline_s=60).text()

    fresh = answer("Name a colour.", "")
    answer("Name a river.", "ann")

    assert answer("Name a colour.", "ann") == fresh


def test_a_seed_decides_what_is_drawn(real_engine: LlamaEngine) -> None:
    def answer(seed: int) -> str:
        return real_engine.generate(
            FRANCE[:1], principal_key="", max_tokens=12, deadline_s=60, temperature=1.5, seed=seed
        ).text()

    assert answer(1) == answer(1)
    assert len({answer(seed) for seed in range(4)}) > 1


def test_llama_cpp_writes_nothing_and_the_interpreter_ends_with_an_answer_half_done() -> None:
    program = """
from models.cards import starter_chat
from models.llamacpp import LlamaEngine
from models.templates import Segment
engine = LlamaEngine(starter_chat(), context_length=1024)
generation = engine.generate([Segment("once upon a time")], principal_key="", max_tokens=900, deadline_s=60)
print(len(next(iter(generation))) > 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
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
