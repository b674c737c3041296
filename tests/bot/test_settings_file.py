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
    for other in (
        "path",
        "adapter",
        "servers",
        "served_model",
        "api_key_file",
        "name",
    ):  # a model or embedder comes from one place
        toml = re.sub(rf"^{other} = .*(models/|http|qwen|bge|model-key).*$", "", toml, flags=re.MULTILINE)
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
    assert values["model.first_token_s"] == 15.0  # a time, whatever its name
    assert values["model.arguments"] == {"api_key": MASK, "model": "m"}
    assert values["server.clients"][0]["token_sha256"] == MASK
    assert "s3cret" not in str(values)
    assert "k3y" not in str(values)
    assert values["server.port"] == 8642


def test_secrets_inside_of_arguments_are_masked_however_deep() -> None:
    arguments = {
        "base_url": "https://mori:p4ss@models.company.example/v1?a=b",
        "default_headers": {"Authorization": "Bearer t0p"},
        "client": [{"session_cookie": "c00kie", "credentials": {"user": "mori"}}],
        "proxy_auth": "a4th",
        "max_tokens": 5,
        "tokenizer": "plain",
    }
    values = shown(load(overrides={"model": {"component": "a.B", "arguments": arguments}}))["model.arguments"]
    assert not [secret for secret in ("p4ss", "t0p", "c00kie", "mori", "a4th") if secret in str(values)]
    assert values["base_url"] == f"https://{MASK}@models.company.example/v1?a=b"
    assert (values["max_tokens"], values["tokenizer"]) == (5, "plain")
