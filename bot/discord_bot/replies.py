"""The places where an answer appears on Discord, from its placeholder to its last piece. Knows no answer and no question.

Every text goes out with no mention allowed, and with Discord's previews suppressed wherever discord.py can say so; for a
command's first response it cannot, which is one more reason for `rendering` to leave nothing to preview.
"""

from __future__ import annotations

import io
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import aiohttp
import discord

from bot.discord_bot.escaping import break_mentions
from bot.discord_bot.patience import patiently
from bot.discord_bot.rendering import Rendered
from bot.discord_bot.splitting import split
from bot.discord_bot.words import Words

NOBODY = discord.AllowedMentions.none()
"""Whom a message of ours may notify."""
TOKEN_S = 14 * 60.0
"""How long an interaction's answer is edited in its place. Its token is good for 15 minutes."""
ACKNOWLEDGED = 40060
"""Discord's code for an interaction that has its first response."""
PLACE_GONE = {10062, 10015, 50027, 10008}
"""Discord's codes for an interaction that is unknown, a webhook that is, a token that is no longer good, and a response that
a moderator deleted."""

CLOSED = 50083
"""Discord's code for a message in a thread that was closed."""
NO_HISTORY = 160002
"""Discord's code for a reply where the bot may not read former messages."""

View = discord.ui.View


class Reply(Protocol):
    """Where the answer to one question appears. What Discord refuses for good is raised as discord.py does."""

    async def acknowledge(self, words: Words, view: View | None) -> tuple[int, int]:
        """Show a placeholder; the ids of its channel and of itself."""

    async def show(self, text: str) -> None:
        """Put a text into the placeholder's place; its buttons stay."""

    async def finish(self, rendered: Rendered, view: View | None) -> tuple[int, int]:
        """Put the pieces, in order, in the placeholder's place and below it; the view belongs to the last, whose place it
        returns. Without a view no button stays."""


class MessageReply:
    """Messages in a channel, the first in reply to `question` where that is known.

    `fallback` is written to if the channel is gone; `placeholder` is one that stands there already.
    """

    def __init__(
        self,
        channel: discord.abc.Messageable,
        *,
        question: discord.Message | discord.PartialMessage | None = None,
        placeholder: discord.Message | discord.PartialMessage | None = None,
        fallback: discord.abc.Messageable | None = None,
    ) -> None:
        self._channel = channel
        self._question = question
        self._placeholder = placeholder
        self._fallback = fallback

    async def acknowledge(self, words: Words, view: View | None) -> tuple[int, int]:
        there = self._placeholder
        if there is None or not await self._edit(there, content=words.thinking, view=view):
            there = self._placeholder = await self._send(words.thinking, view=view, first=True)
        return _place(there)

    async def show(self, text: str) -> None:
        if self._placeholder is not None:
            await self._edit(self._placeholder, content=text)

    async def finish(self, rendered: Rendered, view: View | None) -> tuple[int, int]:
        pieces = rendered.pieces
        for n, piece in enumerate(pieces):
            last = n == len(pieces) - 1
            files = rendered.files if last else []
            here = view if last else None
            try:
                message = await self._put(piece, here, files, first=n == 0)
            except discord.Forbidden:
                if not files:
                    raise
                # no file may be attached here: what is in them follows as text
                message = await self._put(piece, None, [], first=n == 0)
                blocks = [block for _, text in files for block in split(f"```\n{break_mentions(text)}\n```")]
                for m, block in enumerate(blocks, 1):
                    message = await self._send(block, view=view if m == len(blocks) else None)
        return _place(message)

    async def _put(
        self, piece: str, view: View | None, files: list[tuple[str, str]], *, first: bool
    ) -> discord.Message | discord.PartialMessage:
        there = self._placeholder if first else None
        if there is not None and await self._edit(there, content=piece, view=view, attachments=files):
            return there
        return await self._send(piece, view=view, files=files, first=first)

    async def _send(
        self, text: str, *, view: View | None = None, files: list[tuple[str, str]] | None = None, first: bool = False
    ) -> discord.Message:
        nonce = secrets.randbits(63)

        async def send() -> discord.Message:
            more: dict[str, Any] = {"view": view} if view else {}
            if files:
                more["files"] = attached(files)
            if first and self._question is not None:
                # the question may be deleted by now; its answer is still wanted
                more["reference"] = self._question.to_reference(fail_if_not_exists=False)
            return await self._channel.send(text, nonce=nonce, allowed_mentions=NOBODY, suppress_embeds=True, **more)

        try:
            return await patiently(send)
        except discord.HTTPException as error:
            if error.code == NO_HISTORY and self._question is not None:
                self._question = None
                return await patiently(send)
            if not isinstance(error, (discord.NotFound, discord.Forbidden)) or files:
                raise
            if self._fallback is None:
                raise
            self._channel, self._fallback, self._question = self._fallback, None, None
            return await patiently(send)

    async def _edit(self, message: discord.Message | discord.PartialMessage, **changes: Any) -> bool:
        """False if somebody has deleted the message, or closed its thread, which a new message opens again."""
        files: list[tuple[str, str]] = changes.pop("attachments", [])
        if isinstance(message, discord.Message):
            changes["suppress"] = True

        async def edit() -> object:
            again: dict[str, Any] = {"attachments": attached(files)} if files else {}
            return await message.edit(allowed_mentions=NOBODY, **changes, **again)

        try:
            await patiently(edit)
        except discord.HTTPException as error:
            if not isinstance(error, discord.NotFound) and error.code != CLOSED:
                raise
            self._placeholder = None
            return False
        return True


class InteractionReply:
    """The response to a command or a button: "thinking" first, then the answer in its place and below it.

    Private, only the person sees it. When the interaction's token is about to end, the answer moves on to a message in the
    channel, or to a direct one. `clock` gives seconds that only go forward.
    """

    def __init__(
        self,
        interaction: discord.Interaction[Any],
        *,
        private: bool,
        words: Words,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interaction = interaction
        self._private = private
        self._words = words
        self._clock = clock
        self._begun = clock()
        self._deferred = False
        self._moved: MessageReply | None = None

    async def defer(self) -> None:
        """Tell Discord within its three seconds that an answer will come."""
        try:
            await patiently(
                lambda: self._interaction.response.defer(thinking=True, ephemeral=self._private), first_wait_s=0.2
            )
        except discord.HTTPException as error:
            if error.code != ACKNOWLEDGED:  # then it was heard the first time, and only that was not heard here
                raise
        self._deferred = True

    async def acknowledge(self, words: Words, view: View | None) -> tuple[int, int]:
        if not self._deferred:
            await self.defer()
        shown = await patiently(
            lambda: self._interaction.edit_original_response(content=words.thinking, view=view, allowed_mentions=NOBODY)
        )
        return shown.channel.id if shown.channel else self._interaction.channel_id or 0, shown.id

    async def show(self, text: str) -> None:
        if await self._in_place():
            await patiently(lambda: self._interaction.edit_original_response(content=text, allowed_mentions=NOBODY))
        elif self._moved:
            await self._moved.show(text)

    async def finish(self, rendered: Rendered, view: View | None) -> tuple[int, int]:
        if not await self._in_place():
            return await self._elsewhere().finish(rendered, view)
        pieces, original = rendered.pieces, self._interaction.edit_original_response
        last = len(pieces) == 1
        files = rendered.files if last else []
        try:
            message: discord.Message = await patiently(
                lambda: original(
                    content=pieces[0],
                    view=view if last else None,
                    attachments=attached(files),
                    allowed_mentions=NOBODY,
                )
            )
        except discord.HTTPException as error:
            if error.code not in PLACE_GONE:
                raise
            return await self._elsewhere().finish(rendered, view)
        below = None if last else self._below(message, rendered)
        if below is not None:
            return await below.finish(Rendered(pieces[1:], rendered.files), view)
        for n, piece in enumerate(pieces[1:], 2):
            last = n == len(pieces)
            message = await self._follow_up(piece, view if last else None, rendered.files if last else [])
        return message.channel.id if message.channel else 0, message.id

    def _below(self, response: discord.Message, rendered: Rendered) -> MessageReply | None:
        """Where further pieces can be plain messages: those have nonces, so that none is lost or doubled. None: nowhere."""
        channel, may = self._interaction.channel, self._interaction.app_permissions
        if self._private or not isinstance(channel, discord.abc.Messageable):
            return None
        writes = may.send_messages_in_threads if isinstance(channel, discord.Thread) else may.send_messages
        if not (writes and may.view_channel and may.read_message_history and (may.attach_files or not rendered.files)):
            return None
        return MessageReply(channel, question=response)

    async def _follow_up(self, text: str, view: View | None, files: list[tuple[str, str]]) -> discord.WebhookMessage:
        async def send() -> discord.WebhookMessage:
            more: dict[str, Any] = {"view": view} if view else {}
            if files:
                more["files"] = attached(files)
            return await self._interaction.followup.send(
                text, ephemeral=self._private, allowed_mentions=NOBODY, suppress_embeds=True, wait=True, **more
            )

        return await patiently(send)  # rather twice than not at all: these know no nonce

    async def _in_place(self) -> bool:
        """Whether the answer still stands in the interaction's place; moves on once it cannot much longer."""
        if self._moved is None and self._clock() - self._begun < TOKEN_S:
            return True
        if self._moved is None:
            said = self._words.moved_on_private if self._private else self._words.moved_on
            try:
                await self._elsewhere().acknowledge(self._words, None)
            except discord.Forbidden:  # nothing may be written there: as long as the token lives, here
                self._moved = None
                return True
            edit = self._interaction.edit_original_response
            with suppress(discord.HTTPException, aiohttp.ClientError):  # its loss takes nothing from the answer
                await patiently(lambda: edit(content=said, view=None, allowed_mentions=NOBODY))
        return False

    def _elsewhere(self) -> MessageReply:
        if self._moved is None:
            channel = self._interaction.channel
            if self._private or not isinstance(channel, discord.abc.Messageable):
                self._moved = MessageReply(self._interaction.user)
            else:
                self._moved = MessageReply(channel)
        return self._moved


def attached(files: list[tuple[str, str]]) -> list[discord.File]:
    """Files to go with a message; made anew for each time it is sent."""
    return [discord.File(io.BytesIO(text.encode()), filename=name) for name, text in files]


def _place(message: discord.Message | discord.PartialMessage) -> tuple[int, int]:
    return message.channel.id, message.id
