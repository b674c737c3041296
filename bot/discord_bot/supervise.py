"""Keeps Kura on Discord: starts the client, and starts another when one fails. Knows nothing of questions.

The token is in the frames of whatever fails here, so a traceback is only ever written as plain text: no locals.
"""

from __future__ import annotations

import asyncio
import traceback

import aiohttp
import discord
import structlog

from bot.discord_bot.client import KuraDiscord
from bot.discord_bot.desk import Desk
from bot.errors import SettingsError

_log = structlog.get_logger(__name__)

LONGEST_WAIT_S = 60.0

_AUTHENTICATION_FAILED = 4004
"""The close code with which the gateway refuses a token."""


async def run_discord(desk: Desk, token: str, *, first_wait_s: float = 1.0) -> None:
    """Be on Discord until cancelled; a lost connection is taken up again, with waits that double up to a minute.

    Raises `SettingsError` if Discord refuses the token. Cancelling it ends the answers that are under way, tells those
    who wait for them, and closes the connection.
    """
    wait_s, read_threads = first_wait_s, desk.settings.read_threads
    while True:
        client = KuraDiscord(desk, read_threads=read_threads)
        failure: Exception | None = None
        try:
            async with client:
                await client.start(token)
        except Exception as error:  # noqa: BLE001 - whatever it was, the next client may do better
            failure = error
        if _refused(failure):
            raise SettingsError(
                "Discord refused the bot's token: copy it again from the application's Bot page and set it anew."
            )
        if isinstance(failure, discord.PrivilegedIntentsRequired) and read_threads:
            _log.warning(
                "Threads go on with mentions only: switch on Message Content Intent on the Bot page of Discord's developer"
                " portal and restart Kura, or set discord.read_threads = false."
            )
            read_threads = False
            continue
        if client.was_connected:  # this is a new trouble, not the old one lasting
            wait_s = first_wait_s
        _tell(failure, client, wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _refused(error: Exception | None) -> bool:
    if isinstance(error, discord.ConnectionClosed):
        return error.code == _AUTHENTICATION_FAILED
    return isinstance(error, discord.LoginFailure)


def _tell(error: BaseException | None, client: KuraDiscord, wait_s: float) -> None:
    if isinstance(error, AttributeError) and not client.was_connected:
        # discord.py 2.7.1 stumbles over its own missing connection when the first one fails: say what made it fail
        error = error.__context__ or error
    known = error is None or isinstance(error, (discord.DiscordException, aiohttp.ClientError, OSError))
    _log.warning(
        "Kura is not on Discord and will try again.",
        reason="the client was closed" if error is None else f"{type(error).__name__}: {error}",
        again_in_s=wait_s,
        **({} if known else {"exception": "".join(traceback.format_exception(error))}),
    )
