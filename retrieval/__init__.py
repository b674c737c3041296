"""The index and the search over it: SQLite authority, Chroma, FTS5. Knows nothing of sources or front ends."""
