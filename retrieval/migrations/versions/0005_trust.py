"""How far each generation's embedder is to be trusted in a language, by measurement; nothing is measured yet."""

from alembic import op

revision = "0005_trust"
down_revision = "0004_dated"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE trust (
            generation_id INTEGER NOT NULL REFERENCES generations(id) ON DELETE CASCADE,
            language TEXT NOT NULL,            -- ISO 639-1, as of the documents
            weight REAL,                       -- of a cosine beside the word score; NULL: its passages could not tell
            passages INTEGER NOT NULL,         -- that were live when it was measured
            sentences INTEGER NOT NULL,        -- that it was measured on
            PRIMARY KEY (generation_id, language)
        ) WITHOUT ROWID
        """
    )
