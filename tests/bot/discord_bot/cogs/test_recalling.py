from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.answers import Answer
from bot.discord_bot.cogs import recalling
from bot.discord_bot.desk import Desk
from bot.errors import Overloaded
from bot.settings_discord import DiscordSettings, MemberSettings
from tests.bot.discord_bot.fake_platform import FakePlatform, Text, a_desk, on_discord, until
from tests.bot.discord_bot.fakes import HOTELS, answer
from tests.bot.discord_bot.standin.payloads import Json
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.world import ASKER_ID, CHANNEL_ID, DIRECT_CHANNEL_ID, GUILD_ID

pytestmark = pytest.mark.anyio

BEFORE = Text("Travel policy", "handbook/travel.md", "A night costs at most 180 EUR.")
AFTER = replace(BEFORE, text="A night costs at most 200 EUR.")
NOW = answer("A night costs at most 200 EUR. [1]", citations=(replace(HOTELS, quote=AFTER.text),))
SETTINGS = DiscordSettings(guilds=(GUILD_ID,))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalling, "EVERY_S", 0.02)


def a_platform() -> FakePlatform:
    return FakePlatform(documents={"d1": BEFORE})


def ingested(platform: FakePlatform, now: Answer | Exception, *documents: Text) -> None:
    platform.texts = {f"d{n}": one for n, one in enumerate(documents, 1)}
    platform.answers = now
    platform.ingest_mark += "+"


async def looked(platform: FakePlatform, times: int = 3) -> None:
    """Wait until whether there was an ingest has been asked some times more."""
    before = platform.looked
    await until(lambda: platform.looked >= before + times)


def corrections(stand_in: StandIn, channel: int = CHANNEL_ID) -> list[Json]:
    return [m for m in stand_in.answers(channel) if m["content"].startswith("🔁")]


async def noted(desk: Desk, answer_id: str = "t1-1") -> None:
    """Wait until an answer stands there and nothing is under way."""
    await until(lambda: desk.ledger.post(answer_id) and not desk.ledger.waiting())


async def test_an_answer_is_corrected_once_where_it_stands(stand_in: StandIn, tmp_path: Path) -> None:
    platform = a_platform()
    desk = a_desk(platform, tmp_path, SETTINGS)
    async with on_discord(stand_in, desk):
        asked = await stand_in.ask("How much may a hotel cost?")
        await noted(desk)
        await looked(platform)
        assert len(platform.questions) == 1
        ingested(platform, NOW, AFTER)
        await stand_in.until(lambda: corrections(stand_in))
        [correction] = corrections(stand_in)
        assert "The source of this answer changed:** “Travel policy”" in correction["content"]
        assert "200 EUR" in correction["content"]
        assert correction["message_reference"]["message_id"] == asked.messages[-1]["id"]
        await noted(desk, "t1-2")
        platform.ingest_mark += "+"
        await looked(platform)
    assert [question.text for question in platform.questions] == ["How much may a hotel cost?"] * 2
    assert platform.questions[1].shared
    assert platform.questions[1].thread != platform.questions[0].thread
    assert {question.principal for question in platform.questions} == {platform.questions[0].principal}
    assert len(corrections(stand_in)) == 1


async def test_a_correction_is_found_after_a_restart_and_not_repeated_by_one(stand_in: StandIn, tmp_path: Path) -> None:
    platform = a_platform()
    desk = a_desk(platform, tmp_path, SETTINGS)
    async with on_discord(stand_in, desk):
        await stand_in.ask("How much may a hotel cost?")
        await noted(desk)
    ingested(platform, NOW, AFTER)
    for _ in range(2):
        desk = a_desk(platform, tmp_path, SETTINGS)
        async with on_discord(stand_in, desk):
            await noted(desk, "t1-2")
            await looked(platform)
    assert len(corrections(stand_in)) == 1


async def test_a_document_that_may_not_be_read_any_more_is_not_named(stand_in: StandIn, tmp_path: Path) -> None:
    platform = a_platform()
    desk = a_desk(platform, tmp_path, SETTINGS)
    async with on_discord(stand_in, desk):
        await stand_in.slash("ask", {"question": "Hotel?"}, locale="ja")
        await noted(desk)
        refusal = answer("It is not in the documents.", citations=(), style="refusal")
        ingested(platform, refusal, replace(BEFORE, groups=frozenset({"board"})))
        await stand_in.until(lambda: corrections(stand_in))
    [correction] = corrections(stand_in)
    assert "利用できない" in correction["content"]
    assert "Travel" not in correction["content"]


async def test_a_document_that_only_moved_is_not_told_of(stand_in: StandIn, tmp_path: Path) -> None:
    platform = a_platform()
    desk = a_desk(platform, tmp_path, SETTINGS)
    async with on_discord(stand_in, desk):
        await stand_in.ask("Hotel?")
        await noted(desk)
        moved = answer(citations=(replace(HOTELS, document_id="d2", address="new/travel.md"),))
        ingested(platform, moved, replace(BEFORE, text="gone"), BEFORE)
        await until(lambda: (post := desk.ledger.post("t1-1")) and post.cited[0].address == "new/travel.md")
        platform.ingest_mark += "+"
        await looked(platform)
    assert len(platform.questions) == 2
    assert corrections(stand_in) == []


async def test_a_busy_model_delays_a_correction_and_loses_none(stand_in: StandIn, tmp_path: Path) -> None:
    platform = a_platform()
    desk = a_desk(platform, tmp_path, SETTINGS)
    async with on_discord(stand_in, desk):
        await stand_in.ask("Hotel?")
        await noted(desk)
        ingested(platform, Overloaded("Too many questions."), AFTER)
        await until(lambda: len(platform.questions) >= 2)
        platform.answers = NOW
        await stand_in.until(lambda: corrections(stand_in))
        await looked(platform)
    assert len(corrections(stand_in)) == 1


async def test_a_deleted_answer_or_channel_is_not_corrected(stand_in: StandIn, tmp_path: Path) -> None:
    platform = a_platform()
    desk = a_desk(platform, tmp_path, SETTINGS)
    elsewhere = 300_000_000_000_000_077
    async with on_discord(stand_in, desk):
        await stand_in.add_channel(elsewhere)
        asked = await stand_in.ask("Hotel?")
        await noted(desk, "t1-1")
        await stand_in.ask("Hotel?", channel_id=elsewhere)
        await noted(desk, "t1-2")
        await stand_in.delete_message(int(asked.messages[-1]["id"]))
        await stand_in.delete_channel(elsewhere)
        ingested(platform, NOW, AFTER)
        await until(lambda: desk.ledger.post("t1-1") is desk.ledger.post("t1-2") is None)
    assert len(platform.questions) == 2


async def test_a_private_answer_is_corrected_in_a_direct_message(stand_in: StandIn, tmp_path: Path) -> None:
    secret = replace(BEFORE, groups=frozenset({"hr"}))
    platform = FakePlatform(documents={"d1": secret})
    members = (MemberSettings(user=ASKER_ID, groups=("hr",)),)
    desk = a_desk(platform, tmp_path, DiscordSettings(guilds=(GUILD_ID,), members=members))
    async with on_discord(stand_in, desk):
        await stand_in.ask("Hotel?", private=True)
        await noted(desk)
        await looked(platform)
        assert len(platform.questions) == 1
        ingested(platform, NOW, replace(secret, text="A night costs at most 200 EUR."))
        await stand_in.until(lambda: stand_in.answers(DIRECT_CHANNEL_ID))
    [correction] = stand_in.answers(DIRECT_CHANNEL_ID)
    assert correction["content"].startswith("Asked: Hotel?\n🔁")
    assert "200 EUR" in correction["content"]
    assert corrections(stand_in) == []
    assert platform.questions[1].principal.groups == {"all", "hr"}


async def test_an_answer_in_a_direct_channel_is_corrected_there(stand_in: StandIn, tmp_path: Path) -> None:
    platform = a_platform()
    desk = a_desk(platform, tmp_path, SETTINGS)
    async with on_discord(stand_in, desk):
        await stand_in.say("Hotel?", channel_id=DIRECT_CHANNEL_ID)
        await noted(desk)
        first = stand_in.answers(DIRECT_CHANNEL_ID)[-1]["id"]
        ingested(platform, NOW, AFTER)
        await stand_in.until(lambda: corrections(stand_in, DIRECT_CHANNEL_ID))
    [correction] = corrections(stand_in, DIRECT_CHANNEL_ID)
    assert correction["message_reference"]["message_id"] == first


async def test_nothing_is_looked_at_when_recall_is_off(stand_in: StandIn, tmp_path: Path) -> None:
    platform = a_platform()
    desk = a_desk(platform, tmp_path, DiscordSettings(guilds=(GUILD_ID,), recall_days=0))
    async with on_discord(stand_in, desk):
        await stand_in.ask("Hotel?")
        await noted(desk)
    assert platform.looked == 0


async def test_a_thread_that_was_folded_away_gets_its_correction(stand_in: StandIn, tmp_path: Path) -> None:
    platform = a_platform()
    desk = a_desk(platform, tmp_path, SETTINGS)
    async with on_discord(stand_in, desk):
        await stand_in.mention("How much may a hotel cost?")
        await noted(desk)
    [thread] = stand_in.threads()
    thread.archived = True
    ingested(platform, NOW, AFTER)
    desk = a_desk(platform, tmp_path, SETTINGS)
    async with on_discord(stand_in, desk):
        await stand_in.until(lambda: corrections(stand_in, thread.id))
        await noted(desk, "t1-2")
        platform.ingest_mark += "+"
        await looked(platform)
    assert len(corrections(stand_in, thread.id)) == 1
    asked_for = [call for call in stand_in.state.calls if (call.method, call.path) == ("GET", f"/channels/{thread.id}")]
    assert len(asked_for) == 1


async def test_where_kura_may_not_write_nothing_is_tried_again(stand_in: StandIn, tmp_path: Path) -> None:
    platform = a_platform()
    desk = a_desk(platform, tmp_path, SETTINGS)
    async with on_discord(stand_in, desk):
        await stand_in.ask("Hotel?")
        await noted(desk)
        stand_in.fail("POST", rf"/channels/{CHANNEL_ID}/messages$", 403, times=9, code=50013)
        ingested(platform, NOW, AFTER)
        await until(lambda: (post := desk.ledger.post("t1-1")) and post.recalled)
        await looked(platform)
    assert len(platform.questions) == 2


async def test_an_answer_from_one_source_is_made_from_that_source_again(stand_in: StandIn, tmp_path: Path) -> None:
    platform = a_platform()
    desk = a_desk(platform, tmp_path, SETTINGS)
    async with on_discord(stand_in, desk):
        await stand_in.ask("Hotel? lang:en", source="People team")
        await noted(desk)
        ingested(platform, NOW, AFTER)
        await stand_in.until(lambda: corrections(stand_in))
    assert platform.questions[1].text == 'Hotel? source:"People team" lang:en'
