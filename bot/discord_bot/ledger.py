"""What must outlive a restart of the Discord bot, in SQLite: questions under way, answers posted and what
was said of them, whose a thread is.

Knows no Discord client. Blocking: call it over a bridge (`bot/bridge.py`). Times are in UTC.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

from sqlalchemy import Connection, Engine, text

from bot.feedback import Verdict
from retrieval.data_folder import make_private_folder
from retrieval.database import open_database, reading, writing

MIGRATIONS = Path(__file__).parent / "migrations"
DATABASE = "discord.db"
KEPT = timedelta(days=7)
"""How long it is remembered that an event was taken up. Discord repeats one within minutes."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A question that was taken up and has no answer yet. `event` is the id of the interaction or message that asked."""

    event: int
    asker: int
    channel: int
    question: str
    locale: str
    asked_at: datetime
    private: bool = False
    token: str = ""
    """The interaction's; empty if a message asked."""
    message: int | None = None
    """The placeholder that the answer is to stand in."""


@dataclass(frozen=True, slots=True)
class Cited:
    """A quote of a posted answer, word for word, and where it stood."""

    n: int
    document: str
    title: str
    address: str
    heading: tuple[str, ...]
    line: int
    page: int | None
    quote: str


@dataclass(frozen=True, slots=True)
class Post:
    """An answer that stands on Discord. `message` is the one with the buttons; `guild` is None in a direct message."""

    answer: str
    asker: int
    guild: int | None
    channel: int
    message: int
    question: str
    locale: str
    private: bool
    posted_at: datetime
    cited: tuple[Cited, ...] = ()
    recalled: bool = False


class Ledger:
    """The database of the bot, in a data folder. Raises DataFolderError, IndexDamaged if it cannot be opened."""

    def __init__(self, folder: Path) -> None:
        make_private_folder(folder)
        self._engine: Engine = open_database(folder / DATABASE, MIGRATIONS)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    # --- questions under way ---

    def take(self, waiting: Waiting) -> bool:
        """Take up a question. False if its event was taken up before: whoever gets False does nothing."""
        with writing(self._engine) as connection:
            old = {"before": _stamp(datetime.now(UTC) - KEPT)}
            connection.execute(text("DELETE FROM taken WHERE taken_at < :before"), old)
            new = connection.execute(
                text("INSERT INTO taken VALUES (:event, :at) ON CONFLICT DO NOTHING"),
                {"event": waiting.event, "at": _stamp(datetime.now(UTC))},
            )
            if not new.rowcount:
                return False
            connection.execute(
                text(
                    "INSERT INTO waiting (event, asker, channel, message, token, question, locale, private, asked_at)"
                    " VALUES (:event, :asker, :channel, :message, :token, :question, :locale, :private, :asked_at)"
                ),
                {
                    **{key: getattr(waiting, key) for key in Waiting.__slots__},
                    "asked_at": _stamp(waiting.asked_at),
                },
            )
        return True

    def placed(self, event: int, *, channel: int, message: int) -> None:
        """Note where a question's placeholder stands."""
        statement = text("UPDATE waiting SET channel = :channel, message = :message WHERE event = :event")
        with writing(self._engine) as connection:
            connection.execute(statement, {"event": event, "channel": channel, "message": message})

    def done(self, event: int) -> None:
        """A question was answered, or its asker told why not."""
        with writing(self._engine) as connection:
            connection.execute(text("DELETE FROM waiting WHERE event = :event"), {"event": event})

    def waiting(self) -> list[Waiting]:
        """Questions that were taken up and not done, oldest first: after a start, those that the last run left."""
        with reading(self._engine) as connection:
            rows = connection.execute(text("SELECT * FROM waiting ORDER BY asked_at, event")).all()
        return [
            Waiting(
                event=row.event,
                asker=row.asker,
                channel=row.channel,
                question=row.question,
                locale=row.locale,
                asked_at=datetime.fromisoformat(row.asked_at),
                private=bool(row.private),
                token=row.token,
                message=row.message,
            )
            for row in rows
        ]

    # --- answers posted ---

    def posted(self, post: Post, *, event: int | None = None) -> None:
        """Note an answer that was posted, in place of what was noted of the same answer; the question of `event` is done.

        Of one whose asker was forgotten meanwhile nothing is noted.
        """
        with writing(self._engine) as connection:
            waited = connection.execute(text("DELETE FROM waiting WHERE event = :event"), {"event": event})
            if event is not None and not waited.rowcount:
                return
            connection.execute(text("DELETE FROM posts WHERE answer = :answer"), {"answer": post.answer})
            connection.execute(
                text(
                    "INSERT INTO posts (answer, asker, guild, channel, message, question, locale, private, posted_at)"
                    " VALUES (:answer, :asker, :guild, :channel, :message, :question, :locale, :private, :posted_at)"
                ),
                {
                    **{key: getattr(post, key) for key in Post.__slots__ if key not in ("cited", "recalled")},
                    "posted_at": _stamp(post.posted_at),
                },
            )
            _cite(connection, post.answer, post.cited)

    def cites(self, answer: str, cited: Sequence[Cited]) -> None:
        """Note where the quotes of a posted answer stand now."""
        with writing(self._engine) as connection:
            connection.execute(text("DELETE FROM cited WHERE answer = :answer"), {"answer": answer})
            _cite(connection, answer, cited)

    def post(self, answer: str) -> Post | None:
        """The post of an answer, by its trace_id."""
        return self._first("answer = :value", answer)

    def post_of_message(self, message: int) -> Post | None:
        """The answer whose buttons stand on a message."""
        return self._first("message = :value", message)

    def recallable(self, since: datetime) -> list[Post]:
        """Answers with citations, posted since then and never corrected, oldest first."""
        where = "posted_at >= :value AND recalled_at IS NULL AND answer IN (SELECT answer FROM cited)"
        return self._posts(where, _stamp(since))

    def recalled(self, answer: str) -> bool:
        """Note that a correction of an answer is being posted. False if one was before: whoever gets False posts none."""
        statement = text("UPDATE posts SET recalled_at = :at WHERE answer = :answer AND recalled_at IS NULL")
        with writing(self._engine) as connection:
            values = {"answer": answer, "at": _stamp(datetime.now(UTC))}
            return bool(connection.execute(statement, values).rowcount)

    def drop(self, answer: str) -> None:
        """Forget a post: its message is gone."""
        with writing(self._engine) as connection:
            connection.execute(text("DELETE FROM posts WHERE answer = :answer"), {"answer": answer})

    # --- what is said of answers ---

    def said(self, answer: str, person: int) -> Verdict | None:
        """What somebody said last of an answer."""
        statement = text("SELECT verdict FROM said WHERE answer = :answer AND person = :person")
        with reading(self._engine) as connection:
            found = connection.execute(statement, {"answer": answer, "person": person}).scalar()
        return next((one for one in get_args(Verdict) if one == found), None)

    def say(self, answer: str, person: int, verdict: Verdict | None) -> None:
        """Note what somebody says of an answer in place of what they said before; None: they take it back."""
        values = {"answer": answer, "person": person, "verdict": verdict}
        with writing(self._engine) as connection:
            connection.execute(text("DELETE FROM said WHERE answer = :answer AND person = :person"), values)
            if verdict is not None:
                statement = "INSERT INTO said SELECT answer, :person, :verdict FROM posts WHERE answer = :answer"
                connection.execute(text(statement), values)

    # --- conversations in threads ---

    def begin(self, thread: int, *, asker: int) -> None:
        """A thread was opened for somebody's question."""
        with writing(self._engine) as connection:
            connection.execute(
                text("INSERT INTO threads VALUES (:thread, :asker, :at) ON CONFLICT DO NOTHING"),
                {"thread": thread, "asker": asker, "at": _stamp(datetime.now(UTC))},
            )

    def invite(self, thread: int, people: list[int]) -> None:
        """Let people go on in a thread as its asker does."""
        with writing(self._engine) as connection:
            for person in people:
                connection.execute(
                    text(
                        "INSERT INTO invited SELECT thread, :person FROM threads WHERE thread = :thread"
                        " ON CONFLICT DO NOTHING"
                    ),
                    {"thread": thread, "person": person},
                )

    def converses(self, thread: int, person: int) -> bool:
        """Whether a thread was opened for somebody, or they were invited into it."""
        statement = text(
            "SELECT 1 FROM threads WHERE thread = :thread AND (asker = :person OR EXISTS"
            " (SELECT 1 FROM invited WHERE invited.thread = threads.thread AND person = :person))"
        )
        with reading(self._engine) as connection:
            return connection.execute(statement, {"thread": thread, "person": person}).first() is not None

    def forget(self, asker: int) -> int:
        """Delete what is noted of somebody; returns how many answers. Their threads stay theirs."""
        with writing(self._engine) as connection:
            connection.execute(text("DELETE FROM waiting WHERE asker = :asker"), {"asker": asker})
            connection.execute(text("DELETE FROM said WHERE person = :asker"), {"asker": asker})
            return int(connection.execute(text("DELETE FROM posts WHERE asker = :asker"), {"asker": asker}).rowcount)

    # --- reading ---

    def _first(self, where: str, value: object) -> Post | None:
        return next(iter(self._posts(where, value)), None)

    def _posts(self, where: str, value: object) -> list[Post]:
        with reading(self._engine) as connection:
            statement = text(f"SELECT * FROM posts WHERE {where} ORDER BY posted_at, answer")
            rows = connection.execute(statement, {"value": value}).all()
            return [_post(row, _cited(connection, row.answer)) for row in rows]


def _post(row: Any, cited: tuple[Cited, ...]) -> Post:
    return Post(
        answer=row.answer,
        asker=row.asker,
        guild=row.guild,
        channel=row.channel,
        message=row.message,
        question=row.question,
        locale=row.locale,
        private=bool(row.private),
        posted_at=datetime.fromisoformat(row.posted_at),
        cited=cited,
        recalled=row.recalled_at is not None,
    )


def _cite(connection: Connection, answer: str, cited: Sequence[Cited]) -> None:
    for one in cited:
        connection.execute(
            text(
                "INSERT INTO cited (answer, n, document, title, address, heading, line, page, quote)"
                " VALUES (:answer, :n, :document, :title, :address, :heading, :line, :page, :quote)"
            ),
            {
                **{key: getattr(one, key) for key in Cited.__slots__},
                "answer": answer,
                "heading": json.dumps(one.heading, ensure_ascii=False),
            },
        )


def _cited(connection: Connection, answer: str) -> tuple[Cited, ...]:
    rows = connection.execute(text("SELECT * FROM cited WHERE answer = :answer ORDER BY n"), {"answer": answer})
    return tuple(
        Cited(
            n=row.n,
            document=row.document,
            title=row.title,
            address=row.address,
            heading=tuple(json.loads(row.heading)),
            line=row.line,
            page=row.page,
            quote=row.quote,
        )
        for row in rows
    )


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
