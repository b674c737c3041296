"""Whatever goes wrong on Discord's side: no question is lost, none is answered twice, and the next one is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import pytest
from structlog.testing import capture_logs

from bot.errors import Overloaded
from models.errors import EngineFailed
from tests.bot.discord_bot.fakes import ScriptedPlatform, answer
from tests.bot.discord_bot.running import kura_on as _kura_on
from tests.bot.discord_bot.standin.gateway import UNKNOWN_ERROR, WITHOUT_GOODBYE
from tests.bot.discord_bot.standin.payloads import BOT_ID, Json
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.world import (
    CHANNEL_ID,
    CREATE_PUBLIC_THREADS,
    DIRECT_CHANNEL_ID,
    GUILD_ID,
    SEND_MESSAGES,
    SEND_MESSAGES_IN_THREADS,
    VIEW_CHANNEL,
    Overwrite,
)

pytestmark = pytest.mark.anyio

FOUND = "180 EUR"
kura_on = partial(_kura_on, recall_days=0)
"""The script's documents cannot be read, which would be a reason to correct its answers."""
Way = Callable[[StandIn, str], Awaitable[object]]


async def by_command(stand_in: StandIn, text: str) -> None:
    await stand_in.ask(text)


async def by_private_command(stand_in: StandIn, text: str) -> None:
    await stand_in.ask(text, private=True)


async def by_mention(stand_in: StandIn, text: str) -> None:
    await stand_in.mention(text)


async def directly(stand_in: StandIn, text: str) -> None:
    await stand_in.say(text, channel_id=DIRECT_CHANNEL_ID)


WAYS: tuple[Way, ...] = (by_command, by_private_command, by_mention, directly)


def shown(stand_in: StandIn, words: str = FOUND) -> list[Json]:
    """Everything of the bot's with these words that anybody sees, wherever it stands."""
    own = [m for m in stand_in.state.messages.values() if m["author"]["id"] == str(BOT_ID)]
    return [m for m in own if words in m["content"]]


async def all_ways(stand_in: StandIn, platform: ScriptedPlatform, prefix: str) -> None:
    """One question in each way; returns once each has been taken up."""
    before = len(platform.questions)
    for way in WAYS:
        await way(stand_in, f"{prefix} {way.__name__}")
    await platform.has_been_asked(before + len(WAYS))


def asked_once(platform: ScriptedPlatform, *prefixes: str) -> None:
    expected = sorted(f"{prefix} {way.__name__}" for prefix in prefixes for way in WAYS)
    assert sorted(question.text for question in platform.questions) == expected


def slow() -> ScriptedPlatform:
    """Answers once it may."""
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    return platform


# --- the gateway ---


@pytest.mark.parametrize("code", [UNKNOWN_ERROR, WITHOUT_GOODBYE])
async def test_a_dropped_gateway_loses_and_doubles_nothing(stand_in: StandIn, code: int) -> None:
    platform = slow()
    async with kura_on(stand_in, platform):
        await all_ways(stand_in, platform, "before")
        await stand_in.gateway.drop(repeat=12, code=code)
        await all_ways(stand_in, platform, "meanwhile")  # they come with the resume, behind what is repeated
        assert stand_in.gateway.resumed == 1
        platform.may_answer.set()
        await stand_in.until(lambda: len(shown(stand_in)) >= 8)
        await all_ways(stand_in, platform, "after")
        await stand_in.until(lambda: len(shown(stand_in)) >= 12)
    asked_once(platform, "before", "meanwhile", "after")
    assert len(shown(stand_in)) == 12


async def test_a_session_that_discord_forgot_is_begun_anew_and_what_was_asked_is_answered(stand_in: StandIn) -> None:
    platform = slow()
    async with kura_on(stand_in, platform):
        await all_ways(stand_in, platform, "before")
        await stand_in.gateway.forget_sessions()
        await stand_in.until(lambda: stand_in.gateway.identified == 2)
        platform.may_answer.set()
        await all_ways(stand_in, platform, "after")
        await stand_in.until(lambda: len(shown(stand_in)) >= 8)
    asked_once(platform, "before", "after")
    assert len(shown(stand_in)) == 8


async def test_discord_may_ask_it_to_come_again(stand_in: StandIn) -> None:
    platform = slow()
    async with kura_on(stand_in, platform):
        await all_ways(stand_in, platform, "before")
        await stand_in.gateway.ask_to_reconnect()
        await stand_in.until(lambda: stand_in.gateway.resumed == 1)
        platform.may_answer.set()
        await stand_in.until(lambda: len(shown(stand_in)) >= 4)
    asked_once(platform, "before")


async def test_without_the_intent_it_goes_on_and_says_what_to_switch_on(stand_in: StandIn) -> None:
    stand_in.state.privileged_intents = 0
    platform = ScriptedPlatform(answer())
    with capture_logs() as logs:
        async with kura_on(stand_in, platform):
            await all_ways(stand_in, platform, "before")
            await stand_in.until(lambda: len(shown(stand_in)) >= 4)
    assert len(stand_in.gateway.refused_intents) == 1
    [said] = [entry["event"] for entry in logs if "Message Content Intent" in entry["event"]]
    assert "discord.read_threads" in said


# --- the HTTP half ---

LONG = "\n\n".join(f"Paragraph {n}: " + "a night costs at most 180 EUR. " * 30 for n in range(6))
FURTHER_PRIVATE = r"/webhooks/\d+/[^/]+$"
ROUTES = (
    r"/callback$",
    FURTHER_PRIVATE,
    r"/webhooks/.*/messages/@original$",
    r"/channels/\d+/messages$",
    r"/channels/\d+/messages/\d+$",
    r"/threads$",
)


@pytest.mark.parametrize(
    ("status", "carried_out"), [(429, False), (500, False), (502, False), (503, False), (0, False), (0, True)]
)
async def test_a_request_that_fails_once_is_made_again(stand_in: StandIn, status: int, carried_out: bool) -> None:
    platform = ScriptedPlatform(answer(LONG))
    # a further piece that only one person sees has no nonce on Discord: there one receipt lost is one piece seen twice
    routes = [route for route in ROUTES if not carried_out or route != FURTHER_PRIVATE]
    async with kura_on(stand_in, platform):
        for route in routes:
            stand_in.fail("*", route, status, carried_out=carried_out)
        await all_ways(stand_in, platform, "a")
        await stand_in.until(lambda: not [fault for fault in stand_in.state.faults if fault.times])
        await stand_in.until(lambda: len(shown(stand_in, "travel.md")) >= 4)
    asked_once(platform, "a")
    assert len(shown(stand_in, "travel.md")) == 4
    for n in range(6):
        assert len(shown(stand_in, f"Paragraph {n}:")) == 4


async def test_many_rate_limits_in_a_row_are_waited_out(stand_in: StandIn) -> None:
    stand_in.state.message_rate = (2, 0.5)
    platform = ScriptedPlatform(answer(LONG))
    async with kura_on(stand_in, platform):
        await all_ways(stand_in, platform, "a")
        await all_ways(stand_in, platform, "b")
        await stand_in.until(lambda: len(shown(stand_in, "travel.md")) >= 8)
    assert 429 in {call.status for call in stand_in.state.calls}
    asked_once(platform, "a", "b")
    assert len(shown(stand_in, "travel.md")) == 8


async def test_a_token_that_died_meanwhile_does_not_take_the_answer_with_it(stand_in: StandIn) -> None:
    platform = slow()
    async with kura_on(stand_in, platform):
        asked = await stand_in.ask("in public")
        private = await stand_in.ask("for me", private=True)
        await platform.has_been_asked(2)
        stand_in.pass_time(15 * 60 + 1)
        platform.may_answer.set()
        await stand_in.until(lambda: len(shown(stand_in)) >= 2)
    assert FOUND in stand_in.answers(CHANNEL_ID)[0]["content"]
    assert FOUND in stand_in.answers(DIRECT_CHANNEL_ID)[0]["content"]
    assert FOUND not in "".join([*asked.contents, *private.contents])
    assert len(shown(stand_in)) == 2


# --- what is gone, and what is not allowed ---


async def test_a_channel_that_is_deleted_meanwhile_harms_nothing_else(stand_in: StandIn) -> None:
    platform = slow()
    elsewhere = 310_000_000_000_000_001
    with capture_logs() as logs:
        async with kura_on(stand_in, platform) as running:
            await stand_in.add_channel(elsewhere)
            await stand_in.ask("a", channel_id=elsewhere)
            await stand_in.mention("b", channel_id=elsewhere)
            await platform.has_been_asked(2)
            await stand_in.delete_channel(elsewhere)
            platform.may_answer.set()
            await all_ways(stand_in, platform, "after")
            await stand_in.until(lambda: len([m for m in shown(stand_in) if m["channel_id"] != str(elsewhere)]) >= 4)
            assert not running.done()
    assert "error" not in {entry["log_level"] for entry in logs}
    assert len(platform.questions) == 6


async def test_a_question_that_is_deleted_is_still_answered(stand_in: StandIn) -> None:
    platform = slow()
    async with kura_on(stand_in, platform):
        said = await stand_in.say("a", channel_id=DIRECT_CHANNEL_ID)
        mention = await stand_in.mention("b")
        await platform.has_been_asked(2)
        await stand_in.delete_message(said)
        await stand_in.delete_message(mention)
        platform.may_answer.set()
        await stand_in.until(lambda: len(shown(stand_in)) >= 2)
    assert len(shown(stand_in)) == 2


async def test_placeholders_that_a_moderator_deletes_are_made_up_for(stand_in: StandIn) -> None:
    platform = slow()
    async with kura_on(stand_in, platform):
        await all_ways(stand_in, platform, "a")
        for message in shown(stand_in, ""):
            await stand_in.delete_message(int(message["id"]))
        platform.may_answer.set()
        await stand_in.until(lambda: len(shown(stand_in)) >= 4)
    assert len(shown(stand_in)) == 4


@pytest.mark.parametrize(
    ("denied", "named"),
    [
        (CREATE_PUBLIC_THREADS, "Create Public Threads"),
        (SEND_MESSAGES_IN_THREADS, "Send Messages in Threads"),
    ],
)
async def test_where_a_thread_cannot_be_used_the_channel_is_and_the_permission_is_named(
    stand_in: StandIn, denied: int, named: str
) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform):
        await stand_in.set_overwrites(CHANNEL_ID, [Overwrite(GUILD_ID, deny=denied)])
        await stand_in.mention("a")
        await stand_in.until(lambda: [m for m in stand_in.answers(CHANNEL_ID) if FOUND in m["content"]])
        await stand_in.until(lambda: shown(stand_in, named))
    assert len(shown(stand_in)) == 1


@pytest.mark.parametrize("denied", [SEND_MESSAGES, VIEW_CHANNEL])
async def test_where_it_may_not_write_a_command_is_answered_and_the_log_names_the_permission(
    stand_in: StandIn, denied: int
) -> None:
    platform = ScriptedPlatform(answer())
    with capture_logs() as logs:
        async with kura_on(stand_in, platform):
            await stand_in.mention("seen")
            await platform.has_been_asked(1)
            await stand_in.set_overwrites(
                CHANNEL_ID, [Overwrite(GUILD_ID, deny=denied | CREATE_PUBLIC_THREADS | SEND_MESSAGES_IN_THREADS)]
            )
            await stand_in.mention("not to be answered here")
            asked = await stand_in.ask("a")
            await stand_in.until(lambda: FOUND in "".join(asked.contents))
    if denied == SEND_MESSAGES:  # what it cannot see does not reach it
        assert any("Send Messages" in entry["event"] for entry in logs if entry["log_level"] == "warning")


# --- the model ---


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Overloaded("Too many questions at once: try again in a minute."), "Too many questions at once"),
        (EngineFailed("The model server did not answer."), "whoever runs it will find the reason in its log"),
    ],
)
async def test_a_model_that_is_busy_or_down_is_told_in_each_way_and_once(
    stand_in: StandIn, error: Exception, sentence: str
) -> None:
    platform = ScriptedPlatform(error)
    async with kura_on(stand_in, platform):
        await all_ways(stand_in, platform, "a")
        await stand_in.until(lambda: len(shown(stand_in, sentence)) >= 4)
    assert len(shown(stand_in, sentence)) == 4
    asked_once(platform, "a")


async def test_a_refusal_is_an_answer_too(stand_in: StandIn) -> None:
    refusal = replace(answer("The documents do not answer this question.", citations=()), style="refusal")
    platform = ScriptedPlatform(refusal)
    async with kura_on(stand_in, platform):
        await all_ways(stand_in, platform, "a")
        await stand_in.until(lambda: len(shown(stand_in, "do not answer")) >= 4)
    assert len(shown(stand_in, "do not answer")) == 4
