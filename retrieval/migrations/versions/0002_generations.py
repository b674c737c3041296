"""Generations of the index: which version of a document is live is said for each of them; one of them answers.

What an older Kura made becomes the first generation, if there is anything; nothing is embedded or read again.
"""

from hashlib import sha256

from alembic import op

revision = "0002_generations"
down_revision = "0001_documents"

SCHEMA = """
CREATE TABLE generations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT NOT NULL,         -- of the embedder
    recipe TEXT NOT NULL,              -- versions of loaders and splitter, size of passages
    embedder TEXT NOT NULL,            -- what opens the embedder again (JSON, made by whoever opened it first)
    collections TEXT NOT NULL,         -- how the names of its Chroma collections begin
    ready INTEGER NOT NULL,            -- whether every document is in it
    created_at TEXT NOT NULL           -- UTC, ISO 8601
);
CREATE TABLE live (
    generation_id INTEGER NOT NULL REFERENCES generations(id),
    document_id TEXT NOT NULL REFERENCES documents(id),
    version_id INTEGER NOT NULL REFERENCES versions(id),
    PRIMARY KEY (generation_id, document_id)
) WITHOUT ROWID;
CREATE INDEX live_version ON live (version_id);
ALTER TABLE word_totals RENAME TO former_word_totals;
CREATE TABLE word_totals (             -- what lies in the FTS5 table of a generation and a set of readers
    generation_id INTEGER NOT NULL REFERENCES generations(id),
    reader_set_id INTEGER NOT NULL REFERENCES reader_sets(id),
    chunks INTEGER NOT NULL,
    title_terms INTEGER NOT NULL,
    heading_terms INTEGER NOT NULL,
    body_terms INTEGER NOT NULL,
    PRIMARY KEY (generation_id, reader_set_id)
);
ALTER TABLE sources ADD COLUMN kind TEXT NOT NULL DEFAULT 'folder';
ALTER TABLE versions ADD COLUMN source_version TEXT NOT NULL DEFAULT '';
"""
# what the source said of the bytes, see `ingest/sources`: equal to what it says now, they need not be read


def upgrade() -> None:
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)
    connection = op.get_bind()
    made_by = connection.exec_driver_sql("SELECT value FROM state WHERE key = 'embedder'").scalar()
    broken_off = made_by == "(rebuilding)"
    sets = connection.exec_driver_sql("SELECT id FROM reader_sets").scalars().all()
    if made_by and not broken_off:
        _first_generation(str(made_by), [int(one) for one in sets])
    else:  # nothing was ever put, or a rebuild broke off: `kura repair` finds the texts, no index
        for one in sets:
            op.execute(f"DROP TABLE IF EXISTS words_{one}_terms")
            op.execute(f"DROP TABLE IF EXISTS words_{one}")
        if broken_off:
            _generation("", ready=False)
            _live()
    op.execute("DELETE FROM state WHERE key = 'embedder'")
    op.execute("DROP TABLE former_word_totals")
    op.execute("ALTER TABLE documents DROP COLUMN live_version_id")


def _first_generation(made_by: str, sets: list[int]) -> None:
    _generation(made_by, ready=True)
    _live()
    op.execute(
        "INSERT INTO word_totals SELECT 1, reader_set_id, chunks, title_terms, heading_terms, body_terms"
        " FROM former_word_totals"
    )
    for one in sets:
        op.execute(f"DROP TABLE words_{one}_terms")
        op.execute(f"ALTER TABLE words_{one} RENAME TO words_1_{one}")
        op.execute(f"CREATE VIRTUAL TABLE words_1_{one}_terms USING fts5vocab(words_1_{one}, row)")


def _generation(made_by: str, *, ready: bool) -> None:
    collections = f"v{sha256(made_by.encode()).hexdigest()[:16]}"
    op.get_bind().exec_driver_sql(
        "INSERT INTO generations SELECT 1, ?, coalesce(max(recipe), ''), '', ?, ?, coalesce(max(created_at), '')"
        " FROM versions",
        (made_by, collections, ready),
    )
    op.execute("INSERT INTO state VALUES ('generation', '1')")


def _live() -> None:
    op.execute("INSERT INTO live SELECT 1, id, live_version_id FROM documents WHERE live_version_id IS NOT NULL")
