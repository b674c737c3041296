"""Which groups somebody on Discord is in, and which everybody who can read a channel is in. Asks Discord for nothing.

A public answer may use only what every reader of its channel may read. Who that is, is taken from the guild's roles and the
channel's overwrites, without a list of members: where it cannot be told, it is less, never more.
"""

from __future__ import annotations

from collections.abc import Iterator

import discord

from bot.settings_discord import DiscordSettings


def groups_of(member: discord.Member | discord.Object, settings: DiscordSettings) -> frozenset[str]:
    """The groups of a person: those of their roles in one guild, and their own."""
    roles = [role.id for role in member.roles] if isinstance(member, discord.Member) else []
    return settings.groups_of_roles(roles) | settings.groups_of_user(member.id)


def common_groups(channel: object, settings: DiscordSettings) -> frozenset[str]:
    """The groups that everybody who can read `channel` is in; a thread's readers are among its channel's.

    Empty (`all` alone) where that cannot be told.
    """
    if isinstance(channel, discord.Thread):
        channel = channel.parent
    if not isinstance(channel, discord.abc.GuildChannel):
        return frozenset()
    readers = [*_readers(channel, settings)]
    return frozenset.intersection(*readers) if readers else frozenset()


def _readers(channel: discord.abc.GuildChannel, settings: DiscordSettings) -> Iterator[frozenset[str]]:
    """The least that each kind of reader is in. Nobody loses by reading a channel through two roles at once."""
    guild = channel.guild
    everyone = settings.groups_of_roles([guild.default_role.id])
    if channel.permissions_for(guild.default_role).view_channel:
        yield everyone
        return
    for role in guild.roles:
        # Discord gives a bot's own role to nobody else
        if role.is_default() or role.is_bot_managed():
            continue
        if channel.permissions_for(role).view_channel:
            yield everyone | settings.groups_of_roles([role.id])
    for who, overwrite in channel.overwrites.items():
        if not isinstance(who, discord.Role) and overwrite.view_channel and not getattr(who, "bot", False):
            yield everyone | settings.groups_of_user(who.id)
    if guild.owner_id is not None:
        owner = guild.owner
        known = settings.groups_of_roles([role.id for role in owner.roles]) if owner else frozenset[str]()
        yield everyone | known | settings.groups_of_user(guild.owner_id)
