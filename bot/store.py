"""Conversations in SQLite: what was asked, answered and said of it, for whoever asked, as long as they may read the same.

Knows nothing of searching.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, text

from bot.answers import Answer, Origin, Question
from bot.feedback import Complaint, Feedback, Statistics
from retrieval.access import Principal
from retrieval.database import open_database, reading, writing
from retrieval.errors import NotFound

MIGRATIONS = Path(__file__).parent / "migrations"
DATABASE = "conversations.db"
_OWN = "id = :id AND principal = :principal AND scope = :scope"
"""An answer that the principal got and may still read, as their threads are theirs."""
_SEEN = (
    f"(({_OWN}) OR (shared AND id = :id AND json_extract(scope, '$[1]') = :audience"
    " AND NOT EXISTS (SELECT 1 FROM json_each(scope, '$[0]') WHERE value NOT IN (SELECT value FROM json_each(:groups)))))"
)
"""Such an answer, or one that was shown to others than its asker, for the same audience, and made from nothing but what the
principal's groups may read."""
_NOT_YOURS = "There is no such answer of yours: take the trace_id of one that you got in a thread."


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer. `query` is the question as it was searched for, made to stand alone."""

    question: str
    query: str
    answer: str
    refused: bool


class ConversationStore:
    """The conversations of a data folder.

    A thread's history belongs to the principal who asked, in the groups they were in and for the audience they had: nobody
    else reads it, and a change of groups begins it anew, for its answers quote what was readable then.
    """

    def __init__(self, folder: Path) -> None:
        self._engine: Engine = open_database(folder / DATABASE, MIGRATIONS)

    def history(self, thread: str, *, principal: Principal, most: int = 6) -> list[Turn]:
        """The newest turns of a thread, oldest first."""
        statement = text(
            "SELECT question, query, answer, style FROM turns WHERE thread = :thread AND principal = :principal"
            " AND scope = :scope ORDER BY rowid DESC LIMIT :most"
        )
        with reading(self._engine) as connection:
            values = {"thread": thread, "principal": principal.id, "scope": _scope(principal), "most": most}
            rows = connection.execute(statement, values).all()
        return [Turn(row.question, row.query, row.answer, row.style == "refusal") for row in reversed(rows)]

    def save_turn(self, question: Question, query: str, answer: Answer) -> None:
        """Keep a turn of a thread."""
        statement = text(
            "INSERT INTO turns"
            " (id, thread, principal, scope, origin, question, query, answer, style, prompt, shared, created_at)"
            " VALUES (:id, :thread, :principal, :scope, :origin, :question, :query, :answer, :style, :prompt, :shared, :at)"
        )
        values = {
            "id": answer.trace_id,
            "thread": question.thread,
            "principal": question.principal.id,
            "scope": _scope(question.principal),
            "origin": question.origin,
            "question": question.text,
            "query": query,
            "answer": answer.text,
            "style": answer.style,
            "prompt": answer.prompt,
            "shared": question.shared,
            "at": _now(),
        }
        with writing(self._engine) as connection:
            connection.execute(statement, values)

    def put_feedback(self, answer_id: str, feedback: Feedback, *, principal: Principal) -> None:
        """Keep what the principal says of an answer they got, or that was shown to them, in place of what they said before.

        `answer_id` is the answer's `trace_id`. Raises NotFound for an answer that was not kept (it was in no thread), is
        somebody else's and was not shown to others (`Question.shared`), or was made for groups that they are not in: the
        three look the same.
        """
        statement = text(
            "INSERT INTO feedback (answer, principal, verdict, what_was_wrong, what_is_right, given_at)"
            " SELECT id, :principal, :verdict, :wrong, :right, :at FROM turns WHERE "
            + _SEEN
            + " ON CONFLICT DO UPDATE SET"
            " verdict = excluded.verdict, what_was_wrong = excluded.what_was_wrong,"
            " what_is_right = excluded.what_is_right, given_at = excluded.given_at"
        )
        values = {"verdict": feedback.verdict, "wrong": feedback.wrong, "right": feedback.right, "at": _now()}
        with writing(self._engine) as connection:
            if not connection.execute(statement, values | _own(answer_id, principal)).rowcount:
                raise NotFound(_NOT_YOURS)

    def remove_feedback(self, answer_id: str, *, principal: Principal) -> None:
        """Take back what the principal said of an answer, if they said anything. Raises NotFound as `put_feedback`."""
        statement = text("DELETE FROM feedback WHERE answer = :id AND principal = :principal")
        own = _own(answer_id, principal)
        with writing(self._engine) as connection:
            if connection.execute(text("SELECT 1 FROM turns WHERE " + _SEEN), own).first() is None:
                raise NotFound(_NOT_YOURS)
            connection.execute(statement, {"id": own["id"], "principal": own["principal"]})

    def forget(self, *, principal: Principal) -> int:
        """Delete every question of the principal with its answer and what anybody said of it, whatever groups they were in
        then, and what they said of others' answers; returns how many answers."""
        own = {"principal": principal.id}
        with writing(self._engine) as connection:
            connection.execute(text("DELETE FROM feedback WHERE principal = :principal"), own)
            return connection.execute(text("DELETE FROM turns WHERE principal = :principal"), own).rowcount

    def statistics(self, origin: Origin, days: int) -> Statistics:
        """What was asked through a front end in the last days, and what was said of it: counts, nobody's words."""
        asked = text(
            "SELECT count(DISTINCT principal) AS people, count(*) AS questions, coalesce(sum(style = 'refusal'), 0) AS refused"
            " FROM turns WHERE origin = :origin AND created_at >= :since AND style != 'courtesy'"
        )
        said = text(
            "SELECT coalesce(sum(verdict = 'up'), 0) AS up, coalesce(sum(verdict = 'down'), 0) AS down"
            " FROM feedback JOIN turns ON turns.id = feedback.answer WHERE origin = :origin AND created_at >= :since"
        )
        values = {"origin": origin, "since": _ago(days)}
        with reading(self._engine) as connection:
            counts, verdicts = connection.execute(asked, values).one(), connection.execute(said, values).one()
        return Statistics(days, *counts, *verdicts)

    def complaints(self) -> list[Complaint]:
        """Answers with thumbs down, everybody's, oldest verdict first: for whoever owns the data folder, and no front end."""
        statement = text(
            "SELECT id, question, query, turns.answer AS said, scope, verdict, what_was_wrong, what_is_right, given_at"
            " FROM feedback JOIN turns ON turns.id = feedback.answer WHERE verdict = 'down' ORDER BY given_at, id"
        )
        with reading(self._engine) as connection:
            rows = connection.execute(statement).all()
        return [
            Complaint(
                row.id,
                row.question,
                row.query,
                row.said,
                frozenset(json.loads(row.scope)[0]),
                Feedback(row.verdict, row.what_was_wrong, row.what_is_right),
                row.given_at,
            )
            for row in rows
        ]

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def _own(answer_id: str, principal: Principal) -> dict[str, str]:
    """The values of `_SEEN`."""
    return {
        "id": answer_id,
        "principal": principal.id,
        "scope": _scope(principal),
        "audience": principal.audience,
        "groups": json.dumps(sorted(principal.groups)),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")


def _scope(principal: Principal) -> str:
    """What the principal may read, as text: equal for equal groups and audience, and for no others."""
    return json.dumps([sorted(principal.groups), principal.audience], ensure_ascii=False)
