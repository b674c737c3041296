"""Questions that an earlier run took up and did not finish: answered now, or apologised for. Knows no command."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import discord
import structlog

from bot.discord_bot.answering import Answerer, Asked
from bot.discord_bot.desk import Desk
from bot.discord_bot.ledger import Waiting
from bot.discord_bot.patience import patiently
from bot.discord_bot.rendering import Rendered, render_sentence
from bot.discord_bot.replies import NOBODY, TOKEN_S, MessageReply, Reply, View, attached
from bot.discord_bot.words import Words, words
from bot.errors import explain

_log = structlog.get_logger(__name__)

_RESPONSE = "@original"
"""In the place of an id, Discord's name for the message that answers an interaction first."""


async def resume(left: Sequence[Waiting], client: discord.Client, desk: Desk, answerer: Answerer) -> None:
    """Finish what the last run left; each on its own, so that one that cannot be harms no other."""
    if left:
        _log.info("Questions of the last run are taken up again.", questions=len(left))
    await asyncio.gather(*(_finish(one, client, desk, answerer) for one in left))


async def _finish(one: Waiting, client: discord.Client, desk: Desk, answerer: Answerer) -> None:
    said = words(one.locale)
    try:
        reply, channel = await _reply(one, client)
        person = await _person(one, client, channel)
        young = datetime.now(UTC) - one.asked_at < timedelta(seconds=TOKEN_S)
        guild = getattr(getattr(channel, "guild", None), "id", None)
        asks = young and not desk.refusal(guild, channel, said)  # the settings may be others by now
        who = await desk.principal(client, person, channel, alone=one.private) if asks and person else None
        if who is None:
            if not young and one.private and one.token and person is not None:
                reply = MessageReply(person)  # the token is dead by now
            await reply.finish(Rendered(render_sentence(said.restart_apology), []), None)
            await desk.bridge.run(lambda: desk.ledger.done(one.event))
            return
        asked = Asked(
            event=one.event,
            text=one.question,
            principal=who[0],
            asker=one.asker,
            guild=guild,
            channel=one.channel,
            locale=one.locale,
            private=one.private,
            fuller=who[1],
            token=one.token,
        )
        await answerer.answer(asked, reply, resumed=True)
    except Exception as error:  # noqa: BLE001 - the others must not suffer from it
        _log.warning(
            "A question of the last run cannot be finished.", event_id=one.event, reason=explain(error).sentence
        )
        await desk.bridge.run(lambda: desk.ledger.done(one.event))


async def _person(one: Waiting, client: discord.Client, channel: Any) -> discord.Member | discord.User | None:
    """Whoever asked, as a member of the channel's guild where it has one."""
    guild = getattr(channel, "guild", None)
    try:
        if guild is not None:
            return await patiently(lambda: guild.fetch_member(one.asker))
        return await patiently(lambda: client.fetch_user(one.asker))
    except discord.NotFound:
        return None


async def _reply(one: Waiting, client: discord.Client) -> tuple[Reply, Any]:
    """Where a question is to be answered, and the channel that it was asked in."""
    channel: Any = client.get_channel(one.channel)
    if channel is None:
        channel = await patiently(lambda: client.fetch_channel(one.channel))
    if one.private and one.token:
        return TokenReply(client, one.token, one.message), channel
    placeholder = channel.get_partial_message(one.message) if one.message is not None else None
    question = None if one.token else channel.get_partial_message(one.event)
    return MessageReply(channel, question=question, placeholder=placeholder), channel


class TokenReply:
    """What only one person sees, reached by the token of an interaction of an earlier run."""

    def __init__(self, client: discord.Client, token: str, message: int | None) -> None:
        # as discord.py makes it for an interaction; `partial` makes one that only one person's messages are refused to
        data: Any = {"id": client.application_id, "type": discord.WebhookType.application.value, "token": token}
        self._webhook = discord.Webhook.from_state(data, client._connection)
        self._message: Any = message or _RESPONSE

    async def acknowledge(self, words: Words, view: View | None) -> tuple[int, int]:
        return await self._put(words.thinking, view, [])

    async def show(self, text: str) -> None:
        await self._put(text, discord.utils.MISSING, [])

    async def finish(self, rendered: Rendered, view: View | None) -> tuple[int, int]:
        place = (0, 0)
        for n, piece in enumerate(rendered.pieces):
            last = n == len(rendered.pieces) - 1
            files = rendered.files if last else []
            put = self._add if n else self._put
            place = await put(piece, view if last else None, files)
        return place

    async def _put(self, text: str, view: Any, files: list[tuple[str, str]]) -> tuple[int, int]:
        shown = await patiently(
            lambda: self._webhook.edit_message(
                self._message, content=text, view=view, attachments=attached(files), allowed_mentions=NOBODY
            )
        )
        return shown.channel.id, shown.id

    async def _add(self, text: str, view: Any, files: list[tuple[str, str]]) -> tuple[int, int]:
        more: dict[str, Any] = {"view": view} if view else {}
        sent = await patiently(
            lambda: self._webhook.send(
                text, ephemeral=True, wait=True, files=attached(files), allowed_mentions=NOBODY, **more
            )
        )
        return sent.channel.id, sent.id
