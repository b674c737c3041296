from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.identity import local_principal
from bot.settings import load
from bot.wiring import open_kura
from bot.wiring.evaluation import make_judge, subject
from models.cards import STARTER_SHA256


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
    assert found.settings["ingest.passage"] == 1600
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
