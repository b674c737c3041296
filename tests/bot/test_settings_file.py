from __future__ import annotations

import re
import tomllib

import pytest

from bot.settings import Settings, load
from bot.settings_file import MASK, shown, template


def test_the_template_changes_nothing_as_it_stands() -> None:
    assert tomllib.loads(template()) == {}


def test_the_template_uncommented_is_valid_and_names_real_settings() -> None:
    lines = [line.removeprefix("# ") for line in template().splitlines()]
    toml = "\n".join(line for line in lines if re.match(r"\[|\w+ = ", line))
    toml = toml.replace('path = "models/my-model.gguf"\n', "").replace('path = "models/my-embedder.gguf"\n', "")
    toml = toml.replace('token_sha256 = ""', f'token_sha256 = "{"0" * 64}"')
    values = tomllib.loads(toml)
    assert Settings.model_validate(values).model.answer_style == "generate"


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KURA_DISCORD_TOKEN", "s3cret")
    settings = load(
        overrides={
            "model": {"component": "a.B", "arguments": {"api_key": "k3y", "model": "m"}},
            "server": {"clients": [{"name": "portal", "token_sha256": "ab" * 32}]},
        }
    )
    values = shown(settings)
    assert values["discord.token"] == MASK
    assert values["model.arguments"] == {"api_key": MASK, "model": "m"}
    assert values["server.clients"][0]["token_sha256"] == MASK
    assert "s3cret" not in str(values)
    assert "k3y" not in str(values)
    assert values["server.port"] == 8642
