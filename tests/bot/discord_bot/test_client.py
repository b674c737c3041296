from __future__ import annotations

import pytest

from bot.discord_bot.client import Seen
from bot.discord_bot.splitting import LIMIT, units
from bot.errors import Overloaded
from retrieval.access import Audience
from tests.bot.discord_bot.fakes import ScriptedAssistant, SilentAssistant, answer
from tests.bot.discord_bot.running import kura_on
from tests.bot.discord_bot.standin.gateway import MESSAGE_CONTENT, PRIVILEGED
from tests.bot.discord_bot.standin.payloads import (
    ASKER_ID,
    BOT,
    CHANNEL_ID,
    DIRECT_CHANNEL_ID,
    OTHER_ASKER_ID,
)
from tests.bot.discord_bot.standin.rest import SUPPRESS_EMBEDS
from tests.bot.discord_bot.standin.server import StandIn

pytestmark = pytest.mark.anyio


async def test_a_slash_command_is_registered_deferred_and_answered_with_its_sources(stand_in: StandIn) -> None:
    assistant = ScriptedAssistant(answer())
    assistant.may_answer.clear()
    async with kura_on(stand_in, assistant):
        assert [command["name"] for command in stand_in.state.commands] == ["ask"]
        asked = await stand_in.ask("How much may a hotel cost?")
        await stand_in.until(lambda: asked.acknowledged_after_s is not None)  # while the assistant still searches
        assert asked.contents == []
        assistant.may_answer.set()
        await stand_in.until(lambda: asked.contents)
    assert asked.contents == [
        "A night costs at most 180 EUR. [1]\n\n-# [1] Travel policy › Hotels › Limits · `travel.md:12`"
    ]
    assert [question.text for question in assistant.questions] == ["How much may a hotel cost?"]
    assert assistant.given_up == 0  # it was let finish


async def test_a_mention_gets_a_placeholder_that_becomes_the_answer(stand_in: StandIn) -> None:
    assistant = ScriptedAssistant(answer())
    assistant.may_answer.clear()
    async with kura_on(stand_in, assistant):
        asked = await stand_in.mention("how much may a hotel cost?")
        await stand_in.until(stand_in.answers)
        [placeholder] = stand_in.answers()
        assert placeholder["content"] == "⏳"
        assert placeholder["message_reference"]["message_id"] == str(asked)
        assistant.may_answer.set()
        await stand_in.until(lambda: "180 EUR" in placeholder["content"])
    assert len(stand_in.answers()) == 1
    assert [question.text for question in assistant.questions] == ["how much may a hotel cost?"]


async def test_a_direct_message_needs_no_mention(stand_in: StandIn) -> None:
    async with kura_on(stand_in, ScriptedAssistant(answer())):
        await stand_in.say("how much may a hotel cost?", channel_id=DIRECT_CHANNEL_ID)
        await stand_in.until(lambda: [m for m in stand_in.answers(DIRECT_CHANNEL_ID) if "180 EUR" in m["content"]])


async def test_what_is_not_for_kura_is_left_alone(stand_in: StandIn) -> None:
    assistant = ScriptedAssistant(answer())
    async with kura_on(stand_in, assistant):
        await stand_in.say("who has my stapler?")
        await stand_in.say("@everyone lunch", mentions=[])
        await stand_in.say("beep", mentions=[BOT], bot=True)
        await stand_in.mention("and now me")
        await stand_in.until(lambda: [m for m in stand_in.answers() if "180 EUR" in m["content"]])
    assert [question.text for question in assistant.questions] == ["and now me"]


async def test_no_privileged_intent_is_asked_for(stand_in: StandIn) -> None:
    async with kura_on(stand_in, ScriptedAssistant(answer())):
        [session] = stand_in.gateway.sessions.values()
        assert session.intents & PRIVILEGED == 0
        await stand_in.say("who has my stapler?")
        assert session.log[-1]["d"]["content"] == ""  # the stand-in keeps to the intents, as Discord does
        session.intents |= MESSAGE_CONTENT
        await stand_in.say("who has my stapler?")
        assert session.log[-1]["d"]["content"] == "who has my stapler?"


async def test_only_what_is_marked_for_discord_may_be_read(stand_in: StandIn) -> None:
    assistant = ScriptedAssistant(answer())
    async with kura_on(stand_in, assistant):
        asked = await stand_in.ask("a")
        await stand_in.mention("b")
        await stand_in.say("c", channel_id=DIRECT_CHANNEL_ID)
        await stand_in.until(lambda: asked.contents)
        await assistant.has_been_asked(3)
    assert {q.principal.audience for q in assistant.questions} == {Audience.DISCORD}
    assert {q.principal.groups for q in assistant.questions} == {frozenset({"all"})}
    assert {q.origin for q in assistant.questions} == {"discord"}


async def test_a_conversation_is_one_persons_in_one_channel(stand_in: StandIn) -> None:
    assistant = ScriptedAssistant(answer())
    async with kura_on(stand_in, assistant):
        await stand_in.ask("a")
        await stand_in.mention("b")
        await stand_in.mention("c", user_id=OTHER_ASKER_ID)
        await assistant.has_been_asked(3)
    threads = {question.text: question.thread for question in assistant.questions}
    assert threads["a"] == threads["b"] == f"discord:{CHANNEL_ID}:{ASKER_ID}"
    assert threads["c"] == f"discord:{CHANNEL_ID}:{OTHER_ASKER_ID}"
    assert len({question.id for question in assistant.questions}) == 3


async def test_a_long_answer_comes_in_order_in_pieces_that_fit(stand_in: StandIn) -> None:
    text = "\n\n".join(f"Paragraph {n}: " + "経費は月末までに申請してください。" * 30 for n in range(12))
    async with kura_on(stand_in, ScriptedAssistant(answer(text))):
        asked = await stand_in.ask("tell me everything")
        await stand_in.mention("tell me everything")
        await stand_in.until(lambda: "travel.md" in "".join(asked.contents))
        await stand_in.until(lambda: "travel.md" in "".join(m["content"] for m in stand_in.answers()))
    for contents in (asked.contents, [m["content"] for m in stand_in.answers()]):
        assert len(contents) > 2
        assert max(map(units, contents)) <= LIMIT
        assert "".join(contents).startswith(text)


async def test_nobody_is_mentioned_and_nothing_unfolds(stand_in: StandIn) -> None:
    hostile = (
        "@everyone <@400000000000000001> <@&1> see https://evil.example/x or [this](https://evil.example)\n\n" * 40
    )
    async with kura_on(stand_in, ScriptedAssistant(answer(hostile, citations=()))):
        asked = await stand_in.ask("a")
        await stand_in.mention("b")
        await stand_in.until(lambda: len(asked.contents) > 1 and len(stand_in.answers()) > 1)
    written = stand_in.written()
    assert len(written) >= 5
    for body in written:
        assert body["allowed_mentions"] == {"parse": []}
        assert not any(live in body["content"] for live in ("@everyone", "<@", "https://", "]("))
    assert all(m["flags"] & SUPPRESS_EMBEDS for m in (*stand_in.answers(), *asked.followups))


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
    assistant = ScriptedAssistant(error)
    async with kura_on(stand_in, assistant):
        asked = await stand_in.ask("a")
        await stand_in.mention("b")
        await stand_in.until(lambda: asked.contents and any(sentence in m["content"] for m in stand_in.answers()))
        again = await stand_in.ask("c")
        await stand_in.until(lambda: again.contents)
    for said in (asked.contents, again.contents, [m["content"] for m in stand_in.answers()]):
        assert len(said) == 1
        assert sentence in said[0]
        assert "secret detail" not in said[0]


async def test_an_assistant_that_ends_without_an_answer_is_not_waited_for(stand_in: StandIn) -> None:
    async with kura_on(stand_in, SilentAssistant()):
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: asked.contents)
    assert "without an answer" in asked.contents[0]


async def test_what_discord_does_not_take_does_not_stop_the_client(stand_in: StandIn) -> None:
    assistant = ScriptedAssistant(answer())
    async with kura_on(stand_in, assistant) as running:
        stand_in.fail("POST", r"/channels/\d+/messages$", 403)
        await stand_in.mention("no permission to write here")
        stand_in.fail("POST", "/callback$", 404)
        await stand_in.ask("forgotten by discord")
        await stand_in.until(lambda: not any(fault.times for fault in stand_in.state.faults))
        asked = await stand_in.ask("and now")
        await stand_in.until(lambda: asked.contents)
        assert not running.done()
    assert [question.text for question in assistant.questions] == ["and now"]  # no model was run in vain


async def test_a_placeholder_that_was_deleted_is_written_anew(stand_in: StandIn) -> None:
    assistant = ScriptedAssistant(answer())
    assistant.may_answer.clear()
    async with kura_on(stand_in, assistant):
        await stand_in.mention("a")
        await stand_in.until(stand_in.answers)
        stand_in.state.messages.clear()
        assistant.may_answer.set()
        await stand_in.until(stand_in.answers)
    assert "180 EUR" in stand_in.answers()[0]["content"]


@pytest.mark.parametrize("status", [429, 502])
async def test_a_busy_discord_gets_the_answer_all_the_same_and_once(stand_in: StandIn, status: int) -> None:
    async with kura_on(stand_in, ScriptedAssistant(answer())):
        stand_in.fail("PATCH", "", status)
        stand_in.fail("POST", r"/channels/\d+/messages$", status)
        asked = await stand_in.ask("a")
        await stand_in.mention("b")
        await stand_in.until(lambda: asked.contents and any("180 EUR" in m["content"] for m in stand_in.answers()))
    assert len(asked.contents) == len(stand_in.answers()) == 1
    assert [call.status for call in stand_in.state.calls].count(status) == 2


async def test_a_message_whose_receipt_was_lost_is_not_written_twice(stand_in: StandIn) -> None:
    async with kura_on(stand_in, ScriptedAssistant(answer())):
        stand_in.fail("POST", r"/channels/\d+/messages$", 500, carried_out=True)
        await stand_in.mention("a")
        await stand_in.until(lambda: any("180 EUR" in m["content"] for m in stand_in.answers()))
    assert len(stand_in.answers()) == 1


async def test_a_question_answered_too_late_is_refused_by_the_stand_in(stand_in: StandIn) -> None:
    stand_in.state.acknowledge_within_s = -1.0
    assistant = ScriptedAssistant(answer())
    async with kura_on(stand_in, assistant):
        asked = await stand_in.ask("a")
        await stand_in.until(lambda: any(call.path.endswith("/callback") for call in stand_in.state.calls))
        await stand_in.mention("b")
        await assistant.has_been_asked(1)
    assert asked.contents == []
    assert [question.text for question in assistant.questions] == ["b"]


async def test_stopping_tells_those_who_wait_and_frees_the_model(stand_in: StandIn) -> None:
    assistant = ScriptedAssistant(answer())
    assistant.may_answer.clear()
    async with kura_on(stand_in, assistant):
        asked = await stand_in.ask("a")
        await stand_in.mention("b")
        await stand_in.mention("c", user_id=OTHER_ASKER_ID)
        await stand_in.until(lambda: len(stand_in.answers()) == 2 and asked.original)
        await assistant.has_been_asked(3)
    assert assistant.given_up == 3
    said = [*asked.contents, *(m["content"] for m in stand_in.answers())]
    assert ["being stopped" in sentence for sentence in said] == [True] * 3


def test_an_event_is_new_once_and_the_oldest_are_forgotten() -> None:
    seen = Seen(capacity=2)
    assert [seen.first(n) for n in (1, 1, 2, 3, 2, 1)] == [True, False, True, True, False, True]
