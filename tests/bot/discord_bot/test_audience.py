from __future__ import annotations

import pytest

from tests.bot.discord_bot.fakes import ScriptedPlatform, answer
from tests.bot.discord_bot.running import kura_on
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.world import (
    ADMINISTRATOR,
    ASKER_ID,
    BOT_ID,
    BOT_ROLE_ID,
    CHANNEL_ID,
    EVERYDAY,
    GUILD_ID,
    OTHER_ASKER_ID,
    OWNER_ID,
    VIEW_CHANNEL,
    Overwrite,
    Role,
)

pytestmark = pytest.mark.anyio

HR_ROLE, ADMIN_ROLE, MACHINE_ROLE = 500_000_000_000_000_001, 500_000_000_000_000_002, 500_000_000_000_000_003
CLOSED = Overwrite(GUILD_ID, deny=VIEW_CHANNEL)
OPEN_TO_HR = Overwrite(HR_ROLE, allow=VIEW_CHANNEL)
KURA = Overwrite(BOT_ROLE_ID, allow=EVERYDAY)
HR = {"role": HR_ROLE, "groups": ("hr",)}
OWNER = {"user": OWNER_ID, "groups": ("hr", "board")}


async def public_groups(
    stand_in: StandIn, overwrites: list[Overwrite], *members: object, roles: tuple[Role, ...] = (), thread: bool = False
) -> frozenset[str]:
    """The groups a public answer to somebody of HR is made with, in a channel with these overwrites; without "all"."""
    guild = stand_in.state.world.guilds[GUILD_ID]
    guild.roles |= {role.id: role for role in (Role(HR_ROLE, "HR"), *roles)}
    guild.members[ASKER_ID].roles.append(HR_ROLE)
    stand_in.state.world.channels[CHANNEL_ID].overwrites = overwrites
    platform = ScriptedPlatform(answer())
    async with kura_on(stand_in, platform, members=members):
        if thread:
            await stand_in.mention("first")
            await platform.has_been_asked(1)
            await stand_in.mention("second", channel_id=stand_in.threads()[0].id)
            await platform.has_been_asked(2)
        else:
            await stand_in.ask("a")
            await platform.has_been_asked(1)
    return platform.questions[-1].principal.groups - {"all"}


async def test_in_a_channel_open_to_everybody_only_what_everybody_may_read_is_used(stand_in: StandIn) -> None:
    assert await public_groups(stand_in, [], HR, OWNER) == frozenset()


async def test_what_everyone_is_mapped_to_is_everybodys(stand_in: StandIn) -> None:
    assert await public_groups(stand_in, [], HR, {"role": GUILD_ID, "groups": ("staff",)}) == {"staff"}


async def test_in_a_channel_of_one_role_what_that_role_may_read_is_used(stand_in: StandIn) -> None:
    assert await public_groups(stand_in, [CLOSED, OPEN_TO_HR, KURA], HR, OWNER) == {"hr"}


async def test_a_thread_is_read_by_whoever_reads_its_channel(stand_in: StandIn) -> None:
    assert await public_groups(stand_in, [CLOSED, OPEN_TO_HR, KURA], HR, OWNER, thread=True) == {"hr"}


async def test_an_owner_of_whom_nothing_is_known_takes_everything_away(stand_in: StandIn) -> None:
    assert await public_groups(stand_in, [CLOSED, OPEN_TO_HR, KURA], HR) == frozenset()


async def test_administrators_read_every_channel(stand_in: StandIn) -> None:
    admins = Role(ADMIN_ROLE, "Admins", permissions=ADMINISTRATOR)
    assert await public_groups(stand_in, [CLOSED, OPEN_TO_HR, KURA], HR, OWNER, roles=(admins,)) == frozenset()


async def test_administrators_who_are_mapped_take_nothing_away(stand_in: StandIn) -> None:
    admins = Role(ADMIN_ROLE, "Admins", permissions=ADMINISTRATOR)
    mapped = {"role": ADMIN_ROLE, "groups": ("hr",)}
    assert await public_groups(stand_in, [CLOSED, OPEN_TO_HR, KURA], HR, OWNER, mapped, roles=(admins,)) == {"hr"}


async def test_a_bots_own_role_is_nobody(stand_in: StandIn) -> None:
    machine = Role(MACHINE_ROLE, "Music", permissions=ADMINISTRATOR, bot=BOT_ID)
    assert await public_groups(stand_in, [CLOSED, OPEN_TO_HR, KURA], HR, OWNER, roles=(machine,)) == {"hr"}


async def test_a_person_who_was_let_in_takes_away_what_they_may_not_read(stand_in: StandIn) -> None:
    guest = Overwrite(OTHER_ASKER_ID, allow=VIEW_CHANNEL, member=True)
    assert await public_groups(stand_in, [CLOSED, OPEN_TO_HR, KURA, guest], HR, OWNER) == frozenset()
