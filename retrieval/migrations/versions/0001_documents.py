"""Documents, their versions and chunks, vectors, readers, sources, and the outbox towards Chroma."""

from alembic import op

revision = "0001_documents"
down_revision = None

SCHEMA = """
CREATE TABLE state (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE reader_sets (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    groups TEXT NOT NULL,              -- JSON list
    discord INTEGER NOT NULL
);
CREATE TABLE word_totals (             -- what lies in the FTS5 table of a set of readers
    reader_set_id INTEGER PRIMARY KEY REFERENCES reader_sets(id),
    chunks INTEGER NOT NULL,
    title_terms INTEGER NOT NULL,
    heading_terms INTEGER NOT NULL,
    body_terms INTEGER NOT NULL
);
CREATE TABLE sources (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    root TEXT NOT NULL UNIQUE,         -- absolute path of the folder or file
    reader_set_id INTEGER NOT NULL REFERENCES reader_sets(id),
    synced_at TEXT                     -- UTC, ISO 8601
);
CREATE TABLE documents (
    id TEXT PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES sources(id),
    item TEXT NOT NULL,                -- path below the source's root
    address TEXT NOT NULL,
    reader_set_id INTEGER NOT NULL REFERENCES reader_sets(id),
    live_version_id INTEGER REFERENCES versions(id) DEFERRABLE INITIALLY DEFERRED,
    UNIQUE (source_id, item)
);
CREATE TABLE versions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT NOT NULL REFERENCES documents(id) DEFERRABLE INITIALLY DEFERRED,
    title TEXT NOT NULL,
    language TEXT NOT NULL,
    text TEXT NOT NULL,
    content_sha256 TEXT NOT NULL,      -- of the source's bytes
    recipe TEXT NOT NULL,              -- versions of loader and splitter
    created_at TEXT NOT NULL           -- UTC, ISO 8601
);
CREATE INDEX versions_document ON versions (document_id);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    version_id INTEGER NOT NULL REFERENCES versions(id),
    ordinal INTEGER NOT NULL,
    start INTEGER NOT NULL,            -- characters into versions.text
    end INTEGER NOT NULL,
    heading TEXT NOT NULL,             -- JSON list, outermost first
    line INTEGER NOT NULL,
    page INTEGER,
    embedded_sha256 TEXT NOT NULL,     -- of the text that is embedded
    UNIQUE (version_id, ordinal)
);
CREATE INDEX chunks_embedded ON chunks (embedded_sha256);
CREATE TABLE vectors (
    fingerprint TEXT NOT NULL,         -- of the embedder
    embedded_sha256 TEXT NOT NULL,
    vector BLOB NOT NULL,              -- little-endian float32, unit length
    PRIMARY KEY (fingerprint, embedded_sha256)
) WITHOUT ROWID;
CREATE TABLE outbox (                  -- to be deleted from Chroma
    id INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    chunk_key TEXT NOT NULL
);
CREATE INDEX outbox_key ON outbox (chunk_key);
"""


def upgrade() -> None:
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)
