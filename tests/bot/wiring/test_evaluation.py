from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.evidence import ENOUGH, VERSION
from bot.identity import local_principal
from bot.ingesting import IngestRequest
from bot.prompting import NOT_THERE
from bot.settings import load
from bot.wiring import open_kura
from bot.wiring.evaluation import make_judge, subject
from ingest.splitting import PASSAGE
from models.cards import STARTER_SHA256
from retrieval.search import Searcher


def test_what_is_measured_is_named_and_its_secrets_are_not(tmp_path: Path) -> None:
    config = tmp_path / "kura.toml"
    config.write_text(
        '[model]\ncomponent = "models.fakes.ScriptedChat"\narguments = { name = "x", metadata = { api_key = "s3cret" } }\n'
        '[discord]\ntoken = "t0ken"\n'
    )
    with open_kura(load(config), holder="test") as kura:
        found = subject(kura)
    assert (found.model, found.model_sha256, found.style) == ("ScriptedChat", "", "generate")
    assert found.prompt
    assert (found.embedder, found.generation) == ("", None)
    assert found.settings["ingest.passage"] == PASSAGE
    assert found.settings["prompt rewrite"].startswith("rewrite@")
    assert NOT_THERE in found.prompt_text
    assert (found.evidence, found.threshold) == (VERSION, f"{ENOUGH:g}, the default")
    told = found.model_dump_json()
    assert "s3cret" not in told
    assert "t0ken" not in told
    assert not any(key.startswith(("discord", "server", "data_dir")) for key in found.settings)


def test_the_starter_model_can_judge_pinned_by_its_file() -> None:
    with open_kura(load(), holder="test") as kura:
        assert make_judge(kura, principal=local_principal()).pin.model_sha256 == STARTER_SHA256
        assert subject(kura).model_sha256 == STARTER_SHA256


def test_a_model_on_a_server_cannot_be_pinned_and_judges_nothing(tmp_path: Path) -> None:
    config = tmp_path / "kura.toml"
    config.write_text('[model]\nservers = ["http://127.0.0.1:9"]\nserved_model = "m"\n')
    with open_kura(load(config), holder="test") as kura, pytest.raises(SettingsError, match="checksum"):
        make_judge(kura, principal=local_principal())


def ingested(config: Path, docs: Path, **answer: object) -> str:
    """What an ingest says of a generation made anew; its number answers when it is named in what `hits` finds."""
    passage = answer.pop("passage", PASSAGE)
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in answer.items())
    config.write_text(f"[ingest]\npassage = {passage}\n[answer]\n{lines}")
    with open_kura(load(config), holder="test") as kura:
        outcome = kura.ingesting.run(IngestRequest(paths=(docs,)), lambda _: None)
        return outcome.generation or outcome.faults.get("(new index)", "")


def answering() -> int | None:
    with open_kura(load(), holder="test") as kura:
        return subject(kura).generation


@pytest.mark.parametrize(
    ("golden", "answers", "said"),
    [
        ('{"question": "What is the hotel limit?", "accepted": ["180 EUR"]}\n', 2, "generation 2"),
        ("no suite", 1, "golden questions cannot be asked"),
    ],
)
def test_golden_questions_decide_whether_another_index_answers(
    tmp_path: Path, golden: str, answers: int, said: str
) -> None:
    docs, suite, config = tmp_path / "docs", tmp_path / "golden.jsonl", tmp_path / "kura.toml"
    docs.mkdir()
    (docs / "travel.md").write_text("# Travel\n\nThe hotel limit is 180 EUR per night.\n")
    suite.write_text(golden)
    assert ingested(config, docs, golden=str(suite)) == ""
    assert said in ingested(config, docs, golden=str(suite), passage=400)
    assert answering() == answers


def test_a_generation_that_does_not_answer_can_be_asked_all_the_same(tmp_path: Path) -> None:
    docs, config = tmp_path / "docs", tmp_path / "kura.toml"
    docs.mkdir()
    (docs / "travel.md").write_text("# Travel\n\nThe hotel limit is 180 EUR per night.\n")
    ingested(config, docs)
    ingested(config, docs, golden=str(tmp_path / "none.jsonl"), passage=400)
    with open_kura(load(), holder="test") as kura:
        for generation in (1, 2):
            searcher = Searcher(kura.index, generation=generation)
            assert len(searcher.search("hotel limit", principal=local_principal(), k=3).hits) == 1
        assert Searcher(kura.index, generation=3).search("hotel", principal=local_principal(), k=3).hits == ()
