from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from bot.answers import Delta, Queued
from bot.discord_bot.ports import SourceView
from bot.discord_bot.splitting import LIMIT, units
from bot.errors import Overloaded
from retrieval.access import Audience
from tests.bot.discord_bot.fakes import ScriptedPlatform, SilentPlatform, answer
from tests.bot.discord_bot.running import everywhere, kura_on, saying
from tests.bot.discord_bot.standin.messages import Json
from tests.bot.discord_bot.standin.payloads import BOT, BOT_ID
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.world import (
    ASKER_ID,
    CHANNEL_ID,
    CREATE_PUBLIC_THREADS,
    DIRECT_CHANNEL_ID,
    GUILD_ID,
    OTHER_ASKER_ID,
    VIEW_CHANNEL,
    Overwrite,
)

pytestmark = pytest.mark.anyio


def labels(message: Json) -> list[str]:
    return [part["label"] for row in message["components"] for part in row["components"]]


# --- commands ---


async def test_a_slash_command_is_deferred_and_answered_with_its_sources_and_buttons(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    async with kura_on(stand_in, platform):
        asked = await stand_in.ask("How much may a hotel cost?")
        await stand_in.until(lambda: asked.contents)  # while the assistant still searches
        assert asked.original
        assert labels(asked.original) == ["Stop"]
        platform.may_answer.set()
        await stand_in.until(lambda: "180 EUR" in "".join(asked.contents))
    assert asked.contents == [
        "A night costs at most 180 EUR. [1]\n\n-# [1] Travel policy › Hotels › Limits · `travel.md:12`"
    ]
    assert labels(asked.original) == ["Helpful", "Not helpful", "Sources"]
    assert [question.text for question in platform.questions] == ["How much may a hotel cost?"]
    assert platform.given_up == 0  # it was let finish


async def test_a_private_answer_is_seen_by_the_asker_alone(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform):
        asked = await stand_in.ask("a", private=True)
        await stand_in.until(lambda: "180 EUR" in "".join(asked.contents))
    assert asked.ephemeral
    assert not platform.questions[0].shared


async def test_only_one_source_is_searched_and_names_are_offered_as_they_are_typed(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    platform.source_views = [SourceView(name, 3, datetime.now(UTC)) for name in ("handbook", "wiki", "x" * 101)]
    async with kura_on(stand_in, platform):
        offered = await stand_in.autocomplete("ask", "source", "Hand", {"question": "a"})
        await stand_in.until(lambda: offered.choices is not None)
        asked = await stand_in.ask("a", source="handbook")
        await stand_in.until(lambda: asked.contents)
        await platform.has_been_asked(1)
    assert offered.choices == [{"name": "handbook", "value": "handbook"}]
    assert platform.questions[0].filters.sources == {"handbook"}


async def test_a_messages_menu_asks_what_it_says(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform):
        said = await stand_in.say("how much may a hotel cost?", user_id=OTHER_ASKER_ID)
        asked = await stand_in.message_menu("Ask Kura about this", said)
        await stand_in.until(lambda: "180 EUR" in "".join(asked.contents))
    assert [question.text for question in platform.questions] == ["how much may a hotel cost?"]
    assert platform.questions[0].principal.id == f"discord:{ASKER_ID}"


# --- messages ---


async def test_a_mention_opens_a_thread_that_is_named_after_the_question(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    async with kura_on(stand_in, platform):
        await stand_in.mention("how much may\na hotel cost?" + "!" * 200)
        await stand_in.until(lambda: stand_in.threads() and everywhere(stand_in))
        [thread], [placeholder] = stand_in.threads(), everywhere(stand_in)
        assert thread.name == ("how much may a hotel cost?" + "!" * 200)[:100]
        assert labels(placeholder) == ["Stop"]
        platform.may_answer.set()
        await stand_in.until(lambda: "180 EUR" in placeholder["content"])
    assert stand_in.answers(thread.id) == [placeholder]
    assert stand_in.answers() == []


async def test_in_a_thread_the_asker_and_whoever_they_invite_go_on_without_a_mention(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform):
        await stand_in.mention("first")
        await stand_in.until(saying(stand_in))
        [thread] = stand_in.threads()
        await stand_in.say("not asked", user_id=OTHER_ASKER_ID, channel_id=thread.id)
        await stand_in.say("second", channel_id=thread.id)
        await platform.has_been_asked(2)
        other = {"id": str(OTHER_ASKER_ID), "username": "o", "discriminator": "0", "avatar": None}
        await stand_in.say(f"<@{OTHER_ASKER_ID}> look", channel_id=thread.id, mentions=[other])
        await asyncio.sleep(0.5)  # nobody answers faster than that
        await stand_in.say("third", user_id=OTHER_ASKER_ID, channel_id=thread.id)
        await platform.has_been_asked(3)
        await stand_in.until(lambda: len(saying(stand_in)()) == 3)
    assert [question.text for question in platform.questions] == ["first", "second", "third"]
    threads = [question.thread for question in platform.questions]
    assert threads == [f"discord:{thread.id}:{one}" for one in (ASKER_ID, ASKER_ID, OTHER_ASKER_ID)]
    assert all(question.shared for question in platform.questions)


async def test_without_the_intent_for_messages_kura_is_on_discord_all_the_same(stand_in: StandIn) -> None:
    stand_in.state.privileged_intents = 0
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform):
        await stand_in.mention("first")
        await stand_in.until(saying(stand_in))
        [thread] = stand_in.threads()
        await stand_in.say("second", channel_id=thread.id)
        await stand_in.mention("third", channel_id=thread.id)
        await platform.has_been_asked(2)
    assert [question.text for question in platform.questions] == ["first", "third"]


async def test_where_no_thread_may_be_opened_the_answer_stands_in_the_channel(stand_in: StandIn) -> None:
    async with kura_on(stand_in, ScriptedPlatform(answer())):
        await stand_in.set_overwrites(CHANNEL_ID, [Overwrite(GUILD_ID, deny=CREATE_PUBLIC_THREADS)])
        bot_role = stand_in.state.world.guilds[GUILD_ID].members[BOT_ID].roles[0]
        await stand_in.set_role(bot_role, permissions=VIEW_CHANNEL)
        await stand_in.mention("a")
        await stand_in.until(saying(stand_in))
    assert saying(stand_in, "Create Public Threads")()
    assert stand_in.threads() == []


async def test_a_direct_message_needs_no_mention_and_is_answered_for_its_writer_alone(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, members=({"user": ASKER_ID, "groups": ("hr",)},)):
        await stand_in.say("how much may a hotel cost?", channel_id=DIRECT_CHANNEL_ID)
        await stand_in.until(lambda: [m for m in stand_in.answers(DIRECT_CHANNEL_ID) if "180 EUR" in m["content"]])
    assert platform.questions[0].principal.groups == {"all", "hr"}
    assert not platform.questions[0].shared


async def test_a_stranger_who_writes_directly_is_not_answered(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    stranger = 400_000_000_000_000_077
    async with kura_on(stand_in, platform):
        place = stand_in.direct_channel(stranger)
        await stand_in.say("a", user_id=stranger, channel_id=place)
        await stand_in.until(lambda: stand_in.answers(place))
    assert "only members" in stand_in.answers(place)[0]["content"]
    assert platform.questions == []


async def test_what_is_not_for_kura_is_left_alone(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform):
        await stand_in.say("who has my stapler?")
        await stand_in.say("@everyone lunch", mentions=[])
        await stand_in.say("beep", mentions=[BOT], bot=True)
        await stand_in.mention("and now me")
        await stand_in.until(saying(stand_in))
    assert [question.text for question in platform.questions] == ["and now me"]


async def test_a_message_that_comes_twice_is_answered_once(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform):
        await stand_in.mention("a")
        await stand_in.until(saying(stand_in))
        await stand_in.gateway.drop(repeat=3)
        await stand_in.connected()
        await stand_in.mention("b")
        await stand_in.until(lambda: len(saying(stand_in)()) == 2)
    assert [question.text for question in platform.questions] == ["a", "b"]


# --- who may ask, where ---


async def test_only_what_is_marked_for_discord_may_be_read(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform):
        await stand_in.ask("a")
        await stand_in.mention("b")
        await stand_in.say("c", channel_id=DIRECT_CHANNEL_ID)
        await platform.has_been_asked(3)
    assert {q.principal.audience for q in platform.questions} == {Audience.DISCORD}
    assert {q.principal.groups for q in platform.questions} == {frozenset({"all"})}
    assert {q.origin for q in platform.questions} == {"discord"}


async def test_a_public_answer_uses_what_everybody_there_may_read_and_the_fuller_one_is_offered(
    stand_in: StandIn,
) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, members=({"user": ASKER_ID, "groups": ("hr",)},)):
        asked = await stand_in.ask("what do we earn?")
        await stand_in.until(lambda: "180 EUR" in "".join(asked.contents))
        assert asked.original
        [fuller] = [
            part for row in asked.original["components"] for part in row["components"] if "all" in part["custom_id"]
        ]
        not_mine = await stand_in.click(int(asked.original["id"]), fuller["custom_id"], user_id=OTHER_ASKER_ID)
        await stand_in.until(lambda: not_mine.contents)
        more = await stand_in.click(int(asked.original["id"]), fuller["custom_id"])
        await stand_in.until(lambda: "180 EUR" in "".join(more.contents))
    assert "Only the person who asked" in not_mine.contents[0]
    assert more.ephemeral
    assert [question.principal.groups for question in platform.questions] == [{"all"}, {"all", "hr"}]
    assert [question.text for question in platform.questions] == ["what do we earn?"] * 2


async def test_a_guild_that_nobody_allowed_is_told_how(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, guilds=()):
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: asked.contents)
        assert str(GUILD_ID) in asked.contents[0]
        assert asked.ephemeral
    assert platform.questions == []


async def test_an_unknown_guild_is_left(stand_in: StandIn) -> None:
    elsewhere = 200_000_000_000_000_777
    async with kura_on(stand_in, ScriptedPlatform(answer())):
        await stand_in.add_guild(elsewhere)
        await stand_in.until(lambda: not stand_in.state.world.has_bot(elsewhere))
        assert stand_in.state.world.has_bot(GUILD_ID)


async def test_a_channel_that_is_not_allowed_names_those_that_are(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, channels=(CHANNEL_ID,)):
        other = await stand_in.add_channel(300_000_000_000_000_055)
        refused = await stand_in.ask("a", channel_id=other.id)
        asked = await stand_in.ask("b")
        await stand_in.until(lambda: refused.contents and "180 EUR" in "".join(asked.contents))
    assert f"<#{CHANNEL_ID}>" in refused.contents[0]
    assert refused.ephemeral
    assert [question.text for question in platform.questions] == ["b"]


async def test_who_asks_too_often_is_told_when_to_ask_again(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, per_person=1):
        first = await stand_in.ask("a")
        refused = await stand_in.slash("ask", {"question": "b"}, locale="ja")
        other = await stand_in.ask("c", user_id=OTHER_ASKER_ID)
        await stand_in.until(lambda: refused.contents and "180 EUR" in "".join(other.contents))
        await stand_in.until(lambda: "180 EUR" in "".join(first.contents))
    assert refused.ephemeral
    assert "秒" in refused.contents[0] or "分" in refused.contents[0]
    assert sorted(question.text for question in platform.questions) == ["a", "c"]


# --- how the answer comes ---


async def test_what_is_going_on_is_shown_and_the_text_as_it_grows(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    platform.steps = [Queued(3, 20.0)]
    platform.may_answer.clear()
    async with kura_on(stand_in, platform):
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: "2 questions before yours" in "".join(asked.contents))
        assert asked.original
        assert labels(asked.original) == ["Stop"]  # it stays while the text changes
        platform.may_answer.set()
        await stand_in.until(lambda: "180 EUR" in "".join(asked.contents))
    edits = [call.at for call in stand_in.state.calls if call.method == "PATCH" and "@original" in call.path]
    gaps = [later - earlier for earlier, later in pairwise(edits[1:])]
    assert min(gaps) > 1.1, gaps


async def test_streamed_text_is_shown_before_the_answer_is_whole(stand_in: StandIn) -> None:
    platform = ScriptedPlatform(answer())
    platform.steps = [Delta("A night ")]
    platform.may_answer.clear()
    async with kura_on(stand_in, platform):
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: "A night" in "".join(asked.contents))
        platform.may_answer.set()
        await stand_in.until(lambda: "180 EUR" in "".join(asked.contents))


async def test_a_long_answer_comes_in_order_in_pieces_that_fit(stand_in: StandIn) -> None:
    text = "\n\n".join(f"Paragraph {n}: " + "経費は月末までに申請してください。" * 30 for n in range(12))
    async with kura_on(stand_in, ScriptedPlatform(answer(text))):
        asked = await stand_in.ask("tell me everything")
        await stand_in.mention("tell me everything")
        await stand_in.until(lambda: "travel.md" in "".join(m["content"] for m in stand_in.answers(CHANNEL_ID)))
        [thread] = stand_in.threads()
        await stand_in.until(lambda: "travel.md" in "".join(m["content"] for m in stand_in.answers(thread.id)))
    for messages in ([*asked.messages, *stand_in.answers(CHANNEL_ID)], stand_in.answers(thread.id)):
        contents = [message["content"] for message in messages]
        assert len(contents) > 2
        assert max(map(units, contents)) <= LIMIT
        assert "".join(contents).startswith(text)
        assert [labels(message) for message in messages[:-1]] == [[]] * (len(messages) - 1)
        assert "Sources" in labels(messages[-1])


async def test_nobody_is_mentioned_and_nothing_unfolds(stand_in: StandIn) -> None:
    hostile = (
        "@everyone <@400000000000000001> <@&1> see https://evil.example/x or [this](https://evil.example)\n\n" * 40
    )
    async with kura_on(stand_in, ScriptedPlatform(answer(hostile, citations=()))):
        asked = await stand_in.ask("a")
        await stand_in.mention("b")
        await stand_in.until(lambda: asked.contents and len(everywhere(stand_in)) > 3)
    for body in stand_in.written():
        assert body["allowed_mentions"] == {"parse": []}
        assert not any(live in (body["content"] or "") for live in ("@everyone", "<@", "https://", "]("))


@pytest.mark.parametrize("by", ["asker", "somebody else"])
async def test_only_the_asker_stops_an_answer_and_the_model_is_free_at_once(stand_in: StandIn, by: str) -> None:
    platform = ScriptedPlatform(answer())
    platform.may_answer.clear()
    async with kura_on(stand_in, platform):
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: asked.contents)
        await platform.has_been_asked(1)
        assert asked.original
        stop = asked.original["components"][0]["components"][0]["custom_id"]
        who = ASKER_ID if by == "asker" else OTHER_ASKER_ID
        clicked = await stand_in.click(int(asked.original["id"]), stop, user_id=who)
        if by == "asker":
            await stand_in.until(lambda: "Stopped" in "".join(asked.contents))
            assert labels(asked.original) == []
            assert platform.given_up == 1
        else:
            await stand_in.until(lambda: clicked.contents)
            assert "Only the person who asked" in clicked.contents[0]
            assert platform.given_up == 0
        platform.may_answer.set()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Overloaded("Too many questions at once: try again in a minute."), "Too many questions at once"),
        (ValueError("secret detail"), "Something went wrong inside Kura"),
    ],
)
async def test_a_failure_is_one_sentence_and_the_next_question_is_answered(
    stand_in: StandIn, error: Exception, sentence: str
) -> None:
    async with kura_on(stand_in, ScriptedPlatform(error)):
        asked = await stand_in.ask("a")
        await stand_in.mention("b")
        await stand_in.until(lambda: sentence in "".join(asked.contents) and saying(stand_in, sentence)())
        again = await stand_in.ask("c")
        await stand_in.until(lambda: sentence in "".join(again.contents))
    for said in (asked.contents, again.contents, [m["content"] for m in everywhere(stand_in)]):
        assert "secret detail" not in "".join(said)


async def test_an_assistant_that_ends_without_an_answer_is_not_waited_for(stand_in: StandIn) -> None:
    async with kura_on(stand_in, SilentPlatform()):
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: "without an answer" in "".join(asked.contents))
