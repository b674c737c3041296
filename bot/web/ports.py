"""What the HTTP front end needs from the rest of the platform. Knows nobody who provides it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from bot.answers import Event, Origin, Question
from bot.feedback import Feedback, Statistics
from bot.jobs import IngestJobs
from bot.reporting import ReportStore
from ingest.sources.uploads import Uploads
from retrieval.access import Principal
from retrieval.documents import Hit
from retrieval.filters import Filters
from retrieval.passages import SourceView


class ReadableDocument(Protocol):
    """A live document with its whole text; offsets of citations count in `text`."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def source_kind(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def text(self) -> str: ...


class Assistant(Protocol):
    """Answers, searches and shows documents, each for one principal."""

    def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        """Events of one answer, the last being `Done` or `Refused`. Closing the generator frees what it holds."""

    async def search(self, text: str, *, principal: Principal, k: int, filters: Filters) -> Sequence[Hit]:
        """The best `k` passages `principal` may read, best first, of documents that fit the filters, here and in the text."""

    async def document(self, document_id: str, *, principal: Principal) -> ReadableDocument:
        """The whole document. Raises NotFound, for what may not be read as for what is not there."""

    async def sources(self, *, principal: Principal) -> Sequence[SourceView]:
        """The sources with a document that `principal` may read, by name."""


class FeedbackTaker(Protocol):
    """Keeps what people say of answers they got. Raises NotFound for those of others as for those that are not there."""

    async def put(self, answer_id: str, feedback: Feedback, *, principal: Principal) -> None:
        """Keep a verdict on an answer, in place of an earlier one."""

    async def remove(self, answer_id: str, *, principal: Principal) -> None:
        """Take it back."""

    async def forget(self, *, principal: Principal) -> int:
        """Delete what is kept of the principal's questions; returns how many answers."""

    async def statistics(self, origin: Origin, days: int) -> Statistics:
        """Counts of what was asked through a front end."""


Identify = Callable[[str | None], Principal]
"""Turns an Authorization header (None: not sent) into who asks. Runs on the event loop: quick. Raises NotAllowed."""

OnDiscord = Callable[[str | None, int, Sequence[str]], Principal | None]
"""A person on Discord, by their id, for whom whoever sent an Authorization header asks, in which groups; None: they may not.
Raises NotAllowed."""

Readiness = Callable[[], Awaitable[None]]
"""Returns when index and model are usable; raises the fault that stands in the way."""

BackgroundTask = Callable[[], Coroutine[Any, Any, None]]
"""Something that runs as long as the server does, and is cancelled at its end."""


@dataclass(frozen=True, slots=True)
class Hook:
    """What a code host tells of pushes to one source with. Raises ValueError for an empty secret: anybody would know it."""

    secret: bytes = field(repr=False)
    branch: str = ""
    """Pushes to others are of no interest; empty: the repository's default branch."""

    def __post_init__(self) -> None:
        if not self.secret.strip():
            raise ValueError("the secret of a webhook is empty")


@dataclass(frozen=True, slots=True)
class DiscordClients:
    """What the routes for bots on Discord need."""

    on_discord: OnDiscord
    may_ask: Callable[[str | None], bool]
    """Whether an Authorization header is one of a client that may ask for people on Discord."""
    status: Callable[[], Awaitable[Sequence[str]]]
    """How Kura stands: sentences."""
    last_ingest: Callable[[], str]
    """A word that is another one after each ingest that is over. Blocking."""
    shown: Sequence[str] = ()
    """The sources that are marked for Discord."""


@dataclass(frozen=True, slots=True)
class Ingestion:
    """What the routes of ingestion need."""

    jobs: IngestJobs
    reports: ReportStore
    may_ingest: Callable[[str | None], bool]
    """Whether an Authorization header is one of a client that may start ingests and see them."""
    may_name_paths: Callable[[str | None], bool] = lambda _: False
    """Whether it is that of this machine's command line, which may name paths."""
    hooks: Mapping[str, Hook] = field(default_factory=lambda: MappingProxyType({}))
    """By source."""
    uploads: Mapping[str, Uploads] = field(default_factory=lambda: MappingProxyType({}))
    """By source."""
