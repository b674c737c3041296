"""Conversations in SQLite: what was asked and answered, read back only for whoever asked it, as long as they may read the same.

Knows nothing of searching.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, text

from bot.answers import Answer, Question
from retrieval.access import Principal
from retrieval.database import open_database, reading, writing

MIGRATIONS = Path(__file__).parent / "migrations"
DATABASE = "conversations.db"


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
            "INSERT INTO turns (id, thread, principal, scope, origin, question, query, answer, style, created_at)"
            " VALUES (:id, :thread, :principal, :scope, :origin, :question, :query, :answer, :style, :at)"
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
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        with writing(self._engine) as connection:
            connection.execute(statement, values)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def _scope(principal: Principal) -> str:
    """What the principal may read, as text: equal for equal groups and audience, and for no others."""
    return json.dumps([sorted(principal.groups), principal.audience], ensure_ascii=False)
