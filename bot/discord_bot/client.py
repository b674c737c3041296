"""Kura as a Discord client: turns commands and messages into questions. Knows no answer and no Markdown."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict

import aiohttp
import discord
import structlog
from discord import app_commands

from bot.answers import Question
from bot.discord_bot.answering import Answering, Reply, answer_question
from bot.discord_bot.replies import NOBODY, InteractionReply, MessageReply
from bot.identity import discord_principal

_log = structlog.get_logger(__name__)


class KuraDiscord(discord.Client):
    """Answers `/ask`, mentions and direct messages with what is marked for Discord, each once.

    Asks Discord for no privileged intent: the content of a message reaches it only if it is meant for it.
    Lives for one `start`; `bot.discord_bot.supervise` makes the next.
    """

    def __init__(self, assistant: Answering) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # no warnings that Kura cannot speak
        intents = discord.Intents(guilds=True, guild_messages=True, dm_messages=True)
        super().__init__(intents=intents, allowed_mentions=NOBODY, max_messages=None)
        self._assistant = assistant
        self._seen = Seen()
        self._answering: set[asyncio.Task[None]] = set()
        self.was_connected = False
        self.tree = _Commands(self)
        self.tree.add_command(app_commands.command(name="ask", description=_ASK)(_ask))

    async def setup_hook(self) -> None:
        await self.tree.sync()

    async def on_connect(self) -> None:
        self.was_connected = True
        _log.info("Kura is on Discord.", user=str(self.user))

    async def on_message(self, message: discord.Message) -> None:
        if message.author.bot or not self._is_asked(message) or not self._seen.first(message.id):
            return
        await self.answer(
            self._without_mention(message.content),
            event_id=message.id,
            user_id=message.author.id,
            channel_id=message.channel.id,
            reply=MessageReply(message),
        )

    def first(self, interaction: discord.Interaction[KuraDiscord]) -> bool:
        """True the first time an interaction is seen."""
        return self._seen.first(interaction.id)

    async def answer(self, text: str, *, event_id: int, user_id: int, channel_id: int, reply: Reply) -> None:
        """Answer a person on `reply`; if Discord does not let us, say so in the log and go on."""
        question = Question(
            id=f"discord:{event_id}",
            text=text,
            principal=discord_principal(user_id),
            thread=f"discord:{channel_id}:{user_id}",
            origin="discord",
        )
        task = asyncio.create_task(answer_question(question, assistant=self._assistant, reply=reply))
        self._answering.add(task)
        try:
            await task
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            # no traceback: its frames hold the request's headers, and with them the token
            _log.warning(
                "Discord did not take an answer.",
                question_id=question.id,
                channel_id=channel_id,
                reason=f"{type(error).__name__}: {error}",
            )
        finally:
            self._answering.discard(task)

    async def close(self) -> None:
        """Stop what is being answered, telling those who wait, then leave."""
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)
        await super().close()

    def _is_asked(self, message: discord.Message) -> bool:
        if message.type not in {discord.MessageType.default, discord.MessageType.reply}:
            return False
        return message.guild is None or self.user in message.mentions

    def _without_mention(self, content: str) -> str:
        return re.sub(rf"<@!?{self.user.id}>", " ", content).strip() if self.user else content


class Seen:
    """Remembers the last events, by their ids: a resumed connection may bring one twice."""

    def __init__(self, capacity: int = 4_096) -> None:
        self._capacity = capacity
        self._ids: OrderedDict[int, None] = OrderedDict()

    def first(self, event_id: int) -> bool:
        """True if `event_id` is not among the last `capacity` ids; it is from now on."""
        if event_id in self._ids:
            return False
        self._ids[event_id] = None
        if len(self._ids) > self._capacity:
            self._ids.popitem(last=False)
        return True


class _Commands(app_commands.CommandTree[KuraDiscord]):
    """The commands, each carried out once for one interaction."""

    async def interaction_check(self, interaction: discord.Interaction[KuraDiscord], /) -> bool:
        return interaction.client.first(interaction)


_ASK = "Ask about the company's documents; the answer names its sources"


@app_commands.describe(question="What you would like to know")
async def _ask(interaction: discord.Interaction[KuraDiscord], question: str) -> None:
    await interaction.client.answer(
        question,
        event_id=interaction.id,
        user_id=interaction.user.id,
        channel_id=interaction.channel_id or 0,
        reply=InteractionReply(interaction),
    )
