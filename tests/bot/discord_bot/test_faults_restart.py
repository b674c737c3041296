"""A run that is killed in the middle of its answers: the next one finishes each, once."""

from __future__ import annotations

import asyncio
import copy
import shutil
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from bot.discord_bot.ledger import DATABASE, Ledger
from tests.bot.discord_bot.fakes import ScriptedPlatform, answer
from tests.bot.discord_bot.running import kura_on as _kura_on
from tests.bot.discord_bot.standin.payloads import BOT_ID
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.state import PATIENCE_S
from tests.bot.discord_bot.standin.world import CHANNEL_ID, DIRECT_CHANNEL_ID

pytestmark = pytest.mark.anyio

kura_on = partial(_kura_on, recall_days=0)
"""The script's documents cannot be read, which would be a reason to correct its answers."""
QUESTIONS = ["a", "b", "c", "d"]
LONG = "\n\n".join(f"Paragraph {n}: " + "a night costs at most 180 EUR. " * 30 for n in range(6))


def shown(stand_in: StandIn, words: str) -> list[str]:
    """The ids of the bot's messages with these words, whoever sees them."""
    own = [m for m in stand_in.state.messages.values() if m["author"]["id"] == str(BOT_ID)]
    return [m["id"] for m in own if words in m["content"]]


async def killed_run(stand_in: StandIn, folder: Path, left: Path) -> None:
    """Four questions are taken up in four ways, then all is as if the run had ended there without a word."""
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    async with kura_on(stand_in, platform, folder):
        await stand_in.ask("a")
        await stand_in.ask("b", private=True)
        await stand_in.mention("c")
        await stand_in.say("d", channel_id=DIRECT_CHANNEL_ID)
        await platform.has_been_asked(4)
        shutil.copytree(folder, left)
        stood = copy.deepcopy(stand_in.state.messages)
    for number, message in stand_in.state.messages.items():  # what it said when it was stopped, was not said
        message.clear()
        message.update(stood[number])


def waiting(folder: Path) -> int:
    ledger = Ledger(folder)
    try:
        return len(ledger.waiting())
    finally:
        ledger.close()


async def all_done(folder: Path) -> None:
    """Until nothing is left for yet another run."""
    for _ in range(int(PATIENCE_S / 0.05)):
        if not waiting(folder):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("something is still waiting")


async def test_each_placeholder_becomes_the_answer(stand_in: StandIn, tmp_path: Path) -> None:
    await killed_run(stand_in, tmp_path / "first", tmp_path / "left")
    placeholders = set(shown(stand_in, ""))
    platform = ScriptedPlatform(answer(LONG))
    async with kura_on(stand_in, platform, tmp_path / "left"):
        await stand_in.until(lambda: len(shown(stand_in, "travel.md")) == 4)
        assert set(shown(stand_in, "Paragraph 0:")) == placeholders
        asked = await stand_in.ask("e")
        await stand_in.until(lambda: asked.contents)
        await all_done(tmp_path / "left")
    assert sorted(question.text for question in platform.questions) == [*QUESTIONS, "e"]


async def test_events_that_come_again_after_the_restart_are_not_taken_up_again(
    stand_in: StandIn, tmp_path: Path
) -> None:
    await killed_run(stand_in, tmp_path / "first", tmp_path / "left")
    [(*_, session)] = [(*stand_in.gateway.sessions.values(),)]
    events = [one for one in session.log if one["t"] in ("INTERACTION_CREATE", "MESSAGE_CREATE")]
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, tmp_path / "left"):
        for event in events:
            await stand_in.gateway.dispatch(event["t"], event["d"])
        await stand_in.until(lambda: len(shown(stand_in, "180 EUR")) == 4)
        await stand_in.ask("e")
        await stand_in.until(lambda: len(shown(stand_in, "180 EUR")) == 5)
    assert sorted(question.text for question in platform.questions) == [*QUESTIONS, "e"]


async def test_what_was_left_too_long_ago_is_apologised_for_where_it_still_can_be(
    stand_in: StandIn, tmp_path: Path
) -> None:
    await killed_run(stand_in, tmp_path / "first", tmp_path / "left")
    with sqlite3.connect(tmp_path / "left" / DATABASE) as ledger:
        ledger.execute("UPDATE waiting SET asked_at = '2026-01-01T00:00:00.000+00:00'")
    ledger.close()
    stand_in.pass_time(3_600)
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, tmp_path / "left"):
        await stand_in.until(lambda: len(shown(stand_in, "Please ask again")) == 4)
        await all_done(tmp_path / "left")
    assert platform.questions == []


async def test_one_whose_channel_is_gone_harms_no_other(stand_in: StandIn, tmp_path: Path) -> None:
    await killed_run(stand_in, tmp_path / "first", tmp_path / "left")
    for thread in stand_in.threads(CHANNEL_ID):
        await stand_in.delete_channel(thread.id)
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, tmp_path / "left"):
        await stand_in.until(lambda: len(shown(stand_in, "180 EUR")) == 3)
        await all_done(tmp_path / "left")


async def test_a_run_that_is_stopped_says_so_and_the_next_one_has_nothing_to_do(
    stand_in: StandIn, tmp_path: Path
) -> None:
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    async with kura_on(stand_in, platform, tmp_path):
        await stand_in.ask("a")
        await stand_in.mention("b")
        await platform.has_been_asked(2)
    assert len(shown(stand_in, "being restarted")) == 2
    assert waiting(tmp_path) == 0


async def test_a_run_that_cannot_say_so_leaves_it_to_the_next(stand_in: StandIn, tmp_path: Path) -> None:
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    async with kura_on(stand_in, platform, tmp_path):
        await stand_in.ask("a")
        await stand_in.mention("b")
        await platform.has_been_asked(2)
        stand_in.fail("PATCH", "", 503, times=1_000)
    stand_in.state.faults.clear()
    assert waiting(tmp_path) == 2
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, tmp_path):
        await stand_in.until(lambda: len(shown(stand_in, "180 EUR")) == 2)
    assert sorted(question.text for question in platform.questions) == ["a", "b"]
