from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.discord_bot.ledger import Ledger, Waiting
from tests.bot.discord_bot.fakes import ScriptedPlatform, answer
from tests.bot.discord_bot.running import everywhere, kura_on, saying
from tests.bot.discord_bot.standin.payloads import BOT, message
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.world import ASKER_ID, CHANNEL_ID

pytestmark = pytest.mark.anyio

PLACEHOLDER = 900
LEFT = Waiting(
    event=800,
    asker=ASKER_ID,
    channel=CHANNEL_ID,
    question="how much?",
    locale="en",
    asked_at=datetime(2026, 1, 1, tzinfo=UTC),
    message=PLACEHOLDER,
)


def left(folder: Path, *waiting: Waiting) -> None:
    ledger = Ledger(folder)
    for one in waiting:
        ledger.take(one)
        if one.message is not None:
            ledger.placed(one.event, channel=one.channel, message=one.message)
    ledger.close()


def placed(stand_in: StandIn) -> None:
    stand_in.state.messages[PLACEHOLDER] = message(PLACEHOLDER, CHANNEL_ID, BOT, "⏳")


async def test_a_question_that_a_killed_run_left_is_answered_in_its_placeholder(
    stand_in: StandIn, tmp_path: Path
) -> None:
    left(tmp_path, replace(LEFT, asked_at=datetime.now(UTC)))
    placed(stand_in)
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, tmp_path):
        await stand_in.until(saying(stand_in))
    assert len(everywhere(stand_in)) == 1
    assert [question.text for question in platform.questions] == ["how much?"]
    ledger = Ledger(tmp_path)
    assert ledger.waiting() == []
    ledger.close()


async def test_one_that_is_too_old_is_apologised_for(stand_in: StandIn, tmp_path: Path) -> None:
    left(tmp_path, replace(LEFT, asked_at=datetime.now(UTC) - timedelta(hours=1)))
    placed(stand_in)
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, tmp_path):
        await stand_in.until(saying(stand_in, "Please ask again"))
    assert platform.questions == []


async def test_what_cannot_be_finished_any_more_harms_no_other(stand_in: StandIn, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    gone = replace(LEFT, event=801, channel=300_000_000_000_000_099, asked_at=now)
    stranger = replace(LEFT, event=802, asker=400_000_000_000_000_088, message=None, asked_at=now)
    left(tmp_path, gone, stranger, replace(LEFT, asked_at=now))
    placed(stand_in)
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, tmp_path):
        await stand_in.until(lambda: saying(stand_in)() and saying(stand_in, "Please ask again")())
    assert [question.text for question in platform.questions] == ["how much?"]


async def test_after_a_new_session_nothing_is_taken_up_twice(stand_in: StandIn, tmp_path: Path) -> None:
    left(tmp_path, replace(LEFT, asked_at=datetime.now(UTC)))
    placed(stand_in)
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, tmp_path):
        await stand_in.until(saying(stand_in))
        await stand_in.gateway.forget_sessions()
        await stand_in.until(lambda: stand_in.gateway.identified == 2)
        await stand_in.connected()
        await stand_in.mention("another")
        await stand_in.until(lambda: len(saying(stand_in)()) == 2)
    assert [question.text for question in platform.questions] == ["how much?", "another"]
