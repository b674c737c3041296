"""Asking: `/ask`, mentions, direct messages, threads, a message's menu, and the buttons of an answer that is being made.

Translates what Discord brings into questions (`bot/discord_bot/answering.py`). Knows no answer.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, Literal, cast

import aiohttp
import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot.discord_bot.answering import Answerer, Asked
from bot.discord_bot.buttons import custom_id, pattern
from bot.discord_bot.desk import Desk
from bot.discord_bot.patience import patiently
from bot.discord_bot.pressing import explained
from bot.discord_bot.replies import NOBODY, InteractionReply, MessageReply
from bot.discord_bot.words import Words, words
from bot.errors import explain
from retrieval.filters import Filters
from retrieval.language import language

if TYPE_CHECKING:
    from bot.discord_bot.client import KuraDiscord

Interaction = discord.Interaction[Any]
_log = structlog.get_logger(__name__)

LONGEST_QUESTION = 2_000
"""Characters of `/ask`: as many as a message has."""
MOST_CHOICES, LONGEST_CHOICE = 25, 100
LONGEST_NAME = 100
"""Characters of a thread's name."""
ARCHIVED_MIN: Literal[1440] = 1440
"""Minutes without a word after which Discord folds a thread away."""
HAS_THREAD = 160004
"""Discord's code for a message that has a thread: it heard the first time, and only its answer was lost."""
SENTENCE_S = 20.0
"""How long a sentence to somebody who may not ask now stands in a channel."""


class Asking(commands.Cog):
    """Everything that brings a question."""

    def __init__(self, client: KuraDiscord, desk: Desk, answerer: Answerer) -> None:
        self._client = client
        self._desk = desk
        self._answerer = answerer
        self._menu = app_commands.ContextMenu(name="Ask Kura about this", callback=self._about_message)

    async def cog_load(self) -> None:
        self._client.tree.add_command(self._menu)
        self._client.add_dynamic_items(StopButton, FullerButton)

    async def cog_unload(self) -> None:
        self._client.remove_dynamic_items(StopButton, FullerButton)
        self._client.tree.remove_command(self._menu.name, type=self._menu.type)

    # --- commands ---

    @app_commands.command(name="ask", description="Ask about the company's documents; the answer names its sources")
    @app_commands.describe(
        question="What you would like to know",
        private="Only you see the answer",
        source="Search only this source",
    )
    async def ask(
        self,
        interaction: Interaction,
        question: app_commands.Range[str, 1, LONGEST_QUESTION],
        private: bool = False,
        source: str = "",
    ) -> None:
        filters = Filters(sources=frozenset({source})) if source else Filters()
        await self.answer_interaction(interaction, question, private=private, filters=filters)

    @ask.autocomplete("source")
    async def _sources(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await source_choices(self._client, self._desk, interaction, typed)

    async def _about_message(self, interaction: Interaction, message: discord.Message) -> None:
        said = words(str(interaction.locale))
        text = without_mention(message.content, self._client)
        if not text:
            await interaction.response.send_message(said.empty_question, ephemeral=True, allowed_mentions=NOBODY)
            return
        await self.answer_interaction(interaction, text)

    async def answer_interaction(
        self, interaction: Interaction, text: str, *, private: bool = False, filters: Filters | None = None
    ) -> None:
        """Answer the person of an interaction in its place; refusals of the place or the person are theirs alone to see."""
        said = words(str(interaction.locale))
        private = private or interaction.guild_id is None
        if why := self._desk.refusal(interaction.guild_id, interaction.channel, said) or self._wait(
            interaction.user.id, interaction.channel_id or 0, said
        ):
            await interaction.response.send_message(why, ephemeral=True, allowed_mentions=NOBODY)
            return
        reply = InteractionReply(interaction, private=private, words=said, clock=self._desk.clock)
        await reply.defer()
        who = await self._desk.principal(self._client, interaction.user, interaction.channel, alone=private)
        if who is None:
            await interaction.edit_original_response(content=said.not_a_member, allowed_mentions=NOBODY)
            return
        asked = Asked(
            event=interaction.id,
            text=text,
            principal=who[0],
            asker=interaction.user.id,
            guild=interaction.guild_id,
            channel=interaction.channel_id or 0,
            locale=str(interaction.locale),
            private=private,
            fuller=who[1],
            filters=filters or Filters(),
            token=interaction.token,
        )
        await self._answerer.answer(asked, reply)

    # --- messages ---

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        if message.author.bot or message.type not in {discord.MessageType.default, discord.MessageType.reply}:
            return
        mentioned = self._client.user in message.mentions
        others = [one.id for one in message.mentions if one != self._client.user and not one.bot]
        converses = not mentioned and await self._goes_on(message, others)
        if message.guild is not None and not mentioned and not converses:
            return
        if not self._client.seen.first(message.id):
            return
        text = without_mention(message.content, self._client)
        said = words(language(text) if text else "")
        try:
            await self._answer_message(message, text, said, mentioned=mentioned, others=others)
        except Exception as error:  # noqa: BLE001 - whatever it was, somebody is waiting to hear of it
            _log.warning(
                "A message was not dealt with.", message_id=message.id, reason=f"{type(error).__name__}: {error}"
            )
            await self._tell(message, said.fault(explain(error)))

    async def _answer_message(
        self, message: discord.Message, text: str, said: Words, *, mentioned: bool, others: list[int]
    ) -> None:
        channel_id = message.channel.id
        why = self._desk.refusal(message.guild.id if message.guild else None, message.channel, said)
        if why := why or ("" if text else said.empty_question) or self._wait(message.author.id, channel_id, said):
            await self._tell(message, why)
            return
        alone = message.guild is None
        who = await self._desk.principal(self._client, message.author, message.channel, alone=alone)
        if who is None:
            await self._tell(message, said.not_a_member)
            return
        place = await self._thread(message, text, said) if mentioned and message.guild else message.channel
        if isinstance(place, discord.Thread) and others and await self._converses(place, message.author):
            await self._desk.bridge.run(lambda: self._desk.ledger.invite(place.id, others))
        asked = Asked(
            event=message.id,
            text=text,
            principal=who[0],
            asker=message.author.id,
            guild=message.guild.id if message.guild else None,
            channel=place.id,
            locale=said.spoken,
            private=alone,
            fuller=who[1],
        )
        here = place == message.channel
        reply = MessageReply(place, question=message if here else None, fallback=None if here else message.channel)
        if isinstance(await self._answerer.answer(asked, reply), discord.Forbidden):
            await self._tell_what_is_missing(message, place, said)

    async def _converses(self, thread: discord.Thread, person: discord.abc.User) -> bool:
        return await self._desk.bridge.run(lambda: self._desk.ledger.converses(thread.id, person.id))

    async def _goes_on(self, message: discord.Message, others: list[int]) -> bool:
        """Whether a message without a mention of Kura belongs to a conversation with it. Who is mentioned there is invited,
        and spoken to in Kura's place."""
        thread = message.channel
        if not isinstance(thread, discord.Thread) or thread.owner_id != getattr(self._client.user, "id", None):
            return False
        if not await self._converses(thread, message.author):
            return False
        if others:
            await self._desk.bridge.run(lambda: self._desk.ledger.invite(thread.id, others))
            return False
        return bool(message.content)  # without the intent for it nothing is to be read

    async def _thread(self, message: discord.Message, text: str, said: Words) -> Any:
        """The thread for a question, or its channel where there can be none."""
        if isinstance(message.channel, discord.Thread):
            return message.channel
        name = " ".join(text.split())[:LONGEST_NAME]
        may = message.channel.permissions_for(message.guild.me) if message.guild else discord.Permissions.all()
        lacking = [one for one in ("create_public_threads", "send_messages_in_threads") if not getattr(may, one)]
        if lacking:
            await self._tell(message, said.missing_permission(lacking, message.channel.id))
            return message.channel
        thread: Any
        try:
            thread = await patiently(lambda: message.create_thread(name=name, auto_archive_duration=ARCHIVED_MIN))
        except discord.Forbidden:
            await self._tell(message, said.missing_permission(["create_public_threads"], message.channel.id))
            return message.channel
        except discord.HTTPException as error:  # a channel without threads, or the message is gone
            if error.code != HAS_THREAD:
                _log.warning("No thread could be opened.", channel_id=message.channel.id, reason=str(error))
                return message.channel
            thread = await patiently(lambda: self._client.fetch_channel(message.id))
        await self._desk.bridge.run(lambda: self._desk.ledger.begin(thread.id, asker=message.author.id))
        return thread

    async def _tell(self, message: discord.Message, sentence: str) -> None:
        """A sentence in reply; in a channel it goes away after a while."""
        gone: dict[str, Any] = {} if message.guild is None else {"delete_after": SENTENCE_S}
        question = message.to_reference(fail_if_not_exists=False)
        nonce = secrets.randbits(63)
        try:
            await patiently(
                lambda: message.channel.send(
                    sentence, nonce=nonce, reference=question, allowed_mentions=NOBODY, suppress_embeds=True, **gone
                )
            )
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            _log.warning(
                "A sentence could not be written: Kura's role needs View Channel, Send Messages, Send Messages in Threads and"
                " Read Message History.",
                channel_id=message.channel.id,
                reason=str(error),
            )

    async def _tell_what_is_missing(self, message: discord.Message, place: Any, said: Words) -> None:
        """To the log, and directly to whoever asked: nothing can be written where they did."""
        writes = "send_messages_in_threads" if isinstance(place, discord.Thread) else "send_messages"
        have = place.permissions_for(message.guild.me) if message.guild else discord.Permissions.none()
        missing = [one for one in ("view_channel", writes, "read_message_history") if not getattr(have, one)] or [
            writes
        ]
        _log.warning("Kura may not write here.", channel_id=place.id, missing=missing)
        try:
            await message.author.send(said.missing_permission(missing, place.id), allowed_mentions=NOBODY)
        except (discord.HTTPException, aiohttp.ClientError) as error:  # they take no direct messages
            _log.info("Whoever asked could not be told.", reason=str(error))

    def _wait(self, person: int, channel: int, said: Words) -> str:
        reached = self._desk.limits.wait(person, channel)
        if reached is None:
            return ""
        return said.wait(reached[1]) if reached[0] == "person" else said.channel_wait(reached[1])

    # --- buttons ---

    async def stop(self, interaction: Interaction, event: int) -> None:
        """Stop is pressed."""
        said = words(str(interaction.locale))
        admin = self._desk.is_admin(interaction.user)
        stopped = self._answerer.stop(event, by=interaction.user.id, admin=admin)
        if stopped:
            await interaction.response.defer()
            return
        why = said.nothing_to_stop if stopped is None else said.stop_refused
        await interaction.response.send_message(why, ephemeral=True, allowed_mentions=NOBODY)

    async def fuller(self, interaction: Interaction, answer: str) -> None:
        """The asker of a public answer wants all that they may read, for themselves."""
        said = words(str(interaction.locale))
        post = await self._desk.post(answer)
        if post is None or post.asker != interaction.user.id:
            why = said.answer_gone if post is None else said.asker_only
            await interaction.response.send_message(why, ephemeral=True, allowed_mentions=NOBODY)
            return
        await self.answer_interaction(interaction, post.question, private=True)


class StopButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=pattern("stop")):
    """Stop, below a placeholder."""

    def __init__(self, event: int) -> None:
        super().__init__(discord.ui.Button(label="Stop", custom_id=custom_id("stop", event)))
        self._event = event

    @classmethod
    async def from_custom_id(cls, _: Interaction, __: Any, match: re.Match[str], /) -> StopButton:
        return cls(int(match["which"]))

    async def callback(self, interaction: Interaction) -> None:
        if interaction.client.seen.first(interaction.id):
            async with explained(interaction):
                await asking(interaction).stop(interaction, self._event)


class FullerButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=pattern("all")):
    """All that the asker may read, below a public answer."""

    def __init__(self, answer: str) -> None:
        super().__init__(discord.ui.Button(label="…", custom_id=custom_id("all", answer)))
        self._answer = answer

    @classmethod
    async def from_custom_id(cls, _: Interaction, __: Any, match: re.Match[str], /) -> FullerButton:
        return cls(match["which"])

    async def callback(self, interaction: Interaction) -> None:
        if interaction.client.seen.first(interaction.id):
            async with explained(interaction):
                await asking(interaction).fuller(interaction, self._answer)


def asking(interaction: Interaction) -> Asking:
    """The cog that an interaction's client has."""
    return cast(Asking, interaction.client.get_cog("Asking"))


def without_mention(content: str, client: discord.Client) -> str:
    """A message without the mentions of the bot itself."""
    return re.sub(rf"<@!?{client.user.id}>", " ", content).strip() if client.user else content


async def source_names(client: discord.Client, desk: Desk, interaction: Interaction) -> list[str]:
    """The sources that whoever types may read."""
    if desk.refusal(interaction.guild_id, interaction.channel, words("")):
        return []
    who = await desk.principal(client, interaction.user, interaction.channel, alone=True)
    return [] if who is None else [one.name for one in await desk.platform.sources(principal=who[0])]


async def source_choices(
    client: discord.Client, desk: Desk, interaction: Interaction, typed: str
) -> list[app_commands.Choice[str]]:
    """Sources that whoever types may read and whose names hold what was typed."""
    names = await source_names(client, desk, interaction)
    fitting = [name for name in names if typed.casefold() in name.casefold() and len(name) <= LONGEST_CHOICE]
    return [app_commands.Choice(name=name, value=name) for name in fitting[:MOST_CHOICES]]
