"""One question from Discord: taken up once, asked, shown as it grows, answered, noted. Knows no command.

The order is what makes it safe: acknowledged, taken (`bot/discord_bot/ledger.py`), placed, asked, posted, done. Whatever breaks
off in between is finished or apologised for by the next run (`bot/discord_bot/resuming.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import aiohttp
import discord
import structlog

from bot.answers import Answer, Delta, Done, Question, Queued, Refused, Searching
from bot.discord_bot.desk import Desk
from bot.discord_bot.ledger import Post, Waiting
from bot.discord_bot.progress import Progress
from bot.discord_bot.recall import cited_by
from bot.discord_bot.rendering import Rendered, render, render_partial, render_sentence
from bot.discord_bot.replies import Reply, View
from bot.discord_bot.words import Words, words
from bot.errors import BotError, explain
from retrieval.access import Principal
from retrieval.filters import NO_FILTERS, Filters, read_filters
from retrieval.language import language

_log = structlog.get_logger(__name__)

_DELIVERY_S = 10.0
"""How long a stopping bot waits for an answer that is being posted: half of one would stand there for good."""
_STOPPED_S = 60.0
"""How long it is tried to say that an answer was stopped."""
_GOODBYE_S = 2.0
"""How long a stopping bot tries to say so before it goes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what is known of who asks it. `event` is the id of the interaction or message."""

    event: int
    text: str
    principal: Principal
    asker: int
    guild: int | None
    channel: int
    locale: str
    private: bool = False
    """Only the asker sees the answer."""
    fuller: bool = False
    """The asker may read more than the principal."""
    filters: Filters = NO_FILTERS
    token: str = ""
    """The interaction's."""


@dataclass(slots=True)
class _Running:
    task: asyncio.Task[None]
    asker: int
    stopped: bool = False
    delivery: asyncio.Task[None] | None = None
    """Puts the whole answer where it belongs: from then on nothing is stopped."""


@dataclass(frozen=True, slots=True)
class Buttons:
    """Makes the buttons below messages: Stop by the event, those of an answer by its trace_id and whether a fuller one may be
    asked for."""

    stop: Callable[[int, Words], View]
    answer: Callable[[str, bool, Words], View]


class Answerer:
    """Answers questions, each in a task of its own that can be stopped."""

    def __init__(self, desk: Desk, buttons: Buttons) -> None:
        self._desk = desk
        self._buttons = buttons
        self._running: dict[int, _Running] = {}
        self._closing = False

    async def answer(self, asked: Asked, reply: Reply, *, resumed: bool = False) -> Exception | None:
        """Answer on `reply`; returns when all is said. `resumed`: the question was taken up by an earlier run.

        What Discord does not take is logged, and returned.
        """
        task = asyncio.create_task(self._through(asked, reply, resumed=resumed))
        self._running[asked.event] = _Running(task, asked.asker)
        try:
            await task
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            # no traceback: its frames hold the request's headers, and with them the token
            _log.warning(
                "Discord did not take an answer.",
                event_id=asked.event,
                channel_id=asked.channel,
                reason=f"{type(error).__name__}: {error}",
            )
            if not self._closing:  # else it waits for the next run
                await self._desk.bridge.run(lambda: self._desk.ledger.done(asked.event))
            return error
        except asyncio.CancelledError:
            if not task.cancelled():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                raise
        finally:
            self._running.pop(asked.event, None)
        return None

    def stop(self, event: int, *, by: int, admin: bool) -> bool | None:
        """Stop what answers `event`. None: nothing does (any more); False: whoever asks may not."""
        running = self._running.get(event)
        if running is None or running.delivery is not None:
            return None
        if running.asker != by and not admin:
            return False
        if running.stopped:  # it is being told so
            return True
        running.stopped = True
        running.task.cancel()
        return True

    async def close(self) -> None:
        """Stop everything that is being answered, telling those who wait."""
        self._closing = True
        tasks = [running.task for running in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- one question ---

    async def _through(self, asked: Asked, reply: Reply, *, resumed: bool) -> None:
        said, desk = words(asked.locale), self._desk
        try:
            if not resumed and not await self._taken(asked):
                return
            channel, message = await reply.acknowledge(said, self._buttons.stop(asked.event, said))
            await desk.bridge.run(lambda: desk.ledger.placed(asked.event, channel=channel, message=message))
            await self._asked(asked, reply, said)
        except asyncio.CancelledError:
            running = self._running[asked.event]
            stopped = running.stopped
            if running.delivery is not None:
                delivered, _ = await asyncio.wait([running.delivery], timeout=_DELIVERY_S)
                if delivered and running.delivery.exception() is None:  # else the next run makes it good
                    await desk.bridge.run(lambda: desk.ledger.done(asked.event))
                raise
            sentence = said.stopped if stopped else said.shutting_down
            async with asyncio.timeout(_STOPPED_S if stopped else _GOODBYE_S):
                await reply.finish(Rendered(render_sentence(sentence), []), None)
            await desk.bridge.run(lambda: desk.ledger.done(asked.event))
            if not stopped:
                raise
            return
        await desk.bridge.run(lambda: desk.ledger.done(asked.event))

    async def _taken(self, asked: Asked) -> bool:
        waiting = Waiting(
            event=asked.event,
            asker=asked.asker,
            channel=asked.channel,
            question=f"{asked.text} {asked.filters}".strip(),
            locale=asked.locale,
            asked_at=datetime.now(UTC),
            private=asked.private,
            token=asked.token,
        )
        return await self._desk.bridge.run(lambda: self._desk.ledger.take(waiting))

    async def _asked(self, asked: Asked, reply: Reply, said: Words) -> None:
        progress = Progress(reply.show)
        deliver: Callable[[], Coroutine[None, None, None]]
        try:
            answer, query = await self._answered(asked, progress, said)
            deliver = partial(self._delivered, asked, answer, query, reply, said)
        except Exception as error:  # noqa: BLE001 - whatever it was, somebody is waiting to hear of it
            explained = explain(error)
            if explained.known:
                _log.warning("A question from Discord was not answered.", event_id=asked.event, reason=str(error))
            else:
                _log.exception("A question from Discord was not answered.", event_id=asked.event)
            deliver = partial(self._told, said.fault(explained), reply)
        finally:
            await progress.close()
        delivery = asyncio.create_task(deliver())
        self._running[asked.event].delivery = delivery
        await asyncio.shield(delivery)

    async def _told(self, sentence: str, reply: Reply) -> None:
        await reply.finish(Rendered([sentence], []), None)

    async def _delivered(self, asked: Asked, answer: Answer, query: str, reply: Reply, said: Words) -> None:
        rendered = render(answer, words(language(answer.question)))
        asks = answer.style != "courtesy"
        view = self._buttons.answer(answer.trace_id, asked.fuller, said) if asks else None
        channel, message = await reply.finish(rendered, view)
        if asks:
            post = self._post(asked, answer, query, channel, message)
            await self._desk.bridge.run(lambda: self._desk.ledger.posted(post, event=asked.event))

    async def _answered(self, asked: Asked, progress: Progress, said: Words) -> tuple[Answer, str]:
        """The final answer, and what was searched for."""
        question = Question(
            id=f"discord:{asked.event}",
            text=asked.text,
            principal=asked.principal,
            thread=_conversation(asked),
            origin="discord",
            filters=asked.filters,
            shared=not asked.private,
        )
        answer, text, query = None, "", asked.text
        async with aclosing(self._desk.platform.ask(question)) as events:
            async for event in events:  # to the end: the assistant may have something to put away after its answer
                match event:
                    case Searching():
                        query = event.query
                        progress.tell(said.searching)
                    case Queued():
                        progress.tell(said.queued(event.position, event.seconds))
                    case Delta():
                        text += event.text
                        progress.tell(partial(render_partial, text, said))
                    case Done() | Refused():
                        answer = event.answer
                    case _:
                        pass
        if answer is None:
            raise BotError("The assistant stopped without an answer: please ask again.")
        return answer, query

    def _post(self, asked: Asked, answer: Answer, query: str, channel: int, message: int) -> Post:
        return Post(
            answer=answer.trace_id,
            asker=asked.asker,
            guild=asked.guild,
            channel=channel or asked.channel,
            message=message,
            question=_standing_alone(asked, query or answer.question),
            locale=asked.locale,
            private=asked.private,
            posted_at=datetime.now(UTC),
            cited=cited_by(answer),
        )


def _conversation(asked: Asked) -> str:
    """A person's conversation in one place; what they asked there for themselves alone is no context of what others see."""
    apart = ":private" if asked.private and asked.guild is not None else ""
    return f"discord:{asked.channel}:{asked.asker}{apart}"


def _standing_alone(asked: Asked, query: str) -> str:
    """What is asked again for the same answer: what was searched for, and in which documents."""
    return f"{read_filters(query)[0]} {asked.filters & read_filters(asked.text)[1]}".strip()
