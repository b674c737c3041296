"""Correcting posted answers whose sources have changed (`bot/discord_bot/recall.py`), after each ingest.

Knows no documents: whether an answer is touched, and what the answer is now, the platform says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import discord
import structlog
from discord.ext import commands

from bot.answers import Answer, Done, Question, Refused
from bot.discord_bot.audience import common_groups
from bot.discord_bot.buttons import answer_view
from bot.discord_bot.desk import Desk
from bot.discord_bot.ledger import Post
from bot.discord_bot.patience import patiently
from bot.discord_bot.recall import Rereading, Touched, cited_by, says_the_same
from bot.discord_bot.rendering import Rendered, render
from bot.discord_bot.replies import MessageReply
from bot.discord_bot.splitting import LIMIT, units
from bot.discord_bot.words import words
from bot.errors import BotError, explain
from bot.identity import discord_principal
from retrieval.access import Principal
from retrieval.language import language

if TYPE_CHECKING:
    from bot.discord_bot.client import KuraDiscord

_log = structlog.get_logger(__name__)

EVERY_S = 15.0
"""Between two looks at whether an ingest has ended."""
_END_S = 10.0
LONGEST_WAIT_S = 600.0
"""Between two tries to make a correction that failed, at most."""

_REFUSED = (discord.NotFound, discord.Forbidden)


class Recalling(commands.Cog):
    """Corrects each answer of the last days at most once, where it stands; a private one in a direct message."""

    def __init__(self, client: KuraDiscord, desk: Desk) -> None:
        self._client = client
        self._desk = desk
        self._threads: dict[int, discord.Thread] = {}
        """Those that are folded away: Discord tells nobody of them who does not ask."""
        self._task: asyncio.Task[None] | None = None

    async def cog_load(self) -> None:
        if self._desk.settings.recall_days:
            self._task = asyncio.create_task(self._watch())

    async def cog_unload(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        await self._client.wait_until_ready()
        seen: str | None = None
        wait_s = EVERY_S
        while True:
            try:
                latest = await self._desk.platform.last_ingest()
                if latest == seen or await self._sweep():
                    seen, wait_s = latest, EVERY_S
                else:
                    wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            except Exception as error:  # noqa: BLE001 - whatever it was, the next look may do better
                _log.warning("Whether answers are to be corrected could not be told.", reason=_reason(error))
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            await asyncio.sleep(wait_s)

    async def _sweep(self) -> bool:
        """Look at every answer that may be corrected. False if one is still to be."""
        since = datetime.now(UTC) - timedelta(days=self._desk.settings.recall_days)
        rereading, whole = Rereading(self._desk.platform), True
        for post in await self._desk.bridge.run(lambda: self._desk.ledger.recallable(since)):
            try:
                await self._look_at(post, rereading)
            except Exception as error:  # noqa: BLE001 - one answer must not keep the others from being corrected
                whole = whole and not _worth_another_try(error)
                _log.warning("An answer was not corrected.", answer_id=post.answer, reason=_reason(error))
        return whole

    async def _look_at(self, post: Post, rereading: Rereading) -> None:
        public = post.guild is not None and not post.private
        try:
            channel = await self._channel(post) if public else None
        except discord.NotFound:
            await self._desk.bridge.run(lambda: self._desk.ledger.drop(post.answer))
            return
        principal = await self._principal(post, channel)
        touched = None if principal is None else await rereading.touched(post, principal=principal)
        if principal is None or touched is None:
            return
        place = channel if public else await self._direct_channel(post)
        if place is None:
            return
        if await self._is_gone(post, place):
            await self._desk.bridge.run(lambda: self._desk.ledger.drop(post.answer))
            return
        answer = await self._ask(post, principal)
        moved = says_the_same(post, answer)
        if moved is not None:
            await self._desk.bridge.run(lambda: self._desk.ledger.cites(post.answer, moved))
        elif await self._desk.bridge.run(lambda: self._desk.ledger.recalled(post.answer)):
            await _to_its_end(self._correct(post, answer, touched, place))

    async def _channel(self, post: Post) -> discord.abc.Messageable | None:
        """Where a public answer stands. None: Kura answers nobody there any more. Raises NotFound if it is gone."""
        channel = self._client.get_channel(post.channel) or self._threads.get(post.channel)
        if channel is None:
            try:
                channel = await patiently(lambda: self._client.fetch_channel(post.channel))
            except discord.Forbidden:
                return None
            if isinstance(channel, discord.Thread):
                self._threads[post.channel] = channel
        refused = self._desk.refusal(post.guild, channel, words(post.locale))
        return channel if isinstance(channel, discord.abc.Messageable) and not refused else None

    async def _direct_channel(self, post: Post) -> discord.abc.Messageable | None:
        """The one between Kura and an asker. None: there can be none."""
        try:
            user = await patiently(lambda: self._client.fetch_user(post.asker))
            return await patiently(user.create_dm)
        except discord.HTTPException as error:
            if isinstance(error, _REFUSED) or error.status == 400:
                return None
            raise

    async def _principal(self, post: Post, channel: discord.abc.Messageable | None) -> Principal | None:
        """Whom the answer is for now: everybody who reads the channel, or its asker. None: nobody any more."""
        if post.guild is not None and not post.private:
            if channel is None:
                return None
            return discord_principal(post.asker, common_groups(channel, self._desk.settings))
        found = await self._desk.principal(self._client, discord.Object(post.asker), None, alone=True)
        return None if found is None else found[0]

    async def _is_gone(self, post: Post, channel: discord.abc.Messageable) -> bool:
        """Whether somebody has deleted the answer: then there is nothing to correct."""
        if post.private and post.guild is not None:
            return False  # only its asker sees it, nobody can tell
        try:
            await patiently(lambda: channel.fetch_message(post.message))
        except discord.NotFound:
            return True
        except discord.Forbidden:
            return False
        return False

    async def _ask(self, post: Post, principal: Principal) -> Answer:
        """The answer now, kept in a conversation of its own: it is no turn of the one that the asker has."""
        question = Question(
            id=f"discord:recall:{post.answer}",
            text=post.question,
            principal=principal,
            thread=f"discord:{post.channel}:{post.asker}:{post.answer}",
            origin="discord",
            shared=not post.private,
        )
        answer: Answer | None = None
        async with aclosing(self._desk.platform.ask(question)) as events:
            async for event in events:
                if isinstance(event, (Done, Refused)):
                    answer = event.answer
        if answer is None:
            raise BotError("The assistant stopped without an answer.")
        return answer

    async def _correct(self, post: Post, answer: Answer, touched: Touched, channel: discord.abc.Messageable) -> None:
        said = words(post.locale)
        here = not (post.private and post.guild is not None)
        lead = said.recall(touched.titles) if here else said.recall_direct(post.question, touched.titles)
        rendered = render(answer, words(language(answer.question)))
        old = channel.get_partial_message(post.message) if here and hasattr(channel, "get_partial_message") else None
        reply = MessageReply(channel, question=old)
        view = answer_view(answer.trace_id, False, said)
        place, message = await reply.finish(Rendered(_led(lead, rendered.pieces), rendered.files), view)
        new = replace(
            post,
            answer=answer.trace_id,
            channel=place,
            message=message,
            posted_at=datetime.now(UTC),
            cited=cited_by(answer),
        )
        await self._desk.bridge.run(lambda: self._desk.ledger.posted(new))
        _log.info("An answer was corrected: its sources have changed.", answer_id=post.answer, by=answer.trace_id)


async def _to_its_end(correcting: Coroutine[None, None, None]) -> None:
    """A correction that was begun is not cut short: it would stand there by half, and never come again."""
    task = asyncio.create_task(correcting)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_END_S)
        raise


def _led(lead: str, pieces: list[str]) -> list[str]:
    """The pieces behind a lead, in the first of them where there is room."""
    first = f"{lead}\n\n{pieces[0]}"
    return [first, *pieces[1:]] if units(first) <= LIMIT else [lead, *pieces]


def _worth_another_try(error: Exception) -> bool:
    return not isinstance(error, _REFUSED) and explain(error).status != 422


def _reason(error: Exception) -> str:
    # no traceback: its frames hold the request's headers, and with them the token
    return f"{type(error).__name__}: {error}"
