"""Answers that are shown to others than whoever asked: those who may read what they are made from may judge them too."""

from alembic import op

revision = "0003_shared"
down_revision = "0002_feedback"


def upgrade() -> None:
    op.execute("ALTER TABLE turns ADD COLUMN shared INTEGER NOT NULL DEFAULT 0 CHECK (shared IN (0, 1))")
    op.execute("CREATE INDEX turns_principal ON turns (principal)")
    op.execute("CREATE INDEX turns_created_at ON turns (created_at)")
