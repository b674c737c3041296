from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.discord_bot.ledger import Post
from bot.errors import Overloaded
from bot.settings_discord import DiscordSettings, MemberSettings
from retrieval.access import Audience
from retrieval.documents import Hit
from tests.bot.discord_bot.fake_platform import FakePlatform, a_desk, a_source, on_discord
from tests.bot.discord_bot.standin.payloads import Json
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.state import Asked
from tests.bot.discord_bot.standin.world import ASKER_ID, CHANNEL_ID, DIRECT_CHANNEL_ID, GUILD_ID, OTHER_ASKER_ID

pytestmark = pytest.mark.anyio


def a_hit(text: str = "A night costs at most 180 EUR.", *, title: str = "Travel policy") -> Hit:
    return Hit(
        document_id="d1",
        chunk_id="c1",
        title=title,
        heading=("Hotels",),
        address="handbook/travel.md",
        language="en",
        line=12,
        page=None,
        start=0,
        end=len(text),
        text=text,
        score=1.0,
        words=1.0,
        similarity=None,
    )


async def used(stand_in: StandIn, name: str, options: Json | None = None, **who: object) -> Asked:
    """A command that answers its person alone."""
    asked = await stand_in.slash(name, options, **who)  # type: ignore[arg-type]
    await stand_in.until(lambda: asked.contents)
    assert asked.ephemeral
    return asked


async def test_a_search_shows_passages_to_whoever_searches_with_all_they_may_read(
    stand_in: StandIn, tmp_path: Path
) -> None:
    platform = FakePlatform(hits=[a_hit(), a_hit("Lunch @everyone\n\nis paid. " + "x" * 500, title="*Meals*")])
    settings = DiscordSettings(
        guilds=(GUILD_ID,), members=(MemberSettings(user=ASKER_ID, groups=("hr",)),), recall_days=0
    )
    async with on_discord(stand_in, a_desk(platform, tmp_path, settings)):
        [shown] = (await used(stand_in, "search", {"query": "hotel"})).contents
    assert shown.startswith(
        "**2 passages** for hotel\n\n**1.** Travel policy › Hotels · `travel.md:12`\n> A night costs"
    )
    assert "\\*Meals\\*" in shown
    assert "@everyone" not in shown
    assert shown.endswith("x…")
    [(text, principal)], [filters] = platform.searches, platform.filters
    assert (text, principal.audience, principal.groups) == ("hotel", Audience.DISCORD, {"all", "hr"})
    assert not filters


async def test_one_source_is_searched_if_there_is_one_of_that_name(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform(views=[a_source("handbook"), a_source("wiki")])
    async with on_discord(stand_in, a_desk(platform, tmp_path)):
        offered = await stand_in.autocomplete("search", "source", "HAND", {"query": "hotel"})
        await stand_in.until(lambda: offered.choices is not None)
        assert offered.choices == [{"name": "handbook", "value": "handbook"}]
        found = await used(stand_in, "search", {"query": "hotel", "source": "wiki"}, locale="ja")
        assert found.contents == ["閲覧できる文書の中には見つかりませんでした。"]
        assert "no source “secret”" in (await used(stand_in, "search", {"query": "a", "source": "secret"})).contents[0]
    assert [filters.sources for filters in platform.filters] == [{"wiki"}]


async def test_searching_counts_against_the_limit(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform(hits=[a_hit()])
    async with on_discord(stand_in, a_desk(platform, tmp_path, per_minute=1)):
        await used(stand_in, "search", {"query": "hotel"})
        assert "please ask again in" in (await used(stand_in, "search", {"query": "hotel"})).contents[0]
    assert len(platform.searches) == 1


async def test_nothing_is_read_where_kura_is_not_set_up_or_by_no_member(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform(hits=[a_hit()], views=[a_source()])
    settings = DiscordSettings(guilds=(GUILD_ID,), channels=(CHANNEL_ID + 500,), recall_days=0)
    async with on_discord(stand_in, a_desk(platform, tmp_path, settings)):
        for name, options in (("search", {"query": "hotel"}), ("sources", None)):
            assert "does not answer in this channel" in (await used(stand_in, name, options)).contents[0]
        await stand_in.remove_member(ASKER_ID)
        told = await used(stand_in, "sources", channel_id=DIRECT_CHANNEL_ID)
        assert told.contents == ["Kura answers only members of its Discord server."]
    assert platform.searches == []


async def test_sources_are_listed(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform(views=[a_source("handbook"), a_source("a_wiki_b")])
    async with on_discord(stand_in, a_desk(platform, tmp_path)):
        [shown] = (await used(stand_in, "sources")).contents
        platform.source_views = []
        assert "no documents" in (await used(stand_in, "sources")).contents[0]
    stamp = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
    assert shown.splitlines()[0] == f"**handbook** · 12 documents · read <t:{stamp}:R>"
    assert "a\\_wiki\\_b" in shown


async def test_help_is_in_the_language_of_the_person(stand_in: StandIn, tmp_path: Path) -> None:
    async with on_discord(stand_in, a_desk(FakePlatform(), tmp_path)):
        assert "go on without mentioning me" in (await used(stand_in, "help")).contents[0]
        assert "社内文書" in (await used(stand_in, "help", locale="ja")).contents[0]


async def test_forgetting_asks_first_and_deletes_what_is_ones_own(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform()
    desk = a_desk(platform, tmp_path)
    for person, answer in ((ASKER_ID, "t1"), (OTHER_ASKER_ID, "t2")):
        desk.ledger.posted(Post(answer, person, GUILD_ID, CHANNEL_ID, person, "?", "en", False, datetime.now(UTC)))
    desk.ledger.say("t2", ASKER_ID, "up")
    desk.ledger.say("t2", OTHER_ASKER_ID, "down")
    async with on_discord(stand_in, desk):
        asked = await used(stand_in, "forget")
        kept = await stand_in.click(asked.messages[0], "kura:keep:")
        await stand_in.until(lambda: asked.messages[0]["content"] == "Nothing was deleted.")
        assert asked.messages[0]["components"] == []
        assert kept.acknowledged_after_s is not None
        assert platform.forgotten == []
        asked = await used(stand_in, "forget")
        await stand_in.click(asked.messages[0], "kura:forget:")
        await stand_in.until(lambda: asked.messages[0]["content"] == "2 answers deleted.")
        assert platform.forgotten == [f"discord:{ASKER_ID}"]
        assert desk.ledger.post("t1") is None
        assert desk.ledger.post("t2") is not None
        assert desk.ledger.said("t2", ASKER_ID) is None
        assert desk.ledger.said("t2", OTHER_ASKER_ID) == "down"


async def test_whoever_has_left_is_forgotten_too_and_a_fault_is_told(stand_in: StandIn, tmp_path: Path) -> None:
    platform = FakePlatform(fault=Overloaded("Too many questions at once."))
    async with on_discord(stand_in, a_desk(platform, tmp_path)):
        await stand_in.remove_member(ASKER_ID)
        asked = await used(stand_in, "forget", channel_id=DIRECT_CHANNEL_ID)
        pressed = await stand_in.click(asked.messages[0], "kura:forget:")
        await stand_in.until(lambda: pressed.contents)
        assert pressed.contents == ["Too many questions at once."]
        platform.fault = None
        await stand_in.click(asked.messages[0], "kura:forget:")
        await stand_in.until(lambda: asked.messages[0]["content"] == "2 answers deleted.")


async def test_what_commands_do_is_told_in_japanese_too(stand_in: StandIn, tmp_path: Path) -> None:
    async with on_discord(stand_in, a_desk(FakePlatform(), tmp_path)):
        told = [one for command in stand_in.state.commands for one in (command, *command.get("options", []))]
    assert len(told) > 12
    for one in told:
        spoken = one.get("description_localizations") or one.get("name_localizations")
        assert spoken, one["name"]
        assert any("\u3040" <= letter <= "\u30ff" for letter in spoken["ja"])
