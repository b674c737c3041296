"""The two places where an answer appears on Discord: a slash command's response, and a reply to a message.

Every text goes out with no mention allowed. Discord's own previews are suppressed wherever discord.py can say so; for a
command's first response it cannot, which is one more reason for `rendering` to leave nothing to preview.
"""

from __future__ import annotations

from typing import Any

import discord

NOBODY = discord.AllowedMentions.none()
"""Whom a message of ours may notify."""

_HEARD = "⏳"


class InteractionReply:
    """The response to a slash command: "thinking" first, then the first piece in its place, then follow-ups."""

    def __init__(self, interaction: discord.Interaction[Any]) -> None:
        self._interaction = interaction

    async def acknowledge(self) -> None:
        await self._interaction.response.defer(thinking=True)

    async def finish(self, pieces: list[str]) -> None:
        await self._interaction.edit_original_response(content=pieces[0], allowed_mentions=NOBODY)
        for piece in pieces[1:]:
            await self._interaction.followup.send(piece, allowed_mentions=NOBODY, suppress_embeds=True, wait=True)


class MessageReply:
    """A reply to a message: a placeholder first, then the first piece in its place, then further messages."""

    def __init__(self, message: discord.Message) -> None:
        self._message = message
        self._placeholder: discord.Message | None = None

    async def acknowledge(self) -> None:
        self._placeholder = await self._send(_HEARD)

    async def finish(self, pieces: list[str]) -> None:
        if self._placeholder is None or not await _replace(self._placeholder, pieces[0]):
            await self._send(pieces[0])
        for piece in pieces[1:]:
            await self._message.channel.send(piece, allowed_mentions=NOBODY, suppress_embeds=True)

    async def _send(self, text: str) -> discord.Message:
        # the question may be deleted by now; its answer is still wanted
        question = self._message.to_reference(fail_if_not_exists=False)
        return await self._message.channel.send(text, reference=question, allowed_mentions=NOBODY, suppress_embeds=True)


async def _replace(message: discord.Message, text: str) -> bool:
    """False if somebody has deleted the message."""
    try:
        await message.edit(content=text, suppress=True, allowed_mentions=NOBODY)
    except discord.NotFound:
        return False
    return True
