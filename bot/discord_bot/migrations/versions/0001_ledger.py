"""What is under way on Discord, what was posted there with which citations and what was said of it, and whose a thread is."""

from alembic import op

revision = "0001_ledger"
down_revision = None


def upgrade() -> None:
    _questions()
    _answers()
    _conversations()


def _questions() -> None:
    op.execute(
        """
        CREATE TABLE waiting (
            event INTEGER PRIMARY KEY,       -- the interaction's or the message's id: a question is taken up once
            asker INTEGER NOT NULL,
            channel INTEGER NOT NULL,
            message INTEGER,                 -- the placeholder; NULL: none yet
            token TEXT NOT NULL,             -- the interaction's, good for 15 minutes; empty: a message asked
            question TEXT NOT NULL,
            locale TEXT NOT NULL,
            private INTEGER NOT NULL,
            asked_at TEXT NOT NULL           -- UTC, ISO 8601
        )
        """
    )
    op.execute("CREATE TABLE taken (event INTEGER PRIMARY KEY, taken_at TEXT NOT NULL)")


def _answers() -> None:
    op.execute(
        """
        CREATE TABLE posts (
            answer TEXT PRIMARY KEY,         -- its trace_id
            asker INTEGER NOT NULL,
            guild INTEGER,                   -- NULL: a direct message
            channel INTEGER NOT NULL,        -- or a thread
            message INTEGER NOT NULL,        -- the one with the buttons
            question TEXT NOT NULL,          -- as it was searched for
            locale TEXT NOT NULL,
            private INTEGER NOT NULL,
            posted_at TEXT NOT NULL,
            recalled_at TEXT                 -- when a correction was posted, at most one
        )
        """
    )
    op.execute("CREATE INDEX posts_message ON posts (message)")
    op.execute(
        """
        CREATE TABLE cited (
            answer TEXT NOT NULL REFERENCES posts (answer) ON DELETE CASCADE,
            n INTEGER NOT NULL,
            document TEXT NOT NULL,
            title TEXT NOT NULL,
            address TEXT NOT NULL,
            heading TEXT NOT NULL,           -- JSON
            line INTEGER NOT NULL,
            page INTEGER,
            quote TEXT NOT NULL,
            PRIMARY KEY (answer, n)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE said (
            answer TEXT NOT NULL REFERENCES posts (answer) ON DELETE CASCADE,
            person INTEGER NOT NULL,
            verdict TEXT NOT NULL,           -- "up" or "down"
            PRIMARY KEY (answer, person)
        )
        """
    )


def _conversations() -> None:
    op.execute("CREATE TABLE threads (thread INTEGER PRIMARY KEY, asker INTEGER NOT NULL, begun_at TEXT NOT NULL)")
    op.execute(
        """
        CREATE TABLE invited (
            thread INTEGER NOT NULL REFERENCES threads (thread) ON DELETE CASCADE,
            person INTEGER NOT NULL,
            PRIMARY KEY (thread, person)
        )
        """
    )
