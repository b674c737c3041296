"""Conversations: one row for each question answered."""

from alembic import op

revision = "0001_turns"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE turns (
            id TEXT PRIMARY KEY,
            thread TEXT NOT NULL,
            principal TEXT NOT NULL,
            scope TEXT NOT NULL,             -- the groups and the audience the answer was made for
            origin TEXT NOT NULL,
            question TEXT NOT NULL,
            query TEXT NOT NULL,             -- the question as it was searched for
            answer TEXT NOT NULL,
            style TEXT NOT NULL,
            created_at TEXT NOT NULL         -- UTC, ISO 8601
        )
        """
    )
    op.execute("CREATE INDEX turns_thread ON turns (thread, principal, scope)")
