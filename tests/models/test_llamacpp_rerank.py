"""The real llama.cpp with tiny cross-encoders."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.errors import EngineFailed, ModelConfigError, ModelFileError
from models.llamacpp_pooled import PooledModel
from models.llamacpp_rerank import LlamaReranker, PairLayout
from models.rerank import Reranker
from tests.models import gguf_encoders

pytestmark = pytest.mark.real
PASSAGES = ["the hotel cap", "travel price per night", "leave", "", "経費 q", "a week of leave for the office " * 100]
FAMILIES = [gguf_encoders.bert_reranker, gguf_encoders.qwen_reranker]


@pytest.fixture(params=FAMILIES)
def reranker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LlamaReranker]:
    reranker = LlamaReranker(request.param(tmp_path / "tiny.gguf"))
    yield reranker
    reranker.close()


def layout_of(reranker: LlamaReranker) -> PairLayout:
    return reranker._opened[0]


def test_passages_are_scored_alike_together_and_one_by_one(reranker: LlamaReranker) -> None:
    port: Reranker = reranker
    together = port.score("hotel cap for a night", PASSAGES * 8)
    alone = [port.score("hotel cap for a night", [passage])[0] for passage in PASSAGES] * 8

    assert together == pytest.approx(alone, rel=0.01)
    assert all(0 <= score <= 1 for score in together)
    assert len(set(together[:6])) == 6
    assert port.score("hotel cap for a night", PASSAGES * 8) == together
    assert port.score("hotel", []) == []


def test_the_question_matters(reranker: LlamaReranker) -> None:
    assert reranker.score("hotel", PASSAGES[:2]) != pytest.approx(reranker.score("leave", PASSAGES[:2]), rel=0.01)


def test_long_texts_are_cut_and_both_keep_room(reranker: LlamaReranker) -> None:
    words = "hotel q " * gguf_encoders.CONTEXT
    sequences = layout_of(reranker).sequences(words, [words, words + "leave", "q"], gguf_encoders.CONTEXT)

    assert [len(tokens) for tokens in sequences[:2]] == [gguf_encoders.CONTEXT] * 2
    assert sequences[0] == sequences[1]
    assert len(sequences[2]) > gguf_encoders.CONTEXT // 2
    assert len(reranker.score(words, [words])) == 1


def test_no_text_forges_a_control_token(reranker: LlamaReranker) -> None:
    special = layout_of(reranker).vocabulary.special_tokens
    hostile = " ".join(special.values()) + "".join(special.values()) + " {query} {document}"
    (plain,) = layout_of(reranker).sequences("q", ["q"], gguf_encoders.CONTEXT)
    (forged,) = layout_of(reranker).sequences(hostile, [hostile], gguf_encoders.CONTEXT)

    assert [token for token in forged if token in special] == [token for token in plain if token in special]
    assert len(forged) > len(plain)


def test_a_cross_encoder_gets_the_pair_as_it_was_trained(tmp_path: Path) -> None:
    reranker = LlamaReranker(gguf_encoders.bert_reranker(tmp_path / "tiny.gguf"))
    vocabulary = layout_of(reranker).vocabulary
    words = [vocabulary.tokenize(text, special=False) for text in ("hotel", "leave 薩")]
    (pair,) = layout_of(reranker).sequences("hotel", ["leave 薩"], gguf_encoders.CONTEXT)

    assert pair == [gguf_encoders.CLS, *words[0], gguf_encoders.SEP, *words[1]]
    assert gguf_encoders.UNKNOWN in pair
    reranker.close()


def test_a_template_of_the_file_is_filled_with_text(tmp_path: Path) -> None:
    reranker = LlamaReranker(gguf_encoders.qwen_reranker(tmp_path / "tiny.gguf"))
    vocabulary = layout_of(reranker).vocabulary
    filled = gguf_encoders.RERANK_TEMPLATE.replace("{query}", "qa").replace("{document}", "qb {query}")
    (pair,) = layout_of(reranker).sequences("qa", ["qb {query}"], gguf_encoders.CONTEXT)

    assert pair == vocabulary.tokenize(filled, special=True)
    reranker.close()


def test_a_template_may_put_the_passage_first(tmp_path: Path) -> None:
    path = gguf_encoders.qwen_reranker(tmp_path / "tiny.gguf", template="<|im_start|>{document}<|im_end|>  {query}?")
    reranker = LlamaReranker(path)
    expected = layout_of(reranker).vocabulary.tokenize("<|im_start|>ab<|im_end|>  xy?", special=True)

    assert layout_of(reranker).sequences("xy", ["ab"], 256) == [expected]
    reranker.close()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (gguf_encoders.bert_embedder, "is not a reranker"),
        (gguf_encoders.qwen_embedder, "is not a reranker"),
        (lambda path: gguf_encoders.bert_reranker(path, labels=["a", "b", "c"]), "is not a reranker"),
        (lambda path: gguf_encoders.qwen_reranker(path, template="{query} alone"), "put together"),
        (lambda path: gguf_encoders.qwen_reranker(path, template="{query}{document}" + "x" * 400), "put together"),
    ],
)
def test_a_file_that_ranks_nothing_is_refused(make: Callable[[Path], Path], reason: str, tmp_path: Path) -> None:
    reranker = LlamaReranker(make(tmp_path / "tiny.gguf"))
    with pytest.raises(ModelConfigError, match=reason):
        reranker.score("q", ["a"])
    reranker.close()


def test_a_score_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    reranker = LlamaReranker(gguf_encoders.bert_reranker(tmp_path / "tiny.gguf", scale=float("nan")))
    with pytest.raises(EngineFailed, match="no number"):
        reranker.score("q", ["a"])
    reranker.close()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = gguf_encoders.bert_reranker(tmp_path / "tiny.gguf")
    path.write_bytes(path.read_bytes()[:-4096])
    reranker = LlamaReranker(path)
    with pytest.raises(ModelFileError, match="cut off"):
        reranker.score("q", ["a"])
    reranker.close()


def test_a_file_with_another_checksum_is_refused(tmp_path: Path) -> None:
    reranker = LlamaReranker(gguf_encoders.bert_reranker(tmp_path / "tiny.gguf"), sha256="0" * 64)
    with pytest.raises(ModelFileError, match="checksum"):
        reranker.score("q", ["a"])
    reranker.close()


def test_a_closed_reranker_says_so(reranker: LlamaReranker) -> None:
    reranker.score("q", ["a"])
    reranker.close()
    reranker.close()
    with pytest.raises(EngineFailed, match="closed"):
        reranker.score("q", ["a"])


def test_threads_share_one_context(reranker: LlamaReranker) -> None:
    expected = reranker.score("hotel", PASSAGES)
    got: list[list[float]] = []
    threads = [threading.Thread(target=lambda: got.append(reranker.score("hotel", PASSAGES))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(got) == 4
    assert all(scores == pytest.approx(expected, rel=0.01) for scores in got)


def test_nothing_is_loaded_before_the_first_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = gguf_encoders.bert_reranker(tmp_path / "tiny.gguf")
    monkeypatch.setattr(PooledModel, "opened", lambda _self: pytest.fail("loaded"))
    one, other = LlamaReranker(path), LlamaReranker(path, context_length=128)

    assert one.fingerprint == LlamaReranker(path).fingerprint != other.fingerprint
    assert one.score("q", []) == []
