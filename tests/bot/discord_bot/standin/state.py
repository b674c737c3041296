"""What the stand-in remembers and what it was told to do wrong. Knows no protocol."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bot.discord_bot.standin.payloads import Json

TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAy.Standin.not-a-real-token"  # as long and shaped as a real one

PATIENCE_S = 15.0
"""How long a test waits for something that is to happen; far more than it takes."""


@dataclass(slots=True)
class Call:
    """One request the client made."""

    method: str
    path: str
    body: Json
    status: int = 0


@dataclass(slots=True)
class Asked:
    """A slash command that somebody used, and what came back."""

    id: int
    token: str
    channel_id: int
    born: float
    """On the event loop's clock, seconds."""
    acknowledged_after_s: float | None = None
    original: Json | None = None
    """The message in the response's place; empty content while "thinking"."""
    followups: list[Json] = field(default_factory=list)

    @property
    def contents(self) -> list[str]:
        """The texts people see, in order."""
        shown = [self.original] if self.original and self.original["content"] else []
        return [message["content"] for message in [*shown, *self.followups]]


@dataclass(slots=True)
class Fault:
    """Answer the next `times` requests that match with `status`: instead of carrying them out, or after it."""

    method: str
    path: re.Pattern[str]
    status: int
    times: int
    retry_after_s: float
    carried_out: bool


@dataclass(slots=True)
class State:
    """Everything both halves of the stand-in, REST and gateway, look at."""

    token: str = TOKEN
    acknowledge_within_s: float = 3.0
    privileged_intents: int = 0
    """Those that the application was granted."""
    calls: list[Call] = field(default_factory=list)
    commands: list[Json] = field(default_factory=list)
    messages: dict[int, Json] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    refuse_connections: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(900_000_000_000_000_000))

    def new_id(self) -> int:
        return next(self._ids)

    async def notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until `condition` holds; it is looked at after everything that happens here."""
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(condition)

    def fault_for(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.method == method and fault.path.search(path):
                fault.times -= 1
                return fault
        return None

    def replies(self, channel_id: int, author_id: int) -> list[Json]:
        """The messages that stand in a channel from one author, in order."""
        return [
            m
            for m in self.messages.values()
            if m["channel_id"] == str(channel_id) and m["author"]["id"] == str(author_id)
        ]
