"""What may not be read looks like what is not there, in each query by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from retrieval import authority, generations, passages
from retrieval.access import Audience, Principal, Readers
from retrieval.database import reading, sql
from retrieval.index import Index
from tests.retrieval.conftest import ALL, HR, IN_HR, SOMEBODY, prepared

Put = Callable[..., None]
ON_DISCORD = Principal("somebody", frozenset({"all"}), Audience.DISCORD)
SHOWN = Readers(frozenset({"all"}), discord=True)
TEXT = "𠮷野家の昼食は三百円。\n\n払い戻しは月末。"


@pytest.fixture
def connection(index: Index, put: Put) -> Iterator[Connection]:
    """A snapshot of three documents, each for others."""
    put(lunch=TEXT)
    put(HR, pay="Salaries are reviewed in April.")
    put(SHOWN, motto="We keep what we are given.")
    with reading(index.engine) as opened:
        yield opened


def generation(connection: Connection) -> int:
    current = generations.current(connection)
    assert current is not None
    return current.id


def keys(connection: Connection) -> dict[str, str]:
    """Every chunk's text by its key, whoever may read it."""
    statement = sql('SELECT c.key, substr(v.text, c.start + 1, c."end" - c.start) AS text FROM chunks c JOIN versions v'
                    " ON v.id = c.version_id")  # fmt: skip
    return {row.key: row.text for row in connection.execute(statement)}


def titles(connection: Connection, principal: Principal) -> set[str]:
    found = passages.chunks(
        connection,
        generation=generation(connection),
        readable=passages.readable(connection, principal=principal),
        keys=list(keys(connection)),
    )
    return {one.title for one in found}


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (SOMEBODY, {"lunch", "motto"}),
        (IN_HR, {"lunch", "motto", "pay"}),
        (ON_DISCORD, {"motto"}),
        (Principal("nobody", frozenset({"guests"})), set()),
    ],
    ids=["somebody", "in hr", "on discord", "in no group"],
)
def test_chunks_and_their_numbers_are_those_of_what_may_be_read(
    connection: Connection, principal: Principal, expected: set[str]
) -> None:
    assert titles(connection, principal) == expected
    every = keys(connection)
    readable = passages.readable(connection, principal=principal)
    numbers = passages.chunk_numbers(
        connection, generation=generation(connection), readable=readable, keys=[*every, "none"]
    )
    numbered = passages.chunks(
        connection, generation=generation(connection), readable=readable, ids=list(numbers.values())
    )
    assert {one.title for one in numbered} == expected
    assert {one.key: one.id for one in numbered} == numbers


def test_a_chunk_is_its_documents_text_to_the_character(connection: Connection) -> None:
    readable = passages.readable(connection, principal=SOMEBODY)
    found = passages.chunks(
        connection, generation=generation(connection), readable=readable, keys=list(keys(connection))
    )
    lunch = sorted((one for one in found if one.title == "lunch"), key=lambda one: one.start)
    assert [one.text for one in lunch] == TEXT.split("\n\n")
    assert [TEXT[one.start : one.end] for one in lunch] == TEXT.split("\n\n")
    assert (lunch[0].heading, lunch[0].address, lunch[0].source_kind) == (("Part",), "/docs/lunch.md", "folder")
    document = passages.document(connection, lunch[0].document_id, generation=generation(connection), readable=readable)
    assert document is not None
    assert (document.text, document.source_kind) == (TEXT, "folder")


def test_a_document_for_others_is_as_little_there_as_one_that_is_none(connection: Connection) -> None:
    pay = authority.document_id(1, "pay.md")
    for principal, there in ((SOMEBODY, False), (IN_HR, True), (ON_DISCORD, False)):
        readable = passages.readable(connection, principal=principal)
        found = passages.document(connection, pay, generation=generation(connection), readable=readable)
        assert (found is not None) is there
        assert passages.document(connection, "none", generation=generation(connection), readable=readable) is None
        assert passages.document(connection, pay, generation=generation(connection) + 1, readable=readable) is None


def test_only_the_live_version_is_found(index: Index, put: Put) -> None:
    put(rules="The former rule.")
    put(rules="The present rule.")
    with reading(index.engine) as connection:
        readable = passages.readable(connection, principal=SOMEBODY)
        number = generation(connection)
        found = passages.chunks(connection, generation=number, readable=readable, ids=range(1, 10))
    assert [one.text for one in found] == ["The present rule."]


def test_other_readers_count_from_the_next_snapshot_on(index: Index) -> None:
    index.put(1, [prepared("a.md", "The gate code is 4711.")])
    index.set_readers([authority.document_id(1, "a.md")], HR)
    with reading(index.engine) as connection:
        assert titles(connection, SOMEBODY) == set()
        assert titles(connection, replace(SOMEBODY, groups=frozenset({"hr"}))) == {"a"}
    index.set_readers([authority.document_id(1, "a.md")], ALL)
    with reading(index.engine) as connection:
        assert titles(connection, SOMEBODY) == {"a"}


def test_what_stands_around_a_chunk_is_for_those_who_may_read_it(connection: Connection) -> None:
    every = {text: key for key, text in keys(connection).items()}
    last = every[TEXT.split("\n\n")[1]]
    for principal, there in ((SOMEBODY, {last}), (ON_DISCORD, set())):
        readable = passages.readable(connection, principal=principal)
        found = passages.around(
            connection, generation=generation(connection), readable=readable, keys=[last, "none"], reach=900
        )
        assert found.keys() == there
    around = passages.around(
        connection,
        generation=generation(connection),
        readable=passages.readable(connection, principal=SOMEBODY),
        keys=[last],
        reach=4,
    )[last]
    start = TEXT.index("払") - 4
    assert (around.start, around.text) == (start, TEXT[start:])
    assert [TEXT[chunk.start : chunk.end] for chunk in around.chunks] == [TEXT.split("\n\n")[1]]


@pytest.mark.parametrize(("principal", "documents"), [(SOMEBODY, 2), (IN_HR, 3), (ON_DISCORD, 1)])
def test_a_source_counts_what_may_be_read_of_it(connection: Connection, principal: Principal, documents: int) -> None:
    found = passages.sources(
        connection,
        generation=generation(connection),
        readable=passages.readable(connection, principal=principal),
    )
    assert [one.documents for one in found] == [documents]


def test_a_source_without_anything_that_may_be_read_is_not_there(connection: Connection) -> None:
    nobody = Principal("x", frozenset({"none"}))
    readable = passages.readable(connection, principal=nobody)
    assert passages.sources(connection, generation=generation(connection), readable=readable) == []
