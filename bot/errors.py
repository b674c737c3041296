"""The one place where an exception becomes a sentence, an HTTP status and an exit code. Knows no front end.

BotError
├── BadQuestion         empty, or longer than a question may be
├── BadFeedback         a note on an answer is too long
├── SettingsError       kura.toml or the environment says something that cannot be
├── NotAllowed          the credentials are wrong
└── Overloaded          too many questions at once; try again later
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.errors import DocumentError, IngestError
from models.errors import DownloadError, EngineBusy, EngineFailed, ModelError, PromptTooLong
from retrieval.errors import BadFilter, GlossaryError, NotFound, RetrievalError


class BotError(Exception):
    """Any fault of the platform; its message is one sentence for people, naming the thing and the next step."""


class BadQuestion(BotError):
    """The question cannot be asked as it is."""


class BadFeedback(BotError):
    """The feedback cannot be kept as it is."""


class SettingsError(BotError):
    """The settings are wrong."""


class NotAllowed(BotError):
    """The credentials are missing or wrong."""


class Overloaded(BotError):
    """No place left in a queue."""


EXIT_FAULT = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_TABLE: tuple[tuple[type[Exception], int, int, bool], ...] = (
    # kind, HTTP status, exit code, whether its sentences name files and settings; the first that fits counts
    (BadQuestion, 422, EXIT_USAGE, False),
    (BadFeedback, 422, EXIT_USAGE, False),
    (BadFilter, 422, EXIT_USAGE, False),
    (SettingsError, 500, EXIT_USAGE, True),
    (GlossaryError, 500, EXIT_USAGE, True),
    (NotAllowed, 401, EXIT_FAULT, False),
    (Overloaded, 503, EXIT_FAULT, False),
    (NotFound, 404, EXIT_FAULT, False),
    (PromptTooLong, 422, EXIT_FAULT, False),
    (EngineBusy, 503, EXIT_FAULT, False),
    (EngineFailed, 503, EXIT_FAULT, True),
    (DownloadError, 502, EXIT_FAULT, True),
    (ModelError, 500, EXIT_FAULT, True),
    (DocumentError, 422, EXIT_FAULT, False),
    (IngestError, 422, EXIT_FAULT, False),
    (RetrievalError, 503, EXIT_FAULT, True),
    (BotError, 500, EXIT_FAULT, False),
)


@dataclass(frozen=True, slots=True)
class Explained:
    """What a person, a program and a shell are told. `known` is False for a fault nobody foresaw: log its traceback."""

    sentence: str
    status: int
    exit_code: int
    known: bool = True
    names_insides: bool = False
    retry_after_s: float | None = None
    """When to come back, if that is known."""

    @property
    def public(self) -> str:
        """What may be said over the network: names of files and settings stay inside."""
        if self.names_insides and self.status == 503:
            return (
                "Kura cannot do this just now: try again in a moment; whoever runs it will find the reason in its log."
            )
        if self.names_insides:
            return "Kura cannot do this just now; whoever runs it will find the reason in its log."
        return self.sentence


def explain(error: BaseException) -> Explained:
    """Turn any exception into what may be shown. The text of an unforeseen one is never shown over the network."""
    for kind, status, exit_code, names_insides in _TABLE:
        if isinstance(error, kind):
            retry = error.retry_after_s if isinstance(error, EngineBusy) else None
            return Explained(str(error), status, exit_code, names_insides=names_insides, retry_after_s=retry)
    if any(_disk_full(one) for one in _chain(error)):
        return Explained("The disk is full: free some space and try again; nothing stored was harmed.", 507, EXIT_FAULT)
    if damage := next((one for one in _chain(error) if _damaged(one)), None):
        return Explained(
            f"The database in the data folder is damaged ({damage}): run `kura repair`; if that fails, restore a backup.",
            503,
            EXIT_FAULT,
            names_insides=True,
        )
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return Explained("A name or text that was given is not valid UTF-8: type it again.", 422, EXIT_USAGE)
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return Explained("Interrupted.", 499, EXIT_INTERRUPTED)
    return Explained("Something went wrong inside Kura; the log has the details.", 500, EXIT_FAULT, known=False)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what caused it, what caused that."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _disk_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    return isinstance(error, sqlite3.OperationalError) and "disk is full" in str(error)


def _damaged(error: BaseException) -> bool:
    """Whether SQLite says that its file, or one of its tables, is not what was written."""
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the higher bits only tell kinds of it apart
    lost = str(error).startswith(("vtable constructor failed", "no such table"))
    return primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or lost
