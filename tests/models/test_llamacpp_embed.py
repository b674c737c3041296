"""The real llama.cpp; the starter chat model stands in for an embedding model."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.cards import ModelCard
from models.embedders import Embedder
from models.errors import EngineFailed, ModelConfigError, ModelFileError
from models.llamacpp_embed import LlamaEmbeddings

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def embedder(starter: ModelCard) -> Iterator[LlamaEmbeddings]:
    embedder = LlamaEmbeddings(
        starter.path, sha256=starter.sha256, pooling="mean", query_prefix="query: ", passage_prefix="passage: "
    )
    yield embedder
    embedder.close()


def similarity(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def test_vectors_are_unit_norm_and_as_long_as_the_model_is_wide(embedder: LlamaEmbeddings) -> None:
    port: Embedder = embedder
    vectors = port.embed_documents(["The hotel cap is 180 EUR.", "", "経費", "word " * 3000])

    assert {len(vector) for vector in vectors} == {port.dimensions} == {576}
    assert all(math.isclose(similarity(vector, vector), 1.0, abs_tol=1e-5) for vector in vectors)


def test_a_text_keeps_its_vector_whatever_came_before(embedder: LlamaEmbeddings) -> None:
    alone = embedder.embed_documents(["The hotel cap is 180 EUR."])[0]
    after = embedder.embed_documents(["Something else entirely.", "The hotel cap is 180 EUR."])[1]

    assert similarity(alone, after) > 0.9999


def test_prefixes_are_put_before_queries_and_passages(embedder: LlamaEmbeddings, starter: ModelCard) -> None:
    plain = LlamaEmbeddings(starter.path, pooling="mean")
    try:
        assert similarity(plain.embed_query("query: cap"), embedder.embed_query("cap")) > 0.9999
        assert similarity(plain.embed_query("passage: cap"), embedder.embed_documents(["cap"])[0]) > 0.9999
        assert similarity(plain.embed_query("cap"), embedder.embed_query("cap")) < 0.9999
        assert plain.fingerprint != embedder.fingerprint
    finally:
        plain.close()


def test_threads_share_one_context(embedder: LlamaEmbeddings) -> None:
    expected = embedder.embed_query("cap")
    got: list[list[float]] = []
    threads = [threading.Thread(target=lambda: got.append(embedder.embed_query("cap"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert got == [expected] * 4


def test_a_file_without_pooling_is_refused_with_the_next_step(starter: ModelCard) -> None:
    embedder = LlamaEmbeddings(starter.path)
    with pytest.raises(ModelConfigError, match="set pooling to"):
        embedder.embed_query("a")
    embedder.close()


def test_a_closed_embedder_says_so(starter: ModelCard) -> None:
    embedder = LlamaEmbeddings(starter.path, pooling="mean")
    embedder.close()
    embedder.close()
    with pytest.raises(EngineFailed, match="closed"):
        embedder.embed_query("a")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"no model")
    embedder = LlamaEmbeddings(path)
    with pytest.raises(ModelFileError, match="not a GGUF file"):
        embedder.embed_query("a")
    embedder.close()


def test_the_interpreter_ends_with_an_embedder_left_open() -> None:
    program = (
        "from models.cards import starter_chat; from models.llamacpp_embed import LlamaEmbeddings\n"
        "embedder = LlamaEmbeddings(starter_chat().path, pooling='mean')\n"
        "print(len(embedder.embed_query('a')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "576\n", "")
