"""Commands that read: `/search`, `/sources`, `/help`; and `/forget`, which deletes what is kept of somebody.

What they show is for whoever uses them alone. Knows no answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import discord
from discord import app_commands
from discord.ext import commands

from bot.discord_bot.buttons import forget_view
from bot.discord_bot.cogs.asking import source_choices, source_names
from bot.discord_bot.desk import Desk
from bot.discord_bot.pressing import explained, tell
from bot.discord_bot.quotes import block
from bot.discord_bot.rendering import cited_place
from bot.discord_bot.replies import NOBODY
from bot.discord_bot.splitting import split
from bot.discord_bot.words import Words, words
from bot.identity import discord_principal
from retrieval.access import Principal
from retrieval.documents import Hit
from retrieval.filters import Filters

if TYPE_CHECKING:
    from bot.discord_bot.client import KuraDiscord

Interaction = discord.Interaction[Any]

LONGEST_QUERY = 500
SHOWN = 5
"""Passages of a search: a message or two."""


class Reading(commands.Cog):
    """What somebody may read, and what is kept of them."""

    def __init__(self, client: KuraDiscord, desk: Desk) -> None:
        self._client = client
        self._desk = desk

    async def cog_load(self) -> None:
        self._client.add_dynamic_items(ForgetButton)

    async def cog_unload(self) -> None:
        self._client.remove_dynamic_items(ForgetButton)

    @app_commands.command(name="search", description="Find passages in the documents, without an answer")
    @app_commands.describe(query="What to look for", source="Search only this source")
    async def search(
        self, interaction: Interaction, query: app_commands.Range[str, 1, LONGEST_QUERY], source: str = ""
    ) -> None:
        said = words(str(interaction.locale))
        async with explained(interaction):
            await interaction.response.defer(ephemeral=True, thinking=True)
            principal = await self._reader(interaction, said)
            if principal is None:
                return
            reached = self._desk.limits.wait(interaction.user.id, interaction.channel_id or 0)
            if reached is not None:
                wait = said.wait if reached[0] == "person" else said.channel_wait
                await tell(interaction, [wait(reached[1])])
                return
            if source and source not in await source_names(self._client, self._desk, interaction):
                await tell(interaction, [said.not_a_source(source)])
                return
            filters = Filters(sources=frozenset({source})) if source else Filters()
            hits = await self._desk.platform.search(query, principal=principal, k=SHOWN, filters=filters)
            found = [said.found(query, len(hits)), *(_hit(n, hit, said) for n, hit in enumerate(hits, 1))]
            await tell(interaction, split("\n\n".join(found)) if hits else [said.nothing_found])

    @search.autocomplete("source")
    async def _sources(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await source_choices(self._client, self._desk, interaction, typed)

    @app_commands.command(name="sources", description="What Kura reads, as far as you may")
    async def sources(self, interaction: Interaction) -> None:
        said = words(str(interaction.locale))
        async with explained(interaction):
            await interaction.response.defer(ephemeral=True, thinking=True)
            principal = await self._reader(interaction, said)
            if principal is None:
                return
            views = await self._desk.platform.sources(principal=principal)
            await tell(interaction, split("\n".join(map(said.source, views))) if views else [said.no_documents])

    @app_commands.command(name="help", description="What Kura can do here")
    async def help(self, interaction: Interaction) -> None:
        said = words(str(interaction.locale))
        async with explained(interaction):
            await tell(interaction, split(said.help(conversations=self._client.read_threads)))

    async def _reader(self, interaction: Interaction, said: Words) -> Principal | None:
        """Who reads, in all their groups. None: they may not, here or at all, and were told so."""
        if why := self._desk.refusal(interaction.guild_id, interaction.channel, said):
            await tell(interaction, [why])
            return None
        who = await self._desk.principal(self._client, interaction.user, interaction.channel, alone=True)
        if who is None:
            await tell(interaction, [said.not_a_member])
            return None
        return who[0]

    # --- forgetting ---

    @app_commands.command(
        name="forget", description="Delete your questions, the answers to them, and what you said of answers"
    )
    async def forget(self, interaction: Interaction) -> None:
        said = words(str(interaction.locale))
        async with explained(
            interaction
        ):  # whoever has left, or is where nobody is answered, is forgotten all the same
            await tell(interaction, [said.forget_ask], view=forget_view(interaction.user.id, said))

    async def forgotten(self, interaction: Interaction) -> None:
        """Whoever asked for it says yes."""
        said, person = words(str(interaction.locale)), interaction.user.id
        await interaction.response.defer()
        answers = await self._desk.platform.forget(principal=discord_principal(person))
        await self._desk.bridge.run(lambda: self._desk.ledger.forget(person))
        await interaction.edit_original_response(content=said.forgot(answers), view=None, allowed_mentions=NOBODY)


class ForgetButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"kura:(?P<action>forget|keep):(?P<person>\d{1,20})"
):
    """Yes or no, below the question whether to forget somebody."""

    def __init__(self, button: discord.ui.Button[Any], action: str, person: int) -> None:
        super().__init__(button)
        self._action = action
        self._person = person

    @classmethod
    async def from_custom_id(cls, _: Interaction, item: Any, match: re.Match[str], /) -> ForgetButton:
        return cls(item, match["action"], int(match["person"]))

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        return interaction.user.id == self._person and bool(interaction.client.seen.first(interaction.id))

    async def callback(self, interaction: Interaction) -> None:
        async with explained(interaction):
            if self._action == "forget":
                await cast(Reading, interaction.client.get_cog("Reading")).forgotten(interaction)
            else:
                said = words(str(interaction.locale))
                await interaction.response.edit_message(
                    content=said.nothing_forgotten, view=None, allowed_mentions=NOBODY
                )


def _hit(n: int, hit: Hit, said: Words) -> str:
    place = cited_place(hit.title, hit.heading, hit.address, line=hit.line, page=hit.page, words=said)
    return f"**{n}.** {place}\n{block(hit.text, longest=300)}"
