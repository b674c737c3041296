"""Conversations in SQLite: what was asked and answered, read back only for whoever asked it. Knows nothing of searching."""

from __future__ import annotations

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
    """The conversations of a data folder. A thread's history belongs to the principal who asked: nobody else reads it."""

    def __init__(self, folder: Path) -> None:
        self._engine: Engine = open_database(folder / DATABASE, MIGRATIONS)

    def history(self, thread: str, *, principal: Principal, most: int = 6) -> list[Turn]:
        """The newest turns of a thread, oldest first."""
        statement = text(
            "SELECT question, query, answer, style FROM turns WHERE thread = :thread AND principal = :principal"
            " ORDER BY rowid DESC LIMIT :most"
        )
        with reading(self._engine) as connection:
            rows = connection.execute(statement, {"thread": thread, "principal": principal.id, "most": most}).all()
        return [Turn(row.question, row.query, row.answer, row.style == "refusal") for row in reversed(rows)]

    def save_turn(self, question: Question, query: str, answer: Answer) -> None:
        """Keep a turn of a thread."""
        statement = text(
            "INSERT INTO turns (id, thread, principal, origin, question, query, answer, style, created_at)"
            " VALUES (:id, :thread, :principal, :origin, :question, :query, :answer, :style, :at)"
        )
        values = {
            "id": answer.trace_id,
            "thread": question.thread,
            "principal": question.principal.id,
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
