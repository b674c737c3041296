from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from bot.errors import SettingsError
from bot.settings import load
from bot.wiring.rerankers import ChatLikelihood, make_reranking
from models.chat import ChatKura
from models.errors import ModelConfigError, ModelFileError
from models.fakes import ScriptedEngine
from models.library import Library, Use
from retrieval.documents import Hit
from retrieval.reranking import Reranking
from tests.models import gguf_encoders


def chat() -> ChatKura:
    return ChatKura(engine=ScriptedEngine(), model_name="scripted", template="chatml")


def made(folder: Path, stack: ExitStack, **rerank: Any) -> Reranking | None:
    return make_reranking(load(overrides={"data_dir": folder, "rerank": rerank}), stack, chat)


def hit(text: str) -> Hit:
    return Hit(text, text, "T", (), "/t", "en", 1, None, 0, len(text), text, 1.0, 1.0, None)


def test_without_a_setting_there_is_no_reranker(tmp_path: Path) -> None:
    with ExitStack() as stack:
        assert made(tmp_path, stack) is None


def test_a_file_is_a_reranker_that_the_real_engine_runs(tmp_path: Path) -> None:
    file = gguf_encoders.bert_reranker(tmp_path / "tiny.gguf")
    with ExitStack() as stack:
        reranking = made(tmp_path, stack, path=file, candidates=2, deadline_s=60.0)
        assert reranking is not None
        found, fault = reranking.rerank("hotel price", [hit("the hotel cap"), hit("leave of the office"), hit("week")])
    assert fault == ""
    assert [one.rerank is None for one in found] == [False, False, True]


def test_an_installed_one_is_found_by_its_name(tmp_path: Path) -> None:
    file = gguf_encoders.qwen_reranker(tmp_path / "judge.gguf")
    Library(tmp_path / "models").add(file, Use(kind="reranker"))
    with ExitStack() as stack:
        assert made(tmp_path, stack, name="judge") is not None
        with pytest.raises(ModelFileError):
            made(tmp_path, stack, name="jugde")


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    Library(tmp_path / "models").add(gguf_encoders.bert_embedder(tmp_path / "e.gguf"), Use(kind="embedding"))
    with ExitStack() as stack, pytest.raises(SettingsError, match="of the kind embedding: name a reranker"):
        made(tmp_path, stack, name="e")


def test_likelihood_asks_the_model_that_answers(tmp_path: Path) -> None:
    with ExitStack() as stack:
        reranking = made(tmp_path, stack, likelihood=True)
        assert reranking is not None
        found, fault = reranking.rerank("why?", [hit("a"), hit("b")])
    assert fault == ""
    assert all(one.rerank is not None for one in found)


def test_likelihood_needs_a_local_model(tmp_path: Path) -> None:
    settings = load(
        overrides={
            "data_dir": tmp_path,
            "rerank": {"likelihood": True},
            "model": {"servers": ("http://gpu1/v1",), "served_model": "m"},
        }
    )
    with ExitStack() as stack, pytest.raises(SettingsError, match=r"rerank\.likelihood"):
        make_reranking(settings, stack, chat)
    other = ChatLikelihood(lambda: FakeListChatModel(responses=["x"]), deadline_s=1.0)
    with pytest.raises(ModelConfigError, match=r"rerank\.name"):
        other.score("q", ["p"])
