"""Kura as a Discord client: its cogs, which servers it stays in, and what happens once it is there. Knows no command."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

import aiohttp
import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot.discord_bot.answering import Answerer, Buttons
from bot.discord_bot.buttons import answer_view, stop_view
from bot.discord_bot.cogs.admin import Administration
from bot.discord_bot.cogs.asking import Asking
from bot.discord_bot.cogs.feedback import Saying
from bot.discord_bot.cogs.reading import Reading
from bot.discord_bot.cogs.recalling import Recalling
from bot.discord_bot.desk import Desk
from bot.discord_bot.ledger import Waiting
from bot.discord_bot.pressing import tell_fault
from bot.discord_bot.replies import NOBODY
from bot.discord_bot.resuming import resume
from bot.discord_bot.translating import JapaneseCommands

_log = structlog.get_logger(__name__)


class KuraDiscord(commands.Bot):
    """Answers with what is marked for Discord, each question once. Lives for one `start`; `bot.discord_bot.supervise` makes
    the next.

    `read_threads`: Discord is asked for the content of messages that do not mention Kura, so that conversations in threads
    go on. It is the one privileged intent, and refused unless the application's page allows it.
    """

    def __init__(self, desk: Desk, *, read_threads: bool) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # no warnings that Kura cannot speak
        intents = discord.Intents(
            guilds=True,
            guild_messages=True,
            dm_messages=True,
            guild_reactions=True,
            dm_reactions=True,
            message_content=read_threads,
        )
        super().__init__(
            command_prefix=commands.when_mentioned,  # never used: no cog has commands of that kind
            intents=intents,
            allowed_mentions=NOBODY,
            max_messages=None,
            help_command=None,
            tree_cls=_Commands,
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
        )
        self.desk = desk
        self.seen = Seen()
        self.was_connected = False
        self.read_threads = read_threads
        self.answerer = Answerer(desk, Buttons(stop_view, answer_view))
        self._left: list[Waiting] = []
        self._resumed = False
        self._resuming: asyncio.Task[None] | None = None

    async def setup_hook(self) -> None:
        # before there is a connection: whatever is taken up from here on is this run's own
        self._left = await self.desk.bridge.run(self.desk.ledger.waiting)
        await self.add_cog(Asking(self, self.desk, self.answerer))
        for cog in (Saying, Reading, Administration, Recalling):
            await self.add_cog(cog(self, self.desk))
        await self.tree.set_translator(JapaneseCommands())
        await self.tree.sync()

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """Nothing happens to a client that is closed: discord.py 2.7.1 may tell it that it is ready all the same."""
        if not self.is_closed():
            super().dispatch(event, *args, **kwargs)

    async def on_connect(self) -> None:
        self.was_connected = True
        _log.info("Kura is on Discord.", user=str(self.user))

    async def on_ready(self) -> None:
        if not self._resumed:  # it comes again whenever Discord has forgotten the session
            self._resumed = True
            self._resuming = asyncio.create_task(resume(self._left, self, self.desk, self.answerer))
        for guild in self.guilds:
            await self._stay_or_leave(guild)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self._stay_or_leave(guild)

    async def on_message(self, message: discord.Message, /) -> None:
        """Commands are slash commands; messages are for the cogs."""

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        # without the frames, which hold the request's headers, and with them the token
        _log.exception("An event of Discord was not dealt with.", discord_event=event_method)

    async def close(self) -> None:
        """Stop what is being answered, telling those who wait, then leave."""
        if self._resuming is not None:
            self._resuming.cancel()
            await asyncio.gather(self._resuming, return_exceptions=True)
        await self.answerer.close()
        # discord.py 2.7.1 leaves behind what was about to say that it is ready, and that then stumbles over the closed client
        if (ready := self._connection._ready_task) is not None:
            ready.cancel()
        await super().close()

    async def _stay_or_leave(self, guild: discord.Guild) -> None:
        allowed = self.desk.settings.guilds
        if guild.id in allowed:
            return
        if not allowed:
            _log.warning(
                "No server is allowed yet, so nobody is answered: put the id of yours into discord.guilds.",
                guild_id=guild.id,
                guild=guild.name,
            )
            return
        _log.warning("Kura leaves a server that is not in discord.guilds.", guild_id=guild.id, guild=guild.name)
        try:
            await guild.leave()
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            _log.warning("Discord did not let Kura leave.", guild_id=guild.id, reason=str(error))


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
        # what is typed into an option is asked about anew with each letter, under ids of its own
        return interaction.client.seen.first(interaction.id)

    async def on_error(
        self, interaction: discord.Interaction[KuraDiscord], error: app_commands.AppCommandError, /
    ) -> None:
        cause = error.__cause__
        await tell_fault(interaction, cause if isinstance(cause, Exception) else error)
