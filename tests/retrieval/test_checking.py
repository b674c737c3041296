"""Every kind of tampering with an index is found, and a sound index has no fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from retrieval import checking
from retrieval.authority import document_id
from retrieval.building import Builder
from retrieval.checking import altered_versions, distrust, index_faults, stored_content, stored_sources
from retrieval.database import reading, writing
from retrieval.index import VECTORS, Index
from retrieval.vectors import as_vectors
from tests.retrieval.conftest import HR

Put = Callable[..., None]


@pytest.fixture
def sound(index: Index, put: Put) -> Index:
    put(travel="Trains are second class.\n\nThe hotel limit is 180 EUR.", office="The canteen opens at noon.")
    put(HR, pay="Salaries are reviewed in April.")
    return index


def sql(index: Index, *statements: str) -> None:
    with writing(index.engine) as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for statement in statements:
            connection.exec_driver_sql(statement)


def kinds(index: Index, *, deep: bool = True) -> set[str]:
    with reading(index.engine) as connection:
        vectors = [one.kind for one in checking.vector_faults(connection, index.vectors, deep=deep)]
    return {one.kind for one in index_faults(index.engine, None, deep=deep)} | set(vectors)


def test_a_sound_index_has_no_fault(sound: Index) -> None:
    assert kinds(sound, deep=True) == set()
    assert kinds(sound, deep=False) == set()


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("DELETE FROM words_1_1 WHERE rowid = 1", "words"),
        ("UPDATE words_1_1_content SET c2 = 'something else' WHERE id = 1", "words"),
        ("DROP TABLE words_1_1", "words"),
        ("UPDATE word_totals SET body_terms = body_terms + 1 WHERE reader_set_id = 1", "words"),
        ("DELETE FROM word_totals WHERE reader_set_id = 1", "words"),
        ("UPDATE versions SET text = replace(text, '180', '980') WHERE title = 'travel'", "text"),
        ("UPDATE versions SET title = 'Another' WHERE title = 'travel'", "text"),
        ("UPDATE chunks SET start = start + 1 WHERE ordinal = 1", "text"),
        ('UPDATE chunks SET "end" = 9999 WHERE ordinal = 1', "text"),
        ("UPDATE chunks SET embedded_sha256 = 'x' WHERE ordinal = 1", "text"),
        ("DELETE FROM vectors WHERE rowid IN (SELECT 1)", "stored vectors"),
        ("INSERT INTO outbox (collection, chunk_key) VALUES ('c', 'k')", "left over"),
        ("DELETE FROM live WHERE version_id = 1", "left over"),
    ],
)
def test_tampering_with_the_database_is_found(sound: Index, statement: str, kind: str) -> None:
    if kind == "stored vectors":  # a table without row ids
        statement = "DELETE FROM vectors WHERE embedded_sha256 = (SELECT embedded_sha256 FROM chunks LIMIT 1)"
    sql(sound, statement)
    assert kind in kinds(sound)


def test_words_that_agree_with_themselves_and_not_with_the_text_are_found_by_a_deep_look(sound: Index) -> None:
    sql(sound, "UPDATE words_1_1 SET body = replace(body, 'canteen', 'kitchen')")
    assert kinds(sound, deep=False) == set()
    assert kinds(sound, deep=True) == {"words"}


def test_a_vector_that_is_lost_added_or_another_is_found(sound: Index) -> None:
    vectors = sound.vectors
    name = min(vectors.collections())
    first, second = sorted(vectors.keys(name))[:2]
    row = vectors.stored(name, [first])[first]
    vectors.upsert(name, [second], row.reshape(1, -1))
    assert kinds(sound) == {"vectors"}
    Builder(sound).rebuild()
    assert kinds(sound) == set()
    name = min(vectors.collections())
    row = next(iter(vectors.stored(name, sorted(vectors.keys(name))[:1]).values()))
    vectors.upsert(name, ["a key of nobody"], row.reshape(1, -1))
    assert kinds(sound) == {"surplus vectors"}
    vectors.delete(name, ["a key of nobody"])
    vectors.upsert("stray", ["k"], as_vectors([[1.0] * 64]))
    assert kinds(sound) == {"surplus vectors"}
    vectors.drop("stray")
    vectors.delete(name, sorted(vectors.keys(name))[:1])
    assert kinds(sound) == {"vectors"}


def test_a_folder_of_vectors_that_is_not_there_is_found_and_not_made(sound: Index, folder: Path) -> None:
    gone = folder / "elsewhere" / VECTORS
    assert [one.kind for one in index_faults(sound.engine, gone, deep=False)] == ["vectors"]
    assert not gone.exists()


def test_a_child_finds_what_is_wrong_with_closed_files(sound: Index, folder: Path) -> None:
    name = min(sound.vectors.collections())
    sound.vectors.delete(name, sorted(sound.vectors.keys(name))[:1])
    sound.vectors.close()
    (fault,) = index_faults(sound.engine, folder / VECTORS, deep=True)
    assert fault.kind == "vectors"
    assert "lack 1 of" in fault.sentence
    (folder / VECTORS / "chroma.sqlite3").write_bytes(b"no database" * 1000)
    (fault,) = index_faults(sound.engine, folder / VECTORS, deep=True)
    assert "cannot be used" in fault.sentence


def test_a_fault_names_the_documents_it_is_about(sound: Index) -> None:
    sql(sound, "UPDATE versions SET text = replace(text, '180', '980')")
    (fault,) = [one for one in index_faults(sound.engine, None, deep=False) if one.kind == "text"]
    assert "/docs/travel.md" in fault.sentence


def test_altered_text_is_read_again_at_the_next_sync(sound: Index) -> None:
    sql(sound, "UPDATE versions SET text = replace(text, '180', '980')")
    with writing(sound.engine) as connection:
        altered = altered_versions(connection)
        assert len(altered) == 1
        distrust(connection, altered)
    (source,) = stored_sources(sound.engine)
    assert source.known["travel.md"].content_sha256 == ""
    assert source.known["office.md"].content_sha256 != ""


def test_the_content_of_a_document_that_is_not_live_is_not_known(sound: Index) -> None:
    known = document_id(1, "travel.md")
    found = stored_content(sound.engine, known)
    assert found is not None
    assert found[0] == "travel.md"
    sound.remove([known])
    assert stored_content(sound.engine, known) is None
    with reading(sound.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM documents")).scalar() == 2
