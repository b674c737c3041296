from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.discord_bot.ledger import Ledger
from tests.bot.discord_bot.fakes import ScriptedPlatform, answer
from tests.bot.discord_bot.running import everywhere, kura_on, saying
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.world import CHANNEL_ID, DIRECT_CHANNEL_ID, OTHER_ASKER_ID

pytestmark = pytest.mark.anyio


async def test_an_answer_is_noted_with_its_quotes_and_nothing_is_left_waiting(
    stand_in: StandIn, tmp_path: Path
) -> None:
    async with kura_on(stand_in, ScriptedPlatform(answer()), tmp_path):
        asked = await stand_in.ask("how much?")
        await stand_in.until(lambda: "180 EUR" in "".join(asked.contents))
        await asyncio.sleep(0.2)
    ledger = Ledger(tmp_path)
    post = ledger.post("t1-1")
    assert ledger.waiting() == []
    ledger.close()
    assert post is not None
    assert asked.original
    assert (post.message, post.channel, post.question) == (int(asked.original["id"]), CHANNEL_ID, "how much?")
    assert [one.quote for one in post.cited] == ["A night costs at most 180 EUR."]


async def test_what_discord_does_not_take_does_not_stop_the_client(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform) as running:
        stand_in.fail("POST", r"/channels/\d+/messages$", 403, times=1)
        await stand_in.say("no permission to write here", channel_id=DIRECT_CHANNEL_ID)
        stand_in.fail("POST", "/callback$", 404)
        await stand_in.ask("forgotten by discord")
        await stand_in.until(lambda: not any(fault.times for fault in stand_in.state.faults))
        asked = await stand_in.ask("and now")
        await stand_in.until(lambda: "180 EUR" in "".join(asked.contents))
        assert not running.done()
    assert [question.text for question in platform.questions] == ["and now"]  # no model was run in vain


async def test_a_placeholder_that_was_deleted_is_written_anew(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    async with kura_on(stand_in, platform):
        await stand_in.say("a", channel_id=DIRECT_CHANNEL_ID)
        await stand_in.until(lambda: everywhere(stand_in))
        await platform.has_been_asked(1)
        stand_in.state.messages.clear()
        platform.may_answer.set()
        await stand_in.until(saying(stand_in))


async def test_an_answer_whose_thread_was_deleted_comes_in_the_channel(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    async with kura_on(stand_in, platform):
        await stand_in.mention("a")
        await stand_in.until(stand_in.threads)
        await platform.has_been_asked(1)
        await stand_in.delete_channel(stand_in.threads()[0].id)
        platform.may_answer.set()
        await stand_in.until(lambda: stand_in.answers(CHANNEL_ID))
    assert "180 EUR" in stand_in.answers(CHANNEL_ID)[0]["content"]


@pytest.mark.parametrize("status", [429, 502, 503, 0])
async def test_a_busy_discord_gets_the_answer_all_the_same_and_once(stand_in: StandIn, status: int) -> None:
    async with kura_on(stand_in, ScriptedPlatform(answer())):
        stand_in.fail("PATCH", "", status)
        stand_in.fail("POST", r"/channels/\d+/messages$", status)
        asked = await stand_in.ask("a")
        await stand_in.mention("b")
        await stand_in.until(lambda: "180 EUR" in "".join(asked.contents) and saying(stand_in)())
    assert len(asked.contents) == len(everywhere(stand_in)) == 1
    assert [call.status for call in stand_in.state.calls].count(status) == 2


@pytest.mark.parametrize("status", [500, 503, 0])
async def test_a_message_whose_receipt_was_lost_is_not_written_twice(stand_in: StandIn, status: int) -> None:
    async with kura_on(stand_in, ScriptedPlatform(answer())):
        stand_in.fail("POST", r"/channels/\d+/messages$", status, carried_out=True)
        await stand_in.mention("a")
        await stand_in.until(saying(stand_in))
    assert len(everywhere(stand_in)) == 1


async def test_a_question_answered_too_late_is_refused_by_the_stand_in(stand_in: StandIn) -> None:
    stand_in.state.acknowledge_within_s = -1.0
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform):
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: any(call.path.endswith("/callback") for call in stand_in.state.calls))
        await stand_in.mention("b")
        await platform.has_been_asked(1)
    assert asked.contents == []
    assert [question.text for question in platform.questions] == ["b"]


async def test_stopping_tells_those_who_wait_and_frees_the_model(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    async with kura_on(stand_in, platform):
        asked = await stand_in.ask("a")
        await stand_in.mention("b")
        await stand_in.mention("c", user_id=OTHER_ASKER_ID)
        await platform.has_been_asked(3)
    assert platform.given_up == 3
    said = [*asked.contents, *(m["content"] for m in everywhere(stand_in))]
    assert ["being restarted" in sentence for sentence in said] == [True] * 3


async def test_what_was_asked_in_private_is_no_context_of_what_others_see(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform):
        await stand_in.ask("private matter", private=True)
        await platform.has_been_asked(1)
        await stand_in.ask("how long does that take?")
        await platform.has_been_asked(2)
    private, public = (question.thread for question in platform.questions)
    assert private != public


async def test_a_second_press_of_stop_does_not_take_the_sentence_away(stand_in: StandIn, tmp_path: Path) -> None:
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    async with kura_on(stand_in, platform, tmp_path):
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: asked.contents)
        await platform.has_been_asked(1)
        assert asked.original
        stop = asked.original["components"][0]["components"][0]["custom_id"]
        stand_in.fail("PATCH", "@original", 429, retry_after_s=0.3)
        first = await stand_in.click(asked.original, stop)
        await stand_in.until(lambda: first.acknowledged_after_s is not None)
        await stand_in.click(asked.original, stop)
        await stand_in.until(lambda: "Stopped" in "".join(asked.contents))
        await asyncio.sleep(0.2)
    ledger = Ledger(tmp_path)
    assert ledger.waiting() == []
    ledger.close()
