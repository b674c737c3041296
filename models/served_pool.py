"""Which of several model servers gets the next request. Knows no HTTP: it is told what happened and asked who is next.

A server is taken to be well until something fails; then it gets nothing until a check finds it well again. One that says
it is busy gets nothing for as long as it asked. Used in one thread only.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from models.errors import EngineBusy, EngineFailed, ModelError

STICKY_SLACK = 2
"""A conversation leaves its server when that has more than this many requests more under way than the least busy one."""
FIRST_BACK_OFF_S = 0.5
LONGEST_BACK_OFF_S = 60.0
"""Between checks of a server that failed: doubled with each failure in a row."""


@dataclass(slots=True, eq=False)
class Server:
    """A server by its address (ending in its API's version, such as `/v1`), and what is known of it."""

    url: str
    under_way: int = 0
    requests: int = 0
    failures: int = 0
    problem: str = ""
    """Why it gets nothing, in a sentence; empty while it is well."""
    check_at: float = 0.0
    busy_until: float = 0.0


class Pool:
    """Chooses among `urls`; `clock` gives seconds."""

    def __init__(self, urls: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        self.servers = [Server(url) for url in urls]
        self._clock = clock

    def choose(self, conversation: str = "", tried: Collection[Server] = ()) -> Server | None:
        """The server with the fewest requests under way, or that of the conversation if it is about as free."""
        now = self._clock()
        free = [each for each in self.servers if each not in tried and not each.problem and each.busy_until <= now]
        if not free:
            return None
        least = min(free, key=lambda server: (server.under_way, server.requests))
        if conversation:
            # rendezvous hashing: when a server comes or goes, only its own conversations move
            home = max(free, key=lambda server: _weight(conversation, server.url))
            if home.under_way - least.under_way <= STICKY_SLACK:
                return home
        return least

    def answered(self, server: Server) -> None:
        """It did what was asked."""
        server.failures, server.problem = 0, ""

    def failed(self, server: Server, problem: str) -> None:
        """It gets nothing until it is `well`; `problem` is a sentence."""
        back_off = min(FIRST_BACK_OFF_S * 2**server.failures, LONGEST_BACK_OFF_S)
        server.failures = min(server.failures + 1, 16)
        server.problem, server.check_at = problem, self._clock() + back_off

    def well(self, server: Server) -> None:
        """A check succeeded. Its failures are forgotten only once it has answered, or it might fail each second request."""
        server.problem = ""

    def busy(self, server: Server, seconds: float) -> None:
        """It asked to be left alone for so long."""
        server.busy_until = self._clock() + seconds

    def down(self, tried: Collection[Server] = ()) -> list[Server]:
        """The servers that failed."""
        return [server for server in self.servers if server.problem and server not in tried]

    def due(self) -> list[Server]:
        """Those that failed long enough ago for a check."""
        return [server for server in self.down() if server.check_at <= self._clock()]

    def refusal(self, last: ModelError | None = None) -> ModelError:
        """What to say when nobody is left to be asked; `last` is what went wrong last."""
        now = self._clock()
        waits = [server.busy_until - now for server in self.servers if not server.problem and server.busy_until > now]
        if waits:
            return EngineBusy(f"The model servers are all busy: try again in {min(waits):.0f} seconds.", min(waits))
        problems = " ".join(server.problem for server in self.servers if server.problem)
        return last if last is not None and not problems else EngineFailed(problems)


def _weight(conversation: str, url: str) -> bytes:
    return hashlib.blake2b(f"{url}\0{conversation}".encode("utf-8", "replace"), digest_size=8).digest()
