from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bot.inspection import describe, describe_generations, examine
from bot.settings import Settings, load
from bot.wiring import open_kura
from bot.wiring.parts import make_parts
from ingest.fakes import InlineParser
from ingest.folders import Folders
from ingest.sync import Ingestor
from models.fakes import HashingEmbeddings
from retrieval.building import Builder
from retrieval.database import open_database, writing
from retrieval.index import DATABASE, MIGRATIONS
from tests.models import gguf_encoders


class CountedEmbeddings(HashingEmbeddings):
    """A component that counts its calls: each would be paid for."""

    calls: ClassVar[list[str]] = []

    def __init__(self, model: str = "") -> None:
        super().__init__()

    def embed_query(self, text: str) -> list[float]:
        self.calls.append(text)
        return super().embed_query(text)


def settings_with(model: str) -> Settings:
    component: dict[str, Any] = {"component": f"{__name__}.CountedEmbeddings", "arguments": {"model": model}}
    return load(overrides={"embedder": component})


def finding(settings: Settings, check: str) -> tuple[bool, str]:
    return next((one.ok, one.detail) for one in examine(settings, make_parts(settings)) if one.check == check)


@pytest.fixture
def ingested(docs: Path) -> Iterator[Settings]:
    settings = settings_with("m")
    with open_kura(settings, holder="a test") as kura:
        Folders(Ingestor(kura.index, InlineParser())).ingest(docs)
    CountedEmbeddings.calls.clear()
    yield settings
    assert CountedEmbeddings.calls == []  # to look at an installation calls no component


def test_a_sound_index_agrees(ingested: Settings) -> None:
    assert finding(ingested, "index") == (True, "3 documents, 4 passages; words and vectors agree")
    assert describe(ingested, make_parts(ingested)).documents == 3


def test_an_index_of_another_embedder_is_told_from_a_lost_one(ingested: Settings) -> None:
    ok, detail = finding(settings_with("another"), "index")
    assert not ok
    assert "made with the embedder CountedEmbeddings-64-" in detail
    assert "kura repair" in detail


def test_the_generations_are_described(ingested: Settings) -> None:
    (one,) = describe_generations(ingested)
    assert (one.answers, one.ready, one.documents, one.chunks) == (True, True, 3, 4)
    assert one.as_json()["embedder"] == one.embedder


def test_what_a_killed_run_left_is_a_fault(ingested: Settings) -> None:
    engine = open_database(ingested.data_dir / DATABASE, MIGRATIONS)
    with writing(engine) as connection:
        connection.exec_driver_sql("INSERT INTO outbox (collection, chunk_key) VALUES ('c', 'k')")
    engine.dispose()
    ok, detail = finding(ingested, "index")
    assert not ok
    assert "a run was killed: run `kura repair`" in detail


def test_damaged_words_are_found_and_repair_mends_them(ingested: Settings) -> None:
    engine = open_database(ingested.data_dir / DATABASE, MIGRATIONS)
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE words_1_1_content SET c2 = 'something else'")
    engine.dispose()
    ok, detail = finding(ingested, "index")
    assert not ok
    assert "the words of" in detail
    assert "damaged" in detail
    assert "kura repair" in detail
    with open_kura(ingested, holder="a test") as kura:
        Builder(kura.index).rebuild()
    CountedEmbeddings.calls.clear()
    assert finding(ingested, "index")[0]


def test_a_glossary_that_is_none_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "glossary.toml"
    settings = load(overrides={"search": {"glossary": file}})
    file.write_text('[[terms]]\nsame = ["PTO", "paid leave"]\n')
    assert finding(settings, "glossary") == (True, f"{file} reads well")
    file.write_text('[[terms]]\nsame = ["PTO"]\n')
    ok, detail = finding(settings, "glossary")
    assert not ok
    assert detail.startswith(f"{file}, group 1: a group needs two words")
    assert finding(load(), "glossary") == (True, "none is set")


def test_prompts_are_looked_at(tmp_path: Path) -> None:
    ok, detail = finding(load(), "prompts")
    assert ok
    assert detail.startswith("answer@")
    assert "of Kura itself" in detail
    (tmp_path / "answer.md").write_text("no front matter")
    ok, detail = finding(load(overrides={"answer": {"prompts": tmp_path}}), "prompts")
    assert not ok
    assert "answer.md, line 1" in detail


def test_golden_questions_are_read_and_their_sources_looked_for(ingested: Settings, tmp_path: Path) -> None:
    assert finding(ingested, "golden questions") == (True, "none are set")
    suite = tmp_path / "golden.yaml"
    asked = load(overrides={"embedder": ingested.embedder, "answer": {"golden": suite}})
    ok, detail = finding(asked, "golden questions")
    assert (ok, "cannot be read" in detail) == (False, True)
    suite.write_text("- question: What is the hotel limit?\n  source: [travel.md, Travel policy]\n")
    assert finding(asked, "golden questions") == (
        True,
        f"1 question in {suite}, not asked yet: `kura serve` and `kura eval golden` ask them",
    )
    suite.write_text("- question: What is the hotel limit?\n  source: [travel.md, gone.md, gone.md, other.md]\n")
    ok, detail = finding(asked, "golden questions")
    assert not ok
    assert "2 expected sources of its cases not in the index: gone.md, other.md" in detail
    (tmp_path / "data" / "evaluations").mkdir()
    (tmp_path / "data" / "evaluations" / "golden.json").write_text("{")
    suite.write_text("- question: What is the hotel limit?\n")
    ok, detail = finding(asked, "golden questions")
    assert (ok, "golden.json is damaged" in detail) == (False, True)


def test_a_reranker_is_asked_once_and_a_broken_one_is_a_fault(tmp_path: Path) -> None:
    def reranker(**named: Any) -> tuple[bool, str]:
        return finding(load(overrides={"data_dir": tmp_path / "data", "rerank": named}), "reranker")

    assert reranker() == (True, "none is set")
    assert reranker(likelihood=True) == (True, "the likelihoods of the chat model (not called)")
    file = gguf_encoders.bert_reranker(tmp_path / "tiny.gguf")
    ok, detail = reranker(path=file)
    assert ok
    assert detail.startswith(f"{file}, says 0.")
    ok, detail = reranker(path=gguf_encoders.bert_embedder(tmp_path / "other.gguf"))
    assert not ok
    assert "is not a reranker" in detail
