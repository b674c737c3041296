from __future__ import annotations

import asyncio
import importlib.util
import logging
import math
import subprocess
import sys
from pathlib import Path

import pytest

from models.embedders import Embedder, StarterEmbedder, _tokens, unit
from models.errors import ModelFileError
from models.fakes import HashingEmbeddings


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def norm(vector: list[float]) -> float:
    return math.sqrt(dot(vector, vector))


@pytest.fixture(scope="module")
def starter() -> StarterEmbedder:
    return StarterEmbedder()


@pytest.mark.real
def test_starter_gives_unit_vectors_of_256_numbers_in_order(starter: StarterEmbedder) -> None:
    texts = [f"paragraph number {number}" for number in range(600)]
    vectors = starter.embed_documents(texts)

    assert len(vectors) == 600
    assert {len(vector) for vector in vectors} == {starter.dimensions} == {256}
    assert all(abs(norm(vector) - 1) < 1e-5 for vector in vectors)
    assert vectors[577] == starter.embed_query(texts[577])


@pytest.mark.real
def test_starter_puts_related_texts_nearer(starter: StarterEmbedder) -> None:
    hotel, same, other = starter.embed_documents(
        ["The hotel costs 180 euros", "price of a night's lodging", "the database uses locks"]
    )

    assert dot(hotel, same) > dot(hotel, other)


@pytest.mark.real
@pytest.mark.parametrize("text", ["", " ", "\n", "\x00", "🙂", "経費精算", "a" * 200_000])
def test_starter_gives_every_text_a_valid_vector(starter: StarterEmbedder, text: str) -> None:
    vectors = starter.embed_documents(["before", text, "after"])

    assert all(abs(norm(vector) - 1) < 1e-5 for vector in vectors)
    assert starter.embed_documents([]) == []


@pytest.mark.real
def test_starter_agrees_with_its_library(starter: StarterEmbedder) -> None:
    texts = ["The hotel cap is 180 EUR.", "経費"]
    ours = starter.embed_documents(texts)  # first: it imports the library without its logging
    import wordllama

    library = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    for vector, text in zip(ours, texts, strict=True):
        assert vector == pytest.approx(library.embed(text, norm=True)[0].tolist(), abs=1e-6)


@pytest.mark.real
@pytest.mark.parametrize(
    "text",
    [
        "", " ", "one", " lead", "trail ", "two  spaces", "a b  c d", "line\nbreak\n\nand more", "tab\tin it", "日本語の 文",
        "<s> a", "a</s>b c", "<unk>", "a < b", "▁ x ▁▁y", "a▁ b", "é ü ﬁ", "\u3000wide\u3000", "🎉 party 👩‍👩‍👧", "x" * 40 + " y",
        "the the THE the. (the)", "1,200 3.14 a-b_c", "nul\0 in it", "\u00a0no break",
    ],
)  # fmt: skip
def test_starter_tokenises_word_by_word_as_it_does_the_whole(starter: StarterEmbedder, text: str) -> None:
    model, words = starter._loaded()
    whole = model.tokenizer.encode(text, add_special_tokens=False).ids
    for _ in range(2):  # unknown words, then known ones
        assert _tokens(text, words) == whole


def test_starter_has_the_same_fingerprint_in_another_process() -> None:
    program = "from models.embedders import StarterEmbedder; print(StarterEmbedder().fingerprint)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == StarterEmbedder().fingerprint
    assert done.stdout.startswith("wordllama-256-")


@pytest.mark.real
def test_loading_the_starter_leaves_the_root_logger_as_it_was() -> None:
    program = (
        "import logging; from models.embedders import StarterEmbedder\n"
        "StarterEmbedder().embed_query('a'); print(logging.root.handlers, logging.root.level)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == (f"[] {logging.WARNING}\n", "")


def test_a_missing_starter_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ModelFileError, match="install the package wordllama"):
        _ = StarterEmbedder().fingerprint


@pytest.mark.parametrize("broken", [[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_a_vector_without_a_direction_becomes_a_valid_one(broken: list[float]) -> None:
    assert unit(broken) == [1.0, 0.0]


def test_the_starter_and_the_fake_are_embedders() -> None:
    embedders: list[Embedder] = [StarterEmbedder(), HashingEmbeddings()]

    assert [embedder.dimensions for embedder in embedders] == [256, 64]


def test_the_starter_answers_without_holding_up_others(starter: StarterEmbedder) -> None:
    assert asyncio.run(starter.aembed_documents(["a", "b"])) == starter.embed_documents(["a", "b"])
    assert asyncio.run(starter.aembed_query("a")) == starter.embed_query("a")


def test_an_embedder_is_there_without_langchain() -> None:
    program = (
        "import sys, models.embedders\n"
        "models.embedders.StarterEmbedder().fingerprint; print('langchain_core' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
