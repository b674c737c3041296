"""What the stand-in remembers and what it was told to do wrong. Knows no protocol."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.bot.discord_bot.standin.payloads import BOT_ID, Json
from tests.bot.discord_bot.standin.world import World

TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAy.Standin.not-a-real-token"  # as long and shaped as a real one

PATIENCE_S = 15.0
"""How long a test waits for something that is to happen; far more than it takes."""

EPHEMERAL, THINKING = 1 << 6, 1 << 7
TOKEN_LIVES_S = 15 * 60
_DISCORD_EPOCH_MS = 1_420_070_400_000


@dataclass(slots=True)
class Call:
    """One request the client made. `status` 0: the connection was cut instead of an answer."""

    method: str
    path: str
    body: Json
    status: int = 0
    at: float = 0.0
    """On the event loop's clock, seconds."""


@dataclass(slots=True)
class Asked:
    """What somebody did that the client has to answer (a command, a click, ...), and what came back."""

    id: int
    token: str
    channel_id: int
    born: float
    """On the stand-in's clock, seconds."""
    user_id: int = 0
    kind: int = 2
    locale: str = "en-US"
    message: Json | None = None
    """The one whose component was used, or from which the modal was opened."""
    began: float = 0.0
    """On the event loop's clock, which nobody moves."""
    acknowledged_after_s: float | None = None
    original: Json | None = None
    """The message in the response's place (of a component it may be `message`); empty content while "thinking"."""
    followups: list[Json] = field(default_factory=list)
    choices: list[Json] | None = None
    """What autocomplete offers: `name` and `value` each."""
    modal: Json | None = None
    """The form that the client opened: `title`, `custom_id`, `components`."""

    @property
    def messages(self) -> list[Json]:
        """The client's answer as people see it, in order: the response, then the follow-ups; not the clicked message."""
        own = self.original is not None and self.original is not self.message
        shown = [self.original] if own and self.original and not self.original["flags"] & THINKING else []
        return [*shown, *self.followups]

    @property
    def contents(self) -> list[str]:
        """The texts people see, in order."""
        return [message["content"] for message in self.messages if message["content"]]

    @property
    def ephemeral(self) -> bool:
        """True if only the person who asked sees the response, even while "thinking"."""
        return bool(self.original and self.original["flags"] & EPHEMERAL)


@dataclass(slots=True)
class Fault:
    """Answer the next `times` requests that match with `status` (0: cut the connection): instead of carrying out, or after."""

    method: str
    path: re.Pattern[str]
    status: int
    times: int
    retry_after_s: float
    carried_out: bool
    code: int = 0
    each: int = 0
    """How often it may hit one method and path; 0: any number."""
    hit: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class State:
    """Everything both halves of the stand-in, REST and gateway, look at."""

    token: str = TOKEN
    acknowledge_within_s: float = 3.0
    privileged_intents: int = 1 << 15
    """Those that the application was granted: the content of messages."""
    world: World = field(default_factory=World)
    calls: list[Call] = field(default_factory=list)
    commands: list[Json] = field(default_factory=list)
    messages: dict[int, Json] = field(default_factory=dict)
    """Everything that stands in any channel, ephemeral or not, oldest first."""
    reactions: dict[int, set[tuple[str, int]]] = field(default_factory=dict)
    """Of each message: (emoji, who)."""
    files: dict[int, bytes] = field(default_factory=dict)
    """What each attachment holds, by its id."""
    asked: dict[str, Asked] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    """What Discord takes and Kura must not do: text without `allowed_mentions`, ..."""
    refuse_connections: int = 0
    moved_s: float = 0.0
    """How far tests have moved the clock on."""
    message_rate: tuple[int, float] | None = None
    """Messages and edits that one channel takes, and in how many seconds; None: any number."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _last_id: int = 0

    def new_id(self) -> int:
        """A snowflake: it grows, and holds the time of the stand-in's clock, as Discord's do."""
        self._last_id = max(self._last_id + 1, int((time.time() + self.moved_s) * 1000 - _DISCORD_EPOCH_MS) << 22)
        return self._last_id

    def now(self) -> float:
        """The stand-in's clock, seconds."""
        return asyncio.get_running_loop().time() + self.moved_s

    def stamp(self) -> str:
        """Now, as Discord writes it."""
        return datetime.fromtimestamp(time.time() + self.moved_s, UTC).isoformat()

    def expired(self, asked: Asked) -> bool:
        return self.now() - asked.born > TOKEN_LIVES_S

    async def notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
        """Wait until `condition` holds; it is looked at after everything that happens here."""
        async with asyncio.timeout(within_s), self.changed:
            await self.changed.wait_for(condition)

    def fault_for(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            spared = fault.each and fault.hit[f"{method} {path}"] >= fault.each
            if fault.times and not spared and fault.method in (method, "*") and fault.path.search(path):
                fault.times -= 1
                fault.hit[f"{method} {path}"] += 1
                return fault
        return None

    def replies(self, channel_id: int, author_id: int = BOT_ID) -> list[Json]:
        """The messages that stand in a channel from one author, in order; no responses to interactions."""
        return [
            m
            for m in self.messages.values()
            if m["channel_id"] == str(channel_id) and m["author"]["id"] == str(author_id) and "webhook_id" not in m
        ]
