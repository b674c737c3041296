"""The tables of terms: what they count, and that each keeps to itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from retrieval import words
from retrieval.access import Readers
from retrieval.database import writing
from retrieval.index import Index
from retrieval.terms import ChunkWords
from retrieval.words import Totals, WordRow, WordTable

ONE, TWO = WordTable(7, 101), WordTable(7, 102)
HOTEL = WordRow(1, ["travel"], ["hotel", "limit"], ["hotel", "cost", "hotel"])
TRAIN = WordRow(2, ["travel"], [], ["train", "cost"])
PAY = WordRow(3, ["pay"], ["band"], ["hotel", "salary"])


@pytest.fixture
def connection(index: Index) -> Iterator[Connection]:
    """The tables ONE (hotels and trains) and TWO (pay)."""
    with writing(index.engine) as connection:
        connection.exec_driver_sql("INSERT INTO generations VALUES (7, 'f', '', '', 'g7', 1, '')")
        for table in (ONE, TWO):
            readers = Readers(frozenset({f"group {table.readers}"}))
            connection.exec_driver_sql(
                "INSERT INTO reader_sets (id, key, groups, discord) VALUES (?, ?, '[]', 0)",
                (table.readers, readers.key),
            )
            words.ensure(connection, table)
        insert(connection, ONE, HOTEL, TRAIN)
        insert(connection, TWO, PAY)
        yield connection


def insert(connection: Connection, table: WordTable, *rows: WordRow) -> None:
    joined = [(row.chunk, ChunkWords(*(" ".join(one) for one in (row.title, row.heading, row.body)))) for row in rows]
    words.insert(connection, table, joined)


def found(connection: Connection, reader_set: WordTable, *query: str, limit: int = 10) -> list[int]:
    return [row.chunk for row in words.candidates(connection, reader_set, query, limit)]


def test_totals_are_counted_by_field(connection: Connection) -> None:
    assert words.totals(connection, ONE) == Totals(2, 2, 2, 5)
    assert words.totals(connection, TWO) == Totals(1, 1, 1, 2)


def test_what_is_deleted_is_counted_no_more_and_what_was_not_there_changes_nothing(connection: Connection) -> None:
    words.delete(connection, ONE, [HOTEL.chunk, PAY.chunk, 999])
    assert words.totals(connection, ONE) == Totals(1, 1, 0, 2)
    assert words.totals(connection, TWO) == Totals(1, 1, 1, 2)
    assert words.chunk_ids(connection, ONE) == {TRAIN.chunk}
    assert words.frequencies(connection, ONE, ["hotel", "cost"]) == {"cost": 1}


def test_a_chunk_that_moves_takes_its_counts_along(connection: Connection) -> None:
    words.move(connection, [HOTEL.chunk, 999], ONE, TWO)
    assert words.totals(connection, ONE) == Totals(1, 1, 0, 2)
    assert words.totals(connection, TWO) == Totals(2, 2, 3, 5)
    assert found(connection, ONE, "hotel") == []
    assert words.rows_of(connection, TWO, [HOTEL.chunk]) == [HOTEL]


def test_a_term_counts_once_for_each_chunk_whatever_field_it_stands_in(connection: Connection) -> None:
    assert words.frequencies(connection, ONE, ["hotel", "cost", "travel", "salary"]) == {
        "hotel": 1,
        "cost": 2,
        "travel": 2,
    }


def test_candidates_come_from_their_own_table_and_are_limited(connection: Connection) -> None:
    assert found(connection, ONE, "hotel", "salary") == [HOTEL.chunk]
    assert found(connection, TWO, "hotel", "salary") == [PAY.chunk]
    assert sorted(found(connection, ONE, "cost")) == [HOTEL.chunk, TRAIN.chunk]
    assert len(found(connection, ONE, "cost", limit=1)) == 1
    assert found(connection, ONE) == []


def test_candidates_hold_a_term_or_a_phrase_whose_terms_stand_side_by_side(connection: Connection) -> None:
    def found(*phrases: tuple[str, ...]) -> list[int]:
        return [row.chunk for row in words.candidates(connection, ONE, ["salary"], 10, phrases)]

    assert found(("train", "cost")) == [TRAIN.chunk]
    assert found(("cost", "hotel"), ("train",)) == [TRAIN.chunk, HOTEL.chunk]
    assert found(("cost", "train")) == []
    assert found(("limit", "hotel")) == []  # in two fields


def test_the_vocabulary_of_a_letter_is_that_of_one_table(connection: Connection) -> None:
    assert words.vocabulary(connection, ONE, "t", 5, 6) == {"train": 1, "travel": 2}
    assert words.vocabulary(connection, ONE, "t", 6, 9) == {"travel": 2}
    assert words.vocabulary(connection, TWO, "p", 1, 9) == {"pay": 1}
    assert words.vocabulary(connection, ONE, "s", 1, 9) == {}


def test_a_chunk_that_holds_several_phrases_is_counted_once(connection: Connection) -> None:
    assert words.holding(connection, ONE, [("hotel",), ("hotel", "limit"), ("cost", "hotel")]) == 1
    assert words.holding(connection, ONE, [("hotel",), ("train", "cost")]) == 2
    assert words.holding(connection, ONE, [("salary",)]) == 0


def test_what_another_table_holds_does_not_change_an_order(connection: Connection) -> None:
    query = ("train", "hotel")
    before = found(connection, ONE, *query)
    insert(connection, TWO, *[WordRow(10 + n, ["train"], [], ["train"] * 5) for n in range(20)])
    assert found(connection, ONE, *query) == before
    assert words.frequencies(connection, ONE, ["train"]) == {"train": 1}


ODD = ["c++", "--dry-run", "@weave.op", "12:30", "#general", "foo_bar", "https://a.b/c", "経費", "円", "ｶﾞ", "or", "not"]


@pytest.mark.parametrize("term", ODD)
def test_a_term_of_any_characters_comes_back_as_it_was_and_is_found_alone(connection: Connection, term: str) -> None:
    row = WordRow(50, [term], [], ["other", term])
    insert(connection, ONE, row)
    assert words.rows_of(connection, ONE, [50]) == [row]
    assert words.candidates(connection, ONE, [term], 10) == [row]
    assert words.frequencies(connection, ONE, [term]) == {term: 1}


def test_more_rows_than_one_statement_takes_are_read_and_deleted(connection: Connection) -> None:
    many = [WordRow(1000 + n, [], [], ["many"]) for n in range(1201)]
    insert(connection, TWO, *many)
    ids = [row.chunk for row in many]
    assert len(words.rows_of(connection, TWO, ids)) == len(many)
    words.delete(connection, TWO, ids)
    assert words.totals(connection, TWO) == Totals(1, 1, 1, 2)


def test_a_table_that_is_dropped_can_be_made_anew(connection: Connection) -> None:
    words.drop(connection, TWO)
    words.drop(connection, TWO)
    words.ensure(connection, TWO)
    assert words.totals(connection, TWO) == Totals(0, 0, 0, 0)
    assert words.chunk_ids(connection, TWO) == set()


def test_purged_terms_leave_the_list_of_terms(connection: Connection) -> None:
    words.delete(connection, TWO, [PAY.chunk])
    words.purge(connection, TWO)
    listed = connection.exec_driver_sql(f"SELECT count(*) FROM {TWO.name}_terms").scalar()
    assert listed == 0
    assert words.chunk_ids(connection, ONE) == {HOTEL.chunk, TRAIN.chunk}


def test_a_table_that_is_not_there_has_nothing_to_delete_or_purge(connection: Connection) -> None:
    words.delete(connection, WordTable(1, 99), [1, 2])
    words.purge(connection, WordTable(1, 99))
    assert WordTable(1, 99) not in words.tables(connection, 1)
