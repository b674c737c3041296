from __future__ import annotations

import asyncio
import logging

import pytest
from structlog.testing import capture_logs

from bot.discord_bot.supervise import run_discord
from bot.errors import SettingsError
from tests.bot.discord_bot.fakes import ScriptedPlatform, answer
from tests.bot.discord_bot.running import desk_for, everywhere, kura_on, saying
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.state import TOKEN

pytestmark = pytest.mark.anyio


async def test_events_that_come_again_after_a_resume_are_answered_once(stand_in: StandIn) -> None:
    assistant = ScriptedPlatform(answer())
    async with kura_on(stand_in, assistant):
        first = await stand_in.ask("before")
        await stand_in.mention("before too")
        await stand_in.until(lambda: first.contents and any("180" in m["content"] for m in everywhere(stand_in)))
        await stand_in.gateway.drop(repeat=2)
        await stand_in.mention("while it was away")
        await stand_in.until(lambda: stand_in.gateway.resumed == 1)
        after = await stand_in.ask("after")
        await stand_in.until(lambda: after.contents)
        await stand_in.until(lambda: sum("180" in m["content"] for m in everywhere(stand_in)) == 2)
    assert stand_in.gateway.identified == 1
    assert sorted(q.text for q in assistant.questions) == ["after", "before", "before too", "while it was away"]
    assert len(everywhere(stand_in)) == 2
    callbacks = [call for call in stand_in.state.calls if call.path.endswith("/callback")]
    assert [call.status for call in callbacks] == [200, 200]


async def test_an_answer_under_way_survives_a_dropped_connection(stand_in: StandIn) -> None:
    assistant = ScriptedPlatform(answer())
    assistant.may_answer.clear()
    async with kura_on(stand_in, assistant):
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: asked.acknowledged_after_s is not None)
        await stand_in.gateway.drop()
        await stand_in.until(lambda: stand_in.gateway.resumed == 1)
        assistant.may_answer.set()
        await stand_in.until(lambda: "180 EUR" in "".join(asked.contents))


async def test_a_first_connection_that_fails_is_tried_again(stand_in: StandIn) -> None:
    stand_in.state.refuse_connections = 1
    with capture_logs() as logs:
        async with kura_on(stand_in, ScriptedPlatform(answer())):
            asked = await stand_in.ask("a")
            await stand_in.until(lambda: asked.contents)
    [entry] = [entry for entry in logs if "will try again" in entry["event"]]
    assert "WSServerHandshakeError" in entry["reason"]


async def test_a_login_that_fails_for_the_moment_is_tried_again(stand_in: StandIn) -> None:
    stand_in.fail("GET", "/users/@me", 403)
    async with kura_on(stand_in, ScriptedPlatform(answer())):
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: asked.contents)


async def test_a_wrong_token_stops_with_one_sentence_that_does_not_hold_it(stand_in: StandIn) -> None:
    with (
        desk_for(ScriptedPlatform(answer())) as desk,
        pytest.raises(SettingsError, match="refused the bot's token") as refused,
    ):
        await run_discord(desk, "wrong-token-8f2e")
    assert "wrong-token-8f2e" not in str(refused.value)
    assert len(stand_in.state.calls) == 1


async def test_a_token_withdrawn_while_connecting_stops_too(stand_in: StandIn) -> None:
    with desk_for(ScriptedPlatform(answer())) as desk:
        running = asyncio.create_task(run_discord(desk, TOKEN))
        await stand_in.until(lambda: stand_in.state.commands)
        stand_in.state.token = "another"  # the REST half took the old one; the gateway no longer does
        with pytest.raises(SettingsError):
            await running


async def test_the_token_is_in_no_log(stand_in: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in.state.refuse_connections = 1
    stand_in.fail("POST", "/callback$", 403)
    with capture_logs() as logs:
        async with kura_on(stand_in, ScriptedPlatform(answer())):
            await stand_in.ask("refused")
            asked = await stand_in.ask("a")
            await stand_in.mention("b")
            await stand_in.until(lambda: "180 EUR" in "".join(asked.contents) and saying(stand_in)())
            await stand_in.gateway.drop()
            await stand_in.until(lambda: stand_in.gateway.resumed == 1)
    assert len(caplog.records) > 20  # discord.py does speak
    assert len(logs) >= 3
    formatter = logging.Formatter()
    everything = "\n".join([*map(formatter.format, caplog.records), *map(repr, logs)])
    assert TOKEN not in everything


async def test_cancelling_closes_the_connection(stand_in: StandIn) -> None:
    async with kura_on(stand_in, ScriptedPlatform(answer())) as running:
        assert not running.done()
    await stand_in.until(lambda: not stand_in.gateway.ready)
    assert running.cancelled()
