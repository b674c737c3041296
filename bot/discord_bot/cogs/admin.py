"""Commands for Kura's administrators: `/kura status`, `/kura reingest`, `/kura sources`, and `/stats`.

Who they are, the settings say (`discord.admin_roles`); others are told so. Knows no index and no job.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.discord_bot.cogs.asking import source_choices
from bot.discord_bot.desk import Desk
from bot.discord_bot.escaping import without_code
from bot.discord_bot.pressing import explained, tell
from bot.discord_bot.progress import GAP_S, Progress
from bot.discord_bot.rendering import Rendered
from bot.discord_bot.replies import InteractionReply
from bot.discord_bot.splitting import split
from bot.discord_bot.words import Words, words
from bot.identity import discord_principal

if TYPE_CHECKING:
    from bot.discord_bot.client import KuraDiscord

Interaction = discord.Interaction[Any]

MOST_DAYS = 365
_MANAGERS = discord.Permissions(manage_guild=True)
"""Who sees the commands unless a server says otherwise in its settings; who may use them, Kura's settings say."""


class Administration(commands.Cog):
    """How Kura stands, and bringing its sources up to date."""

    kura = app_commands.Group(
        name="kura",
        description="For Kura's administrators",
        default_permissions=_MANAGERS,
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False),
    )

    def __init__(self, client: KuraDiscord, desk: Desk) -> None:
        self._client = client
        self._desk = desk

    @kura.command(name="status", description="How Kura stands")
    async def status(self, interaction: Interaction) -> None:
        said = words(str(interaction.locale))
        async with explained(interaction):
            if await self._may(interaction, said):
                lines = [f"• {without_code(line)}" for line in await self._desk.platform.status()]
                await tell(interaction, split("\n".join([said.status_title, *lines])))

    @kura.command(name="sources", description="The sources and when each was read last")
    async def sources(self, interaction: Interaction) -> None:
        said = words(str(interaction.locale))
        async with explained(interaction):
            if await self._may(interaction, said):
                who = await self._desk.principal(self._client, interaction.user, interaction.channel, alone=True)
                views = [] if who is None else await self._desk.platform.sources(principal=who[0])
                await tell(interaction, split("\n".join(map(said.source, views))) if views else [said.no_documents])

    @kura.command(name="reingest", description="Bring a source up to date, or all of them")
    @app_commands.describe(source="Only this source")
    async def reingest(self, interaction: Interaction, source: str = "") -> None:
        said = words(str(interaction.locale))
        async with explained(interaction):
            if await self._may(interaction, said):
                await self._ingest(interaction, source, said)

    @reingest.autocomplete("source")
    async def _sources(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        if not self._desk.is_admin(interaction.user):
            return []
        return await source_choices(self._client, self._desk, interaction, typed)

    @app_commands.command(name="stats", description="What was asked on Discord, and what was said of the answers")
    @app_commands.describe(days="Of how many days")
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    async def stats(self, interaction: Interaction, days: app_commands.Range[int, 1, MOST_DAYS] = 30) -> None:
        said = words(str(interaction.locale))
        async with explained(interaction):
            if await self._may(interaction, said):
                figures = await self._desk.platform.statistics(days)
                await tell(interaction, [said.statistics(figures) if figures.questions else said.no_questions])

    async def _may(self, interaction: Interaction, said: Words) -> bool:
        """Defer the answer, for the person alone, and say whether they may; if not they are told so."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        if self._desk.is_admin(interaction.user):
            return True
        await tell(interaction, [said.admins_only])
        return False

    async def _ingest(self, interaction: Interaction, source: str, said: Words) -> None:
        job = await self._desk.platform.reingest(source, by=discord_principal(interaction.user.id))
        reply = InteractionReply(interaction, private=True, words=said)
        progress = Progress(reply.show, first_s=0.0)
        try:
            while not job.over:
                progress.tell(said.ingest(job))
                await asyncio.sleep(GAP_S)
                job = await self._desk.platform.job(job.id)
        finally:
            await progress.close()
        await reply.finish(Rendered(split(said.ingest(job)), []), None)
