"""Word search in FTS5: one table for each set of readers, each row the terms of one live chunk.

A principal's search opens only the tables it may read, so no count, rank or rarity depends on a text it may not see.
Knows how terms are kept, not how they are made (`retrieval/terms.py`) nor how a hit is ranked (`retrieval/ranking.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

TOKENIZER = "unicode61 remove_diacritics 0 categories 'L* N* M* Co' tokenchars '_.-@/#+:'"
"""Splits the space-joined terms again and changes nothing else."""

TITLE_WEIGHT, HEADING_WEIGHT, BODY_WEIGHT = 2.0, 1.5, 1.0
"""Weights of FTS5's own bm25, which only picks the candidates; `retrieval/ranking.py` orders them."""


@dataclass(frozen=True, slots=True)
class WordRow:
    """The terms of one chunk, by field; `chunk` is `chunks.id`."""

    chunk: int
    title: Sequence[str]
    heading: Sequence[str]
    body: Sequence[str]


@dataclass(frozen=True, slots=True)
class Totals:
    """The number of chunks of a table, and of terms in each of its fields."""

    chunks: int
    title_terms: int
    heading_terms: int
    body_terms: int


_IDS_PER_STATEMENT = 500


def create(connection: Connection, reader_set: int) -> None:
    """Make the table of a set of readers."""
    table = _table(reader_set)
    tokenizer = TOKENIZER.replace("'", "''")
    connection.exec_driver_sql(
        f"CREATE VIRTUAL TABLE {table} USING fts5(title, heading, body, tokenize = '{tokenizer}')"
    )
    connection.exec_driver_sql(f"CREATE VIRTUAL TABLE {table}_terms USING fts5vocab({table}, row)")
    connection.execute(text("INSERT INTO word_totals VALUES (:set, 0, 0, 0, 0)"), {"set": reader_set})


def drop(connection: Connection, reader_set: int) -> None:
    """Remove the table of a set of readers, whatever state it is in."""
    for table in (f"{_table(reader_set)}_terms", _table(reader_set)):
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
    connection.execute(text("DELETE FROM word_totals WHERE reader_set_id = :set"), {"set": reader_set})


def insert(connection: Connection, reader_set: int, rows: Sequence[WordRow]) -> None:
    """Add chunks."""
    values = [
        {"id": row.chunk, "title": " ".join(row.title), "heading": " ".join(row.heading), "body": " ".join(row.body)}
        for row in rows
    ]
    if values:
        statement = (
            f"INSERT INTO {_table(reader_set)}(rowid, title, heading, body) VALUES (:id, :title, :heading, :body)"
        )
        connection.execute(text(statement), values)
        _count(connection, reader_set, rows, 1)


def delete(connection: Connection, reader_set: int, chunks: Sequence[int]) -> None:
    """Remove chunks; those that are not in this table are passed over."""
    there = rows_of(connection, reader_set, chunks)
    if there:
        values = [{"id": row.chunk} for row in there]
        connection.execute(text(f"DELETE FROM {_table(reader_set)} WHERE rowid = :id"), values)
        _count(connection, reader_set, there, -1)


def purge(connection: Connection, reader_set: int) -> None:
    """Merge the table's segments, so that the terms of deleted rows are gone from the file and not only marked."""
    table = _table(reader_set)
    connection.exec_driver_sql(f"INSERT INTO {table}({table}) VALUES ('optimize')")


def move(connection: Connection, chunks: Sequence[int], origin: int, target: int) -> None:
    """Move chunks from one set of readers to another."""
    insert(connection, target, rows_of(connection, origin, chunks))
    delete(connection, origin, chunks)


def candidates(connection: Connection, reader_set: int, query: Sequence[str], limit: int) -> list[WordRow]:
    """At most `limit` chunks that hold any of the query's terms, best first by FTS5's bm25."""
    if not query:
        return []
    table = _table(reader_set)
    statement = text(
        f"SELECT rowid, title, heading, body FROM {table} WHERE {table} MATCH :match"
        f" ORDER BY bm25({table}, {TITLE_WEIGHT}, {HEADING_WEIGHT}, {BODY_WEIGHT}), rowid LIMIT :limit"
    )
    match = " OR ".join(f'"{term}"' for term in dict.fromkeys(query))
    return [_row(row) for row in connection.execute(statement, {"match": match, "limit": limit})]


def rows_of(connection: Connection, reader_set: int, chunks: Sequence[int]) -> list[WordRow]:
    """The rows of these chunks, in no order; those that are not in this table are passed over."""
    found: list[WordRow] = []
    for at in range(0, len(chunks), _IDS_PER_STATEMENT):
        ids = ",".join(str(int(chunk)) for chunk in chunks[at : at + _IDS_PER_STATEMENT])
        statement = f"SELECT rowid, title, heading, body FROM {_table(reader_set)} WHERE rowid IN ({ids})"
        found += [_row(row) for row in connection.exec_driver_sql(statement)]
    return found


def chunk_ids(connection: Connection, reader_set: int) -> set[int]:
    """Every chunk of the table."""
    return {row[0] for row in connection.exec_driver_sql(f"SELECT rowid FROM {_table(reader_set)}")}


def frequencies(connection: Connection, reader_set: int, query: Iterable[str]) -> dict[str, int]:
    """In how many chunks each term stands."""
    statement = text(f"SELECT doc FROM {_table(reader_set)}_terms WHERE term = :term")
    found = {term: connection.execute(statement, {"term": term}).scalar() for term in set(query)}
    return {term: int(count) for term, count in found.items() if count}


def totals(connection: Connection, reader_set: int) -> Totals:
    """How much is in the table."""
    statement = text(
        "SELECT chunks, title_terms, heading_terms, body_terms FROM word_totals WHERE reader_set_id = :set"
    )
    return Totals(*connection.execute(statement, {"set": reader_set}).one())


def _count(connection: Connection, reader_set: int, counted: Sequence[WordRow], sign: int) -> None:
    statement = text(
        "UPDATE word_totals SET chunks = chunks + :chunks, title_terms = title_terms + :title,"
        " heading_terms = heading_terms + :heading, body_terms = body_terms + :body WHERE reader_set_id = :set"
    )
    change = {
        "chunks": len(counted),
        "title": sum(len(row.title) for row in counted),
        "heading": sum(len(row.heading) for row in counted),
        "body": sum(len(row.body) for row in counted),
    }
    connection.execute(statement, {name: sign * value for name, value in change.items()} | {"set": reader_set})


def _table(reader_set: int) -> str:
    return f"words_{int(reader_set)}"


def _row(row: Sequence[object]) -> WordRow:
    chunk, title, heading, body = row
    return WordRow(int(str(chunk)), str(title).split(), str(heading).split(), str(body).split())
