"""What a source holds and cannot be read: it is not tried again until it, or what reads it, has changed."""

from alembic import op

revision = "0003_unread"
down_revision = "0002_generations"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE unread (
            source_id INTEGER NOT NULL REFERENCES sources(id),
            item TEXT NOT NULL,
            source_version TEXT NOT NULL,
            content_sha256 TEXT NOT NULL,      -- of the bytes that could not be read; empty if not even those were had
            recipe TEXT NOT NULL,
            reason TEXT NOT NULL,              -- a sentence
            PRIMARY KEY (source_id, item)
        ) WITHOUT ROWID
        """
    )
