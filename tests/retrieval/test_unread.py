"""What could not be read is remembered for each source, with the bytes and the recipe that it is true of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from retrieval import authority
from retrieval.database import open_database, writing
from retrieval.index import DATABASE, MIGRATIONS
from retrieval.unread import Unread, put_unread, unread
from tests.retrieval.conftest import ALL

SCAN = Unread("12-34", "ab" * 32, "2/3/400", "scan.pdf: the document holds no text.")
BROKEN = Unread("", "cd" * 32, "2/3/400+ja", "破損.docx は壊れています。")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_database(tmp_path / DATABASE, MIGRATIONS)
    with writing(engine) as opened:
        authority.put_source(opened, "docs", "/docs", ALL)
        authority.put_source(opened, "wiki", "/wiki", ALL)
        yield opened
    engine.dispose()


def test_what_was_noted_comes_back_as_it_was_for_its_source_alone(connection: Connection) -> None:
    put_unread(connection, 1, {"scan.pdf": SCAN, "破損.docx": BROKEN})
    assert unread(connection, 1) == {"scan.pdf": SCAN, "破損.docx": BROKEN}
    assert unread(connection, 2) == {}


def test_a_note_takes_the_place_of_the_one_before(connection: Connection) -> None:
    put_unread(connection, 1, {"scan.pdf": SCAN, "破損.docx": BROKEN})
    put_unread(connection, 2, {"scan.pdf": SCAN})
    put_unread(connection, 1, {"破損.docx": BROKEN})
    assert unread(connection, 1) == {"破損.docx": BROKEN}
    put_unread(connection, 1, {})
    assert unread(connection, 1) == {}
    assert unread(connection, 2) == {"scan.pdf": SCAN}


def test_with_a_source_goes_what_was_noted_of_it(connection: Connection) -> None:
    put_unread(connection, 1, {"scan.pdf": SCAN})
    put_unread(connection, 2, {"scan.pdf": SCAN})
    authority.delete_source(connection, 1)
    assert (unread(connection, 1), unread(connection, 2)) == ({}, {"scan.pdf": SCAN})
