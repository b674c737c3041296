"""The day a document is of. What was stored before has none until it is read again."""

from alembic import op

revision = "0004_dated"
down_revision = "0003_unread"


def upgrade() -> None:
    op.execute("ALTER TABLE versions ADD COLUMN dated TEXT")  # ISO 8601, a day
