"""The real llama.cpp, with tiny embedding models; the starter chat model stands in for one of real size."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.cards import ModelCard
from models.embedders import Embedder
from models.errors import EngineFailed, ModelConfigError, ModelFileError
from models.llamacpp_embed import LlamaEmbeddings
from tests.models import gguf_encoders

TEXTS = ["the hotel cap", "travel price per night for a hotel", "", "経費", "q [SEP] <|im_end|>", "word " * 300] * 15

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def embedder(starter: ModelCard) -> Iterator[LlamaEmbeddings]:
    embedder = LlamaEmbeddings(
        starter.path,
        sha256=starter.sha256,
        pooling="mean",
        query_prefix="query: ",
        passage_prefix="passage: ",
        context_length=64,
    )
    yield embedder
    embedder.close()


@pytest.fixture(params=["bert mean", "bert cls", "qwen last"])
def tiny(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LlamaEmbeddings]:
    family, pooling = request.param.split()
    path = tmp_path / "tiny.gguf"
    if family == "bert":
        gguf_encoders.bert_embedder(path, pooling=pooling)
    else:
        gguf_encoders.qwen_embedder(path)
    embedder = LlamaEmbeddings(path)
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


def test_a_text_has_the_same_vector_alone_and_among_many(tiny: LlamaEmbeddings) -> None:
    many = tiny.embed_documents(TEXTS)
    alone = [tiny.embed_documents([text])[0] for text in TEXTS[:6]] * 15

    assert {len(vector) for vector in many} == {tiny.dimensions} == {gguf_encoders.WIDTH}
    assert min(map(similarity, many, alone)) > 0.999
    assert tiny.embed_documents(TEXTS) == many
    assert similarity(many[0], many[3]) < 0.99
    assert tiny.embed_documents([]) == []


def test_a_model_of_real_size_gives_the_same_vectors_alone_and_among_many(embedder: LlamaEmbeddings) -> None:
    texts = [f"Rule {number}: the hotel cap is {number * 10} EUR a night." for number in range(12)]
    many = embedder.embed_documents(texts)

    assert min(similarity(many[at], embedder.embed_documents([texts[at]])[0]) for at in (0, 5, 11)) > 0.999


def test_a_long_text_is_embedded_by_its_beginning(tiny: LlamaEmbeddings) -> None:
    long = "hotel q " * gguf_encoders.CONTEXT
    cut, same, other = tiny.embed_documents([long, long + "leave", "leave q " * gguf_encoders.CONTEXT])

    assert similarity(cut, same) > 0.9999
    assert similarity(cut, other) < 0.9999


def test_a_tiny_model_sees_its_prefixes(tmp_path: Path) -> None:
    path = gguf_encoders.bert_embedder(tmp_path / "tiny.gguf")
    plain, prefixed = LlamaEmbeddings(path), LlamaEmbeddings(path, query_prefix="query ", passage_prefix="passage ")

    assert similarity(plain.embed_query("query cap"), prefixed.embed_query("cap")) > 0.9999
    assert similarity(plain.embed_query("passage cap"), prefixed.embed_documents(["cap"])[0]) > 0.9999
    assert similarity(plain.embed_query("cap"), prefixed.embed_query("cap")) < 0.999
    plain.close()
    prefixed.close()


def test_a_decoder_reads_the_mark_of_the_end_unless_its_file_forbids_it(tmp_path: Path) -> None:
    vectors = []
    for number, add_eos in enumerate([None, True, False]):
        embedder = LlamaEmbeddings(gguf_encoders.qwen_embedder(tmp_path / f"{number}.gguf", add_eos=add_eos))
        vectors.append(embedder.embed_query("the hotel cap"))
        embedder.close()
    unsaid, told, forbidden = vectors

    assert similarity(unsaid, told) > 0.9999
    assert similarity(unsaid, forbidden) < 0.99


def test_prefixes_are_put_before_queries_and_passages(embedder: LlamaEmbeddings, starter: ModelCard) -> None:
    plain = LlamaEmbeddings(starter.path, pooling="mean", context_length=64)
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

    assert [similarity(vector, expected) > 0.999 for vector in got] == [True] * 4


def test_a_file_without_pooling_is_refused_with_the_next_step(starter: ModelCard) -> None:
    embedder = LlamaEmbeddings(starter.path)
    with pytest.raises(ModelConfigError, match="set pooling to"):
        embedder.embed_query("a")
    embedder.close()


@pytest.mark.parametrize(
    "make", [gguf_encoders.qwen_reranker, lambda path: gguf_encoders.bert_embedder(path, pooling="")]
)
def test_a_tiny_file_without_pooling_is_refused(make: Callable[[Path], Path], tmp_path: Path) -> None:
    embedder = LlamaEmbeddings(make(tmp_path / "tiny.gguf"))
    with pytest.raises(ModelConfigError, match=r"tiny\.gguf does not say how its embeddings are pooled"):
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
