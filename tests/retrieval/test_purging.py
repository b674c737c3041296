"""What was deleted is overwritten: by whoever tidies next, after a kill and beside a reader too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from models.fakes import HashingEmbeddings
from retrieval import authority, purging, words
from retrieval.building import Builder
from retrieval.checking import index_faults
from retrieval.database import reading, writing
from retrieval.index import Index
from retrieval.words import WordTable
from tests.retrieval.conftest import ALL, HR, prepared

Put = Callable[..., None]
SECRET = authority.document_id(1, "secret.md")


@pytest.fixture
def kept(put: Put, index: Index) -> Index:
    """An index with one document that stays and one that goes."""
    put(travel="The hotel limit is 180 EUR.", secret="The xylophone budget is confidential.")
    index.tidy(purge=True)
    return index


def due(index: Index) -> bool:
    with reading(index.engine) as connection:
        return purging.due(connection)


def holds(folder: Path) -> bool:
    """Whether any file still holds the word that was deleted."""
    return any(b"xylophon" in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def purged(monkeypatch: pytest.MonkeyPatch) -> list[WordTable]:
    """The word tables that are merged from now on."""
    merged: list[WordTable] = []
    merge = words.purge

    def noted(connection: Connection, table: WordTable) -> None:
        merged.append(table)
        merge(connection, table)

    monkeypatch.setattr(words, "purge", noted)
    return merged


def test_a_removal_that_was_killed_before_its_purge_is_overwritten_by_the_next_run(kept: Index, folder: Path) -> None:
    kept.remove([SECRET])
    kept.close()
    assert [one.kind for one in index_faults(kept.engine, None, deep=True)] == ["left over"]
    again = Index(folder, HashingEmbeddings())
    assert due(again)
    assert holds(folder)
    again.tidy(purge=False)
    assert not due(again)
    assert not holds(folder)
    assert index_faults(again.engine, None, deep=True) == []
    again.close()


def test_a_replaced_text_is_overwritten_by_the_next_run(kept: Index, put: Put, folder: Path) -> None:
    put(secret="Nothing to see.")
    assert due(kept)
    kept.tidy(purge=False)
    assert not holds(folder)


def test_text_that_changed_readers_before_it_was_deleted_is_overwritten_where_it_was(kept: Index, folder: Path) -> None:
    kept.set_readers([SECRET], HR)
    kept.remove([SECRET])
    kept.tidy(purge=False)
    assert not holds(folder)


def test_a_purge_that_breaks_off_stays_due(kept: Index, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    kept.remove([SECRET])
    for place in ("words.purge", "purging.discard_quarantined", "purging._empty_log"):
        monkeypatch.setattr(f"retrieval.{place}", killed)
        with pytest.raises(KeyboardInterrupt):
            kept.tidy(purge=False)
        monkeypatch.undo()
        assert due(kept)
    kept.tidy(purge=False)
    assert not due(kept)
    assert not holds(folder)


def test_beside_a_reader_of_an_older_state_the_purge_stays_due(kept: Index, folder: Path) -> None:
    with reading(kept.engine) as connection:
        connection.execute(text("SELECT count(*) FROM documents")).scalar()
        kept.remove([SECRET])
        kept.tidy(purge=True)
        assert due(kept)
    kept.tidy(purge=False)
    assert not due(kept)
    assert not holds(folder)


def test_only_tables_that_lost_terms_are_merged(kept: Index, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    put(HR, pay="Salaries are reviewed in April.")
    merged = purged(monkeypatch)
    kept.tidy(purge=True)
    assert merged == []
    kept.remove([SECRET])
    kept.tidy(purge=True)
    assert merged == [WordTable(1, 1)]
    kept.tidy(purge=True)
    assert merged == [WordTable(1, 1)]


def test_a_put_that_replaces_nothing_needs_no_purge(kept: Index) -> None:
    kept.put(1, [prepared("new.md", "Parking is free.", ALL)])
    assert not due(kept)


def test_a_dropped_generation_is_overwritten(kept: Index, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Index, "tidy", killed)
    with pytest.raises(KeyboardInterrupt):
        Builder(kept).rebuild()
    monkeypatch.undo()
    assert due(kept)
    with writing(
        kept.engine
    ) as connection:  # its words lie in no table, and its pages were overwritten in the log only
        assert words.tables(connection, 1) == []
    kept.remove([SECRET])
    kept.tidy(purge=False)
    assert not due(kept)
    assert not holds(folder)


def test_vectors_that_may_be_wanted_again_are_kept_until_they_are_not(kept: Index) -> None:
    def stored() -> int:
        with reading(kept.engine) as connection:
            return int(connection.execute(text("SELECT count(*) FROM vectors")).scalar_one())

    before = stored()
    kept.remove([SECRET])
    kept.tidy(purge=False, vectors=False)
    assert (stored(), due(kept)) == (before, False)
    with writing(kept.engine) as connection:
        purging.take_back_left(connection)
    assert (stored(), due(kept)) == (before - 1, True)  # the log still holds them
