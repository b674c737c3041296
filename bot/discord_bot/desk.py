"""What every cog works with, and who somebody on Discord is. Knows no command and no answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import discord

from bot.bridge import Bridge
from bot.discord_bot.audience import common_groups, groups_of
from bot.discord_bot.ledger import Ledger, Post
from bot.discord_bot.limits import Limits
from bot.discord_bot.patience import patiently
from bot.discord_bot.ports import Platform
from bot.discord_bot.words import Words
from bot.identity import discord_principal
from bot.settings_discord import DiscordSettings
from retrieval.access import Principal

NOTED_TIMES, NOTED_WAIT_S = 5, 0.2
"""How often it is looked for an answer that is not noted, with waits between: a second, of the three that a press may take."""
MEMBERS_KEPT_S = 60.0
"""How long it is believed who is a member, and with which roles, of somebody who writes directly."""


@dataclass(frozen=True)
class Desk:
    """`bridge` carries the ledger's work off the event loop. One for each run of the bot, whatever its connections."""

    platform: Platform
    settings: DiscordSettings
    ledger: Ledger
    bridge: Bridge
    limits: Limits
    clock: Callable[[], float] = time.monotonic
    """Seconds that only go forward."""
    _members: dict[int, tuple[float, frozenset[str] | None]] = field(default_factory=dict)

    def refusal(self, guild: int | None, channel: object, words: Words) -> str:
        """Why Kura answers nobody here; empty if it does. Direct messages are judged by their person (`groups`)."""
        if guild is None:
            return ""
        if guild not in self.settings.guilds:
            return words.guild_not_set_up(guild)
        ids = {getattr(channel, "id", None), getattr(channel, "parent_id", None)}
        if self.settings.channels and ids.isdisjoint(self.settings.channels):
            return words.channel_not_allowed(self.settings.channels)
        return ""

    def is_admin(self, person: discord.abc.User) -> bool:
        """Whether somebody has a role of Kura's administrators in the guild they are in now."""
        if not isinstance(person, discord.Member) or person.guild.id not in self.settings.guilds:
            return False
        return any(role.id in self.settings.admin_roles for role in person.roles)

    async def groups(self, client: discord.Client, person: discord.abc.Snowflake) -> frozenset[str] | None:
        """The groups of a person; None if they are in none of the allowed guilds."""
        if isinstance(person, discord.Member):
            return groups_of(person, self.settings) if person.guild.id in self.settings.guilds else None
        known = self._members.get(person.id)
        if known and known[0] > self.clock():
            return known[1]
        found = await self._groups_anywhere(client, person.id)
        if len(self._members) > 10_000:
            self._members.clear()
        self._members[person.id] = (self.clock() + MEMBERS_KEPT_S, found)
        return found

    async def principal(
        self, client: discord.Client, person: discord.abc.Snowflake, channel: object, *, alone: bool
    ) -> tuple[Principal, bool] | None:
        """Who asks, and whether they alone may read more; `alone`: nobody else sees the answer. None: no member."""
        own = await self.groups(client, person)
        if own is None:
            return None
        if alone:
            return discord_principal(person.id, own), False
        common = common_groups(channel, self.settings) & own
        return discord_principal(person.id, common), own > common

    async def post(self, answer: str) -> Post | None:
        """Where an answer stands. Its buttons may be pressed a moment before that is noted."""
        for _ in range(NOTED_TIMES):
            found = await self.bridge.run(lambda: self.ledger.post(answer))
            if found is not None:
                return found
            await asyncio.sleep(NOTED_WAIT_S)
        return None

    async def _groups_anywhere(self, client: discord.Client, person: int) -> frozenset[str] | None:
        found: frozenset[str] | None = None
        for guild in map(client.get_guild, self.settings.guilds):
            if guild is None:
                continue
            try:
                member = await patiently(lambda at=guild: at.fetch_member(person))  # type: ignore[misc]
            except discord.NotFound:
                continue
            found = (found or frozenset()) | groups_of(member, self.settings)
        return found
