"""What answers a press or a command that somebody alone is to see: one sentence, whatever happens. Knows no command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import discord
import structlog

from bot.discord_bot.replies import NOBODY
from bot.discord_bot.words import words
from bot.errors import explain

Interaction = discord.Interaction[Any]
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def explained(interaction: Interaction) -> AsyncIterator[None]:
    """A fault within is told to the person of an interaction as one sentence, and to the log."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it was, somebody is waiting to hear of it
        await tell_fault(interaction, error)


async def tell_fault(interaction: Interaction, error: Exception) -> None:
    """One sentence to the person of an interaction, and all of it to the log."""
    told = explain(error)
    reason = f"{type(error).__name__}: {error}"
    # no traceback of what Discord refused: its frames hold the request's headers, and with them the interaction's token
    if told.known or isinstance(error, discord.HTTPException):
        _log.warning("What was asked for on Discord was not done.", interaction_id=interaction.id, reason=reason)
    else:
        _log.error("What was asked for on Discord was not done.", interaction_id=interaction.id, exc_info=error)
    try:
        await tell(interaction, [words(str(interaction.locale)).fault(told)])
    except (discord.HTTPException, aiohttp.ClientError, OSError) as failure:
        _log.warning("Discord did not take a sentence.", interaction_id=interaction.id, reason=str(failure))


async def tell(interaction: Interaction, pieces: Sequence[str], *, view: discord.ui.View | None = None) -> None:
    """Put messages before the person of an interaction alone, the first in the place of what was deferred."""
    for n, piece in enumerate(pieces):
        more: dict[str, Any] = {"view": view} if view is not None and n == len(pieces) - 1 else {}
        more |= {"ephemeral": True, "allowed_mentions": NOBODY, "suppress_embeds": True}
        if n == 0 and not interaction.response.is_done():
            await interaction.response.send_message(piece, **more)
        else:
            await interaction.followup.send(piece, wait=True, **more)
