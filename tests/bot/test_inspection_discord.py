from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.errors import SettingsError
from bot.inspection_discord import discord_detail, discord_faults
from bot.settings import Settings, load

GUILD = 123456789012345678


def settings(*, sources: list[dict[str, Any]] | None = None, **discord: Any) -> Settings:
    shown = [
        {"name": "handbook", "path": "/srv/handbook", "discord": True, "readers": ["all", "staff"]},
        {"name": "pay", "path": "/srv/pay", "readers": ["hr"]},
    ]
    return load(overrides={"discord": discord, "sources": shown if sources is None else sources})


def test_a_bot_that_is_set_up_says_what_it_may_show() -> None:
    sound = settings(token="t0ken", guilds=[GUILD], members=[{"role": 5, "groups": ["staff", "all"]}])
    assert discord_faults(sound) == []
    assert discord_detail(sound) == "a token is set; it may show handbook, in 1 server"


def test_without_a_token_nothing_is_wrong() -> None:
    assert discord_faults(settings(sources=[])) == []
    assert discord_detail(settings(sources=[])) == (
        "no token, so no bot; it may show nothing (no source has discord = true)"
    )


def test_a_bot_that_answers_nowhere_or_shows_nothing_is_a_fault() -> None:
    nowhere, nothing = discord_faults(settings(token="t0ken", sources=[]))
    assert "discord.guilds" in nowhere
    assert "discord = true" in nothing


def test_groups_that_no_shown_source_has_are_named() -> None:
    members = [{"role": 5, "groups": ["staff", "hr"]}, {"user": 6, "groups": ["stuff"]}]
    [fault] = discord_faults(settings(token="t0ken", guilds=[GUILD], members=members))
    assert "2 groups" in fault
    assert "(hr, stuff)" in fault


def test_a_token_file_that_others_can_read_is_a_fault_and_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("t0ken")
    file.chmod(0o640)
    [fault] = discord_faults(settings(token_file=str(file), guilds=[GUILD]))
    assert f"chmod 600 {file}" in fault
    assert "t0ken" not in fault
    file.chmod(0o600)
    assert discord_faults(settings(token_file=str(file), guilds=[GUILD])) == []
    file.unlink()
    with pytest.raises(SettingsError, match="token_file"):
        discord_faults(settings(token_file=str(file), guilds=[GUILD]))


def test_a_bot_beside_a_server_needs_a_token_for_it_and_no_sources_of_its_own() -> None:
    beside = {"token": "t0ken", "guilds": [GUILD], "server": "https://kura.example.com"}
    [fault] = discord_faults(settings(sources=[], **beside))
    assert "discord.server_token_file" in fault
    with_token = settings(sources=[], server_token="c1ient", **beside)
    assert discord_faults(with_token) == []
    assert "https://kura.example.com" in discord_detail(with_token)
