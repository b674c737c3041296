from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from retrieval import database
from retrieval.database import open_database, reading, writing
from retrieval.errors import DataFolderError, IndexDamaged
from retrieval.index import MIGRATIONS


def test_a_new_database_gets_the_newest_schema_and_keeps_it(tmp_path: Path) -> None:
    for _ in range(2):
        engine = open_database(tmp_path / "a.db", MIGRATIONS)
        with reading(engine) as connection:
            assert connection.execute(text("SELECT count(*) FROM documents")).scalar() == 0
        engine.dispose()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db", MIGRATIONS)

    def half_done() -> None:
        with writing(engine) as connection:
            connection.execute(text("INSERT INTO state VALUES ('a', 'b')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_done()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM state")).scalar() == 0
    engine.dispose()


def test_a_reader_keeps_its_snapshot_while_others_write(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db", MIGRATIONS)
    with reading(engine) as before:
        assert before.execute(text("SELECT count(*) FROM state")).scalar() == 0
        with writing(engine) as connection:
            connection.execute(text("INSERT INTO state VALUES ('a', 'b')"))
        assert before.execute(text("SELECT count(*) FROM state")).scalar() == 0
    with reading(engine) as after:
        assert after.execute(text("SELECT count(*) FROM state")).scalar() == 1
    engine.dispose()


def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    file.write_bytes(b"not a database, " * 100)
    with pytest.raises(IndexDamaged, match="not a readable SQLite database"):
        open_database(file, MIGRATIONS)
    assert file.read_bytes() == b"not a database, " * 100


def test_a_database_of_a_newer_kura_is_refused(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db", MIGRATIONS)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999_future'"))
    engine.dispose()
    with pytest.raises(IndexDamaged, match="newer version of Kura"):
        open_database(tmp_path / "a.db", MIGRATIONS)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match="cannot be opened"):
        open_database(tmp_path / "missing" / "a.db", MIGRATIONS)


@pytest.mark.parametrize(("free", "says"), [(0, "is full"), (2**30, "cannot be opened")])
def test_an_io_error_on_a_full_disk_is_said_to_be_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, says: str
) -> None:
    def broken(*_: object) -> None:
        raise DBAPIError("", {}, sqlite3.OperationalError("disk I/O error"))

    monkeypatch.setattr(database, "_migrate", broken)
    monkeypatch.setattr(database.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**30, 2**30 - free, free))
    with pytest.raises(DataFolderError, match=says):
        open_database(tmp_path / "a.db", MIGRATIONS)
