"""`kura discord`: what keeps it from starting is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.settings import load
from bot.wiring.discord import server_address

Kura = Callable[..., Any]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "discord.token_file"),
        ({"KURA_DISCORD_TOKEN": "s3cret"}, "discord.server_token_file"),
        (
            {"KURA_DISCORD_TOKEN": "s3cret", "KURA_DISCORD_SERVER_TOKEN": "c1ient"},
            "No Kura answers at http://127.0.0.1:9:",
        ),
    ],
)
def test_what_is_missing_is_named_and_no_token_is_shown(
    kura: Kura, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ended = kura("discord", "--server", "http://127.0.0.1:9")
    assert ended.code == 2
    assert said in ended.err
    assert "s3cret" not in ended.out + ended.err
    assert "c1ient" not in ended.out + ended.err


def test_an_address_that_is_none_is_refused(kura: Kura) -> None:
    for wrong in ("kura.example.com", "http://user:pw@kura.example.com", "https://kura.example.com/?a=b"):
        ended = kura("discord", "--server", wrong)
        assert ended.code == 2
        assert "discord.server: " in ended.err
        assert "pw" not in ended.err


def test_the_server_is_the_one_named_or_that_of_the_same_settings() -> None:
    assert server_address(load()) == "http://127.0.0.1:8642"
    assert server_address(load(overrides={"server": {"host": "0.0.0.0", "port": 80}})) == "http://127.0.0.1:80"  # noqa: S104
    assert server_address(load(overrides={"server": {"host": "[::]"}})) == "http://[::1]:8642"
    named = load(overrides={"discord": {"server": "https://kura.example.com"}, "server": {"port": 1}})
    assert server_address(named) == "https://kura.example.com"
