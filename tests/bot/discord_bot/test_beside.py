"""The bot beside a server: the real client on the stand-in for Discord, asking the real application over loopback."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from bot.answers import Delta, Done, Searching
from bot.errors import SettingsError
from bot.fakes import ScriptedAssistant
from bot.settings import Settings, load
from bot.wiring.discord import run_beside
from tests.bot.discord_bot.fakes import answer
from tests.bot.discord_bot.running import everywhere
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.world import GUILD_ID
from tests.bot.discord_bot.test_remote import Site
from tests.bot.web.loopback import serving

pytestmark = [pytest.mark.anyio, pytest.mark.real]


def settings(folder: Path, port: int, stand_in: StandIn, client: str) -> Settings:
    discord = {
        "token": stand_in.state.token,
        "guilds": [GUILD_ID],
        "server": f"http://127.0.0.1:{port}",
        "server_token": client,
    }
    return load(overrides={"data_dir": folder / "beside", "discord": discord})


async def test_a_question_on_discord_is_answered_by_the_server(stand_in: StandIn, tmp_path: Path) -> None:
    told = answer()
    site = Site(tmp_path, ScriptedAssistant([Searching("hotel"), Delta(told.text), Done(told)]), may_ingest=False)
    try:
        async with serving(site.app) as port:
            running = asyncio.create_task(run_beside(settings(tmp_path, port, stand_in, "bot")))
            try:
                await stand_in.connected()
                asked = await stand_in.ask("How much may a hotel cost?")
                shown = lambda: [*asked.contents, *(one["content"] for one in everywhere(stand_in))]  # noqa: E731
                await stand_in.until(lambda: any("180 EUR" in one for one in shown()))
                [question] = site.assistant.questions
                assert question.text == "How much may a hotel cost?"
                assert (question.origin, question.principal.groups) == ("discord", {"all"})
                assert question.principal.id.startswith("discord:")
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running
    finally:
        site.close()


async def test_a_client_that_may_not_ask_for_others_never_gets_on_discord(stand_in: StandIn, tmp_path: Path) -> None:
    site = Site(tmp_path, ScriptedAssistant(), may_ingest=False)
    try:
        async with serving(site.app) as port:
            with pytest.raises(SettingsError, match="discord = true"):
                await run_beside(settings(tmp_path, port, stand_in, "portal"))
        assert stand_in.state.calls == []
    finally:
        site.close()
