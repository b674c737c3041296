from __future__ import annotations

from pathlib import Path

import pytest

from bot.discord_bot.cogs import admin
from bot.discord_bot.ports import JobView, Statistics
from bot.settings_discord import DiscordSettings
from ingest.errors import SourceError
from retrieval.errors import NotFound
from tests.bot.discord_bot.fake_platform import FakePlatform, a_desk, a_source, on_discord
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.state import Asked
from tests.bot.discord_bot.standin.world import ASKER_ID, GUILD_ID, MANAGE_GUILD, OTHER_ASKER_ID

pytestmark = pytest.mark.anyio

ADMINS = 200_000_000_000_000_050
SETTINGS = DiscordSettings(guilds=(GUILD_ID,), admin_roles=(ADMINS,), recall_days=0)


@pytest.fixture
async def with_admin(stand_in: StandIn) -> StandIn:
    await stand_in.set_role(ADMINS, name="Kura administrators")
    await stand_in.set_member(ASKER_ID, [ADMINS])
    return stand_in


async def used(stand_in: StandIn, name: str, options: dict[str, object] | None = None, **who: object) -> Asked:
    asked = await stand_in.slash(name, options, **who)  # type: ignore[arg-type]
    await stand_in.until(lambda: asked.contents)
    assert asked.ephemeral
    return asked


async def test_only_the_role_of_the_settings_may(with_admin: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform(jobs=[JobView("j", "done", ())])
    async with on_discord(with_admin, a_desk(platform, tmp_path, SETTINGS)):
        for name in ("kura status", "kura sources", "kura reingest", "stats"):
            told = await used(with_admin, name, user_id=OTHER_ASKER_ID)
            assert told.contents == ["This command is for Kura's administrators on this server."]
        offered = await with_admin.autocomplete("kura reingest", "source", "", user_id=OTHER_ASKER_ID)
        await with_admin.until(lambda: offered.choices is not None)
        assert offered.choices == []
        commands = {command["name"]: command for command in with_admin.state.commands}
    assert platform.reingested == []
    for name in ("kura", "stats"):
        assert commands[name]["default_member_permissions"] == MANAGE_GUILD
        assert commands[name]["contexts"] == [0]  # on servers only
    assert not commands["search"].get("default_member_permissions")


async def test_status_and_sources(with_admin: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform(views=[a_source()])
    async with on_discord(with_admin, a_desk(platform, tmp_path, SETTINGS)):
        status = await used(with_admin, "kura status")
        assert status.contents[0].splitlines() == [
            "**How Kura stands**",
            "• 2 documents in 1 source.",
            "• The model \\*starter\\* is loaded.",
        ]
        assert "**handbook** · 12件の文書" in (await used(with_admin, "kura sources", locale="ja")).contents[0]


async def test_statistics(with_admin: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform()
    async with on_discord(with_admin, a_desk(platform, tmp_path, SETTINGS)):
        assert (await used(with_admin, "stats")).contents == ["Nobody has asked anything on Discord yet."]
        platform.figures = Statistics(0, people=2, questions=5, refused=1, up=3, down=1)
        shown = (await used(with_admin, "stats", {"days": 7})).contents[0]
    assert shown.splitlines() == [
        "**Kura on Discord, the last 7 days**",
        "5 questions by 2 people",
        "1 not answered by the documents",
        "👍 3 · 👎 1",
    ]


async def test_an_ingest_is_told_of_as_it_goes(
    with_admin: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "GAP_S", 0.01)
    steps = [JobView("j", "running", (("handbook", done, 200, 1),)) for done in range(200)]
    platform = FakePlatform(jobs=[*steps, JobView("j", "done", (("handbook", 200, 200, 1),))])
    async with on_discord(with_admin, a_desk(platform, tmp_path, SETTINGS)):
        asked = await with_admin.slash("kura reingest", {"source": "handbook"})
        await with_admin.until(lambda: asked.contents and "Reading the sources" in asked.contents[0])
        await with_admin.until(lambda: "up to date" in asked.contents[0])
        assert asked.contents[0].endswith("**handbook** · 200 of 200 documents · 1 not read")
    assert platform.reingested == [("handbook", f"discord:{ASKER_ID}")]
    edits = [call for call in with_admin.state.calls if call.method == "PATCH" and "/messages/@original" in call.path]
    assert len(edits) < 100  # of 200 steps


@pytest.mark.parametrize(
    ("jobs", "fault", "sentence"),
    [
        ([JobView("j", "failed", (), "The disk is full.")], None, "❌ The ingest failed.\nThe disk is full."),
        ([JobView("j", "queued", ()), NotFound("There is no job “j”.")], None, "There is no job “j”."),
        ([], SourceError("There is no source 'x': see kura.toml."), "There is no source 'x': see kura.toml."),
    ],
)
async def test_an_ingest_that_fails_says_why(
    with_admin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    jobs: list[JobView | Exception],
    fault: Exception | None,
    sentence: str,
) -> None:
    monkeypatch.setattr(admin, "GAP_S", 0.01)
    async with on_discord(with_admin, a_desk(FakePlatform(jobs=jobs, fault=fault), tmp_path, SETTINGS)):
        asked = await with_admin.slash("kura reingest")
        await with_admin.until(lambda: sentence in asked.contents)
