"""Feedback: what the person who got an answer says of it, gone with the answer; and the prompt that answers were made with."""

from alembic import op

revision = "0002_feedback"
down_revision = "0001_turns"


def upgrade() -> None:
    op.execute("ALTER TABLE turns ADD COLUMN prompt TEXT NOT NULL DEFAULT ''")  # its version; empty: no model wrote
    op.execute(
        """
        CREATE TABLE feedback (
            answer TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
            principal TEXT NOT NULL,
            verdict TEXT NOT NULL CHECK (verdict IN ('up', 'down')),
            what_was_wrong TEXT NOT NULL,
            what_is_right TEXT NOT NULL,
            given_at TEXT NOT NULL,          -- UTC, ISO 8601
            PRIMARY KEY (answer, principal)
        )
        """
    )
