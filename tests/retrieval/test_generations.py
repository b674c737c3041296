"""An index that an older Kura made is the first generation, as it is."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import text

from models.fakes import HashingEmbeddings
from retrieval.access import Readers
from retrieval.building import Builder
from retrieval.chroma import VectorIndex
from retrieval.database import open_database, reading, writing
from retrieval.errors import IndexMismatch
from retrieval.index import DATABASE, MIGRATIONS, VECTORS, Index
from retrieval.search import Searcher
from retrieval.vectors import as_vectors
from retrieval.words import TOKENIZER
from tests.retrieval.conftest import ALL, SOMEBODY
from tests.retrieval.test_index import consistent, found

TEXT = "The hotel limit is 180 EUR."


def older(folder: Path, migrations: Path, made_by: str) -> None:
    """A data folder as the first schema had it, with one document."""
    (migrations / "versions").mkdir(parents=True)
    shutil.copy(MIGRATIONS / "env.py", migrations)
    shutil.copy(MIGRATIONS / "versions" / "0001_documents.py", migrations / "versions")
    engine = open_database(folder / DATABASE, migrations)
    embedder = HashingEmbeddings(64)
    tokenizer = TOKENIZER.replace("'", "''")
    vector = as_vectors(embedder.embed_documents([TEXT]))
    with writing(engine) as connection:
        key = Readers(ALL.groups).key
        for statement in (
            f"INSERT INTO reader_sets VALUES (1, '{key}', '{json.dumps(sorted(ALL.groups))}', 0)",
            "INSERT INTO word_totals VALUES (1, 1, 1, 0, 5)",
            f"CREATE VIRTUAL TABLE words_1 USING fts5(title, heading, body, tokenize = '{tokenizer}')",
            "CREATE VIRTUAL TABLE words_1_terms USING fts5vocab(words_1, row)",
            "INSERT INTO words_1(rowid, title, heading, body) VALUES (1, 'travel', '', 'hotel limit is 180 eur')",
            "INSERT INTO sources VALUES (1, 'docs', '/docs', 1, NULL)",
            "INSERT INTO documents VALUES ('d1', 1, 'travel.md', '/docs/travel.md', 1, 1)",
            f"INSERT INTO versions VALUES (1, 'd1', 'travel', 'en', '{TEXT}', 'sha', '1/1', '2026-11-01T00:00:00+00:00')",
            f"INSERT INTO chunks VALUES (1, 'k1', 1, 0, 0, {len(TEXT)}, '[]', 1, NULL, 'digest')",
            f"INSERT INTO state VALUES ('embedder', '{made_by}')",
        ):
            connection.exec_driver_sql(statement)
        connection.execute(
            text("INSERT INTO vectors VALUES (:f, 'digest', :v)"),
            {"f": embedder.fingerprint, "v": vector[0].astype("<f4").tobytes()},
        )
    engine.dispose()
    vectors = VectorIndex(folder / VECTORS)
    vectors.upsert(f"v{sha256(embedder.fingerprint.encode()).hexdigest()[:16]}-r1", ["k1"], vector)
    vectors.close()


def test_an_older_index_answers_unchanged(folder: Path, tmp_path: Path) -> None:
    older(folder, tmp_path / "migrations", HashingEmbeddings(64).fingerprint)
    index = Index(folder, HashingEmbeddings(64), recipe="1/1")
    assert found(Searcher(index), "hotel limit") == [TEXT]
    assert Searcher(index).search("hotel", principal=SOMEBODY, k=1).hits[0].similarity is not None
    assert consistent(index)
    assert not Builder(index).wanted()
    index.close()


def test_an_older_index_can_be_made_anew_for_another_embedder(folder: Path, tmp_path: Path) -> None:
    older(folder, tmp_path / "migrations", HashingEmbeddings(64).fingerprint)
    index = Index(folder, HashingEmbeddings(16))
    with pytest.raises(IndexMismatch):
        Searcher(index).search("hotel", principal=SOMEBODY, k=1)
    assert Builder(index).rebuild() == 1
    assert found(Searcher(index), "hotel limit") == [TEXT]
    index.close()


def test_an_older_index_whose_rebuild_broke_off_is_made_anew(folder: Path, tmp_path: Path) -> None:
    older(folder, tmp_path / "migrations", "(rebuilding)")
    index = Index(folder, HashingEmbeddings(64))
    with pytest.raises(IndexMismatch, match="broke off"):
        Searcher(index).search("hotel", principal=SOMEBODY, k=1)
    assert Builder(index).rebuild() == 1
    assert found(Searcher(index), "hotel limit") == [TEXT]
    with reading(index.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM live")).scalar() == 1
    index.close()
