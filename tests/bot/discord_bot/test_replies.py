from __future__ import annotations

import pytest

from bot.answers import Queued
from bot.discord_bot.replies import TOKEN_S
from tests.bot.discord_bot.fakes import ScriptedPlatform, answer
from tests.bot.discord_bot.running import everywhere, kura_on, saying
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.world import CHANNEL_ID

pytestmark = pytest.mark.anyio

LONG = "\n\n".join(f"Paragraph {n}: " + "word " * 300 for n in range(4))


@pytest.mark.parametrize("private", [False, True])
async def test_an_answer_that_takes_too_long_moves_on_to_a_message(stand_in: StandIn, private: bool) -> None:
    now = 0.0
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    async with kura_on(stand_in, platform, clock=lambda: now):
        asked = await stand_in.ask("a", private=private)
        await platform.has_been_asked(1)
        await stand_in.until(lambda: asked.contents)
        now = TOKEN_S + 1
        stand_in.pass_time(TOKEN_S + 1)
        platform.may_answer.set()
        await stand_in.until(saying(stand_in))
        await stand_in.until(lambda: "longer than Discord" in "".join(asked.contents))
    place = stand_in.direct_channel() if private else CHANNEL_ID
    assert [m["channel_id"] for m in everywhere(stand_in)] == [str(place)]


async def test_an_answer_whose_response_was_deleted_comes_in_the_channel(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    async with kura_on(stand_in, platform):
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: asked.contents)
        await platform.has_been_asked(1)
        assert asked.original
        await stand_in.delete_message(int(asked.original["id"]))
        platform.may_answer.set()
        await stand_in.until(saying(stand_in))
    assert len(everywhere(stand_in)) == 1


@pytest.mark.parametrize("status", [503, 0])
async def test_pieces_whose_receipt_was_lost_are_not_doubled(stand_in: StandIn, status: int) -> None:
    async with kura_on(stand_in, ScriptedPlatform(answer(LONG))):
        stand_in.fail("POST", r"/channels/\d+/messages$", status, carried_out=True)
        asked = await stand_in.ask("a")
        await stand_in.until(saying(stand_in, "travel.md"))
    text = "".join([*asked.contents, *(m["content"] for m in everywhere(stand_in))])
    assert [text.count(f"Paragraph {n}:") for n in range(4)] == [1] * 4


async def test_a_command_whose_acknowledgement_was_lost_is_answered(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    platform.steps = [Queued(1, 1.0)]
    async with kura_on(stand_in, platform):
        stand_in.fail("POST", "/callback$", 0, carried_out=True)
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: "180 EUR" in "".join(asked.contents))
    assert len(platform.questions) == 1


@pytest.mark.parametrize("code", [50013, 50083])
async def test_an_edit_that_is_refused_loses_no_answer(stand_in: StandIn, code: int) -> None:
    table = "\n".join(["| a | b |", "|---|---|", *(f"| {'x' * 40} {n} | {'y' * 40} |" for n in range(4))])
    platform = ScriptedPlatform(answer(f"{table}\n[1]"))
    platform.may_answer.clear()
    async with kura_on(stand_in, platform):
        await stand_in.mention("a")
        await platform.has_been_asked(1)
        await stand_in.until(lambda: everywhere(stand_in))
        stand_in.fail("PATCH", r"/messages/", 403 if code == 50013 else 400, code=code)
        platform.may_answer.set()
        await stand_in.until(saying(stand_in, "travel.md"))
        await stand_in.until(
            lambda: saying(stand_in, "x" * 40)() or any(m["attachments"] for m in everywhere(stand_in))
        )
