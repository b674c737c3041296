from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.discord_bot.desk import Desk
from bot.errors import Overloaded
from bot.feedback import Feedback
from bot.settings_discord import DiscordSettings, MemberSettings
from tests.bot.discord_bot.fake_platform import FakePlatform, Text, a_desk, on_discord, until
from tests.bot.discord_bot.standin.payloads import Json
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.world import ASKER_ID, BOT_ID, DIRECT_CHANNEL_ID, GUILD_ID, OTHER_ASKER_ID

pytestmark = pytest.mark.anyio

ME, OTHER = f"discord:{ASKER_ID}", f"discord:{OTHER_ASKER_ID}"
HOTELS = Text("Travel policy", "handbook/travel.md", "Hotels\n\nA night costs at\nmost 180 EUR.")


async def an_answer(stand_in: StandIn, desk: Desk) -> Json:
    """A public answer with its buttons, once it is noted."""
    asked = await stand_in.ask("How much may a hotel cost?")
    await until(lambda: desk.ledger.post("t1-1"))
    return asked.messages[-1]


async def said(stand_in: StandIn, on: Json, button: str, *, user_id: int = ASKER_ID, locale: str = "en-US") -> str:
    pressed = await stand_in.click(on, button, user_id=user_id, locale=locale)
    await stand_in.until(lambda: pressed.contents)
    assert pressed.ephemeral
    return pressed.contents[-1]


async def test_a_thumb_is_noted_once_and_taken_back_when_pressed_again(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform()
    desk = a_desk(platform, tmp_path)
    async with on_discord(stand_in, desk):
        on = await an_answer(stand_in, desk)
        assert "noted as helpful" in await said(stand_in, on, "kura:up:")
        assert platform.feedback == {("t1-1", ME): Feedback("up")}
        assert "記録しました" in await said(stand_in, on, "kura:up:", user_id=OTHER_ASKER_ID, locale="ja")
        assert platform.feedback.keys() == {("t1-1", ME), ("t1-1", OTHER)}
        assert "taken back" in await said(stand_in, on, "kura:up:")
        assert platform.feedback.keys() == {("t1-1", OTHER)}


async def test_a_thumb_down_asks_what_was_wrong_and_replaces_what_was_said(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform()
    desk = a_desk(platform, tmp_path)
    async with on_discord(stand_in, desk):
        on = await an_answer(stand_in, desk)
        await said(stand_in, on, "kura:up:")
        pressed = await stand_in.click(on, "kura:down:")
        await stand_in.until(lambda: pressed.modal)
        assert platform.feedback == {("t1-1", ME): Feedback("up")}  # nothing is said until the form is sent
        sent = await stand_in.submit(pressed, {"wrong": " the year ", "right": "200 EUR"})
        await stand_in.until(lambda: sent.contents)
        assert sent.ephemeral
        assert "replaced" in sent.contents[0]
        assert platform.feedback == {("t1-1", ME): Feedback("down", "the year", "200 EUR")}
        assert "taken back" in await said(stand_in, on, "kura:down:")
        assert platform.feedback == {}


async def test_both_fields_of_the_form_may_stay_empty(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform()
    desk = a_desk(platform, tmp_path)
    async with on_discord(stand_in, desk):
        pressed = await stand_in.click(await an_answer(stand_in, desk), "kura:down:", locale="ja")
        await stand_in.until(lambda: pressed.modal)
        sent = await stand_in.submit(pressed, {})
        await stand_in.until(lambda: sent.contents)
    assert platform.feedback == {("t1-1", ME): Feedback("down")}
    assert "ありがとうございます" in sent.contents[0]


async def test_buttons_and_an_open_form_survive_a_restart(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform(documents={"d1": HOTELS})
    desk = a_desk(platform, tmp_path)
    async with on_discord(stand_in, desk):
        on = await an_answer(stand_in, desk)
        opened = await stand_in.click(on, "kura:down:", user_id=OTHER_ASKER_ID)
        await stand_in.until(lambda: opened.modal)
        await said(stand_in, on, "kura:up:")
    desk = a_desk(platform, tmp_path)
    async with on_discord(stand_in, desk):
        sent = await stand_in.submit(opened, {"wrong": "all of it"})
        await stand_in.until(lambda: sent.contents)
        assert "A night costs at most 180 EUR." in await said(stand_in, on, "kura:sources:")
        assert "taken back" in await said(stand_in, on, "kura:up:")
    assert platform.feedback == {("t1-1", OTHER): Feedback("down", "all of it")}


async def test_reactions_count_as_thumbs_whoever_makes_them(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform()
    desk = a_desk(platform, tmp_path)
    async with on_discord(stand_in, desk):
        message = int((await an_answer(stand_in, desk))["id"])
        await stand_in.react(message, "🎉")
        await stand_in.react(message, "👍")
        await stand_in.react(message, "👎🏽", user_id=OTHER_ASKER_ID)
        await until(lambda: len(platform.feedback) == 2)
        assert platform.feedback == {("t1-1", ME): Feedback("up"), ("t1-1", OTHER): Feedback("down")}
        await stand_in.react(message, "👎")  # another thumb, then the first is taken away: the later one counts
        await until(lambda: desk.ledger.said("t1-1", ASKER_ID) == "down")
        await stand_in.unreact(message, "👍")
        await stand_in.unreact(message, "👎🏽", user_id=OTHER_ASKER_ID)
        await until(lambda: len(platform.feedback) == 1)
    assert platform.feedback == {("t1-1", ME): Feedback("down")}


async def test_a_reaction_in_a_direct_channel_counts_and_the_bots_own_does_not(
    stand_in: StandIn, tmp_path: Path
) -> None:
    platform = FakePlatform()
    desk = a_desk(platform, tmp_path)
    async with on_discord(stand_in, desk):
        await stand_in.say("How much may a hotel cost?", channel_id=DIRECT_CHANNEL_ID)
        await until(lambda: desk.ledger.post("t1-1"))
        message = int(stand_in.answers(DIRECT_CHANNEL_ID)[-1]["id"])
        await stand_in.react(message, "👎", user_id=BOT_ID)
        await stand_in.react(message, "👍")
        await until(lambda: platform.feedback)
    assert platform.feedback == {("t1-1", ME): Feedback("up")}


async def test_feedback_comes_with_the_groups_of_whoever_gives_it(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform(documents={"d1": Text("Pay", "pay.md", HOTELS.text, frozenset({"hr"}))})
    settings = DiscordSettings(
        guilds=(GUILD_ID,), members=(MemberSettings(user=ASKER_ID, groups=("hr",)),), recall_days=0
    )
    desk = a_desk(platform, tmp_path, settings)
    async with on_discord(stand_in, desk):
        on = await an_answer(stand_in, desk)
        assert "180 EUR" in await said(stand_in, on, "kura:sources:")
        # whoever may not read the document is not told that there is one
        assert await said(stand_in, on, "kura:sources:", user_id=OTHER_ASKER_ID) == (
            "This answer names no source that you may read."
        )


async def test_sources_tell_of_a_changed_document_without_the_old_quote(stand_in: StandIn, tmp_path: Path) -> None:
    changed = Text("Travel policy", "handbook/travel.md", "A night costs at most 200 EUR.")
    desk = a_desk(FakePlatform(documents={"d1": changed}), tmp_path)
    async with on_discord(stand_in, desk):
        shown = await said(stand_in, await an_answer(stand_in, desk), "kura:sources:")
    assert "The document has changed since" in shown
    assert "180 EUR" not in shown
    assert "Travel policy › Hotels › Limits · `travel.md:12`" in shown


async def test_what_is_not_kept_any_more_is_said_to_be_gone(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform()
    desk = a_desk(platform, tmp_path)
    async with on_discord(stand_in, desk):
        on = await an_answer(stand_in, desk)
        platform.gone.add("t1-1")
        assert "not kept" in await said(stand_in, on, "kura:up:")
        desk.ledger.drop("t1-1")
        assert "not kept any more" in await said(stand_in, on, "kura:sources:")


async def test_a_fault_is_one_sentence_to_whoever_pressed(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform()
    desk = a_desk(platform, tmp_path)
    async with on_discord(stand_in, desk):
        on = await an_answer(stand_in, desk)
        platform.fault = Overloaded("Too many questions at once: try again in a minute.")
        assert "Too many questions" in await said(stand_in, on, "kura:up:")
        await stand_in.react(int(on["id"]), "👍")
        await asyncio.sleep(0.5)  # the reaction meets the fault, too
        platform.fault = None
        assert "noted as helpful" in await said(stand_in, on, "kura:up:")
