"""Word search in FTS5: one table for each generation and set of readers, each row the terms of one live chunk.

A principal's search opens only the tables it may read, so no count, rank or rarity depends on a text it may not see.
Knows how terms are kept, not how they are made (`retrieval/terms.py`) nor how a hit is ranked (`retrieval/ranking.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from retrieval.database import Part, slices, sql
from retrieval.reading import Phrase
from retrieval.terms import ChunkWords

TOKENIZER = "unicode61 remove_diacritics 0 categories 'L* N* M* Co' tokenchars '_.-@/#+:'"
"""Splits the space-joined terms again and changes nothing else."""

TITLE_WEIGHT, HEADING_WEIGHT, BODY_WEIGHT = 2.0, 1.5, 1.0
"""Weights of FTS5's own bm25, which only picks the candidates; `retrieval/ranking.py` orders them."""


@dataclass(frozen=True, slots=True)
class WordTable:
    """Names a table: the words of what one set of readers may read, in one generation of the index."""

    generation: int
    readers: int

    @property
    def name(self) -> str:
        return f"words_{int(self.generation)}_{int(self.readers)}"


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


def ensure(connection: Connection, table: WordTable) -> None:
    """Make a table if it is not there."""
    if table in tables(connection, table.generation):
        return
    tokenizer = TOKENIZER.replace("'", "''")
    connection.exec_driver_sql(
        f"CREATE VIRTUAL TABLE {table.name} USING fts5(title, heading, body, tokenize = '{tokenizer}')"
    )
    connection.exec_driver_sql(f"CREATE VIRTUAL TABLE {table.name}_terms USING fts5vocab({table.name}, row)")
    connection.execute(
        sql("INSERT INTO word_totals VALUES (:generation, :readers, 0, 0, 0, 0)"),
        {"generation": table.generation, "readers": table.readers},
    )


def tables(connection: Connection, generation: int) -> list[WordTable]:
    """The tables of a generation."""
    statement = sql("SELECT reader_set_id FROM word_totals WHERE generation_id = :g ORDER BY reader_set_id")
    return [WordTable(generation, int(one)) for one in connection.execute(statement, {"g": generation}).scalars()]


def drop(connection: Connection, table: WordTable) -> None:
    """Remove a table, whatever state it is in."""
    for name in (f"{table.name}_terms", table.name):
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
    connection.execute(
        sql("DELETE FROM word_totals WHERE generation_id = :generation AND reader_set_id = :readers"),
        {"generation": table.generation, "readers": table.readers},
    )


def insert(connection: Connection, table: WordTable, rows: Sequence[tuple[int, ChunkWords]]) -> None:
    """Add chunks, each by its `chunks.id`."""
    if not rows:
        return
    values = [{"id": id_, "title": one.title, "heading": one.heading, "body": one.body} for id_, one in rows]
    connection.execute(
        sql(f"INSERT INTO {table.name}(rowid, title, heading, body) VALUES (:id, :title, :heading, :body)"), values
    )
    counted = [(_length(one.title), _length(one.heading), _length(one.body)) for _, one in rows]
    _count(connection, table, counted, 1)


def delete(connection: Connection, table: WordTable, chunks: Sequence[int]) -> None:
    """Remove chunks; those that are not in this table are passed over, and so is a table that is not there."""
    there = rows_of(connection, table, chunks)
    if there:
        values = [{"id": row.chunk} for row in there]
        connection.execute(sql(f"DELETE FROM {table.name} WHERE rowid = :id"), values)
        _count(connection, table, [(len(row.title), len(row.heading), len(row.body)) for row in there], -1)


def purge(connection: Connection, table: WordTable) -> None:
    """Merge the table's segments, so that the terms of deleted rows are gone from the file and not only marked.

    A table that is not there any more is passed over.
    """
    if table not in tables(connection, table.generation):
        return
    connection.exec_driver_sql(f"INSERT INTO {table.name}({table.name}) VALUES ('optimize')")


def move(connection: Connection, chunks: Sequence[int], origin: WordTable, target: WordTable) -> None:
    """Move chunks from one set of readers to another."""
    moved = [
        (row.chunk, ChunkWords(" ".join(row.title), " ".join(row.heading), " ".join(row.body)))
        for row in rows_of(connection, origin, chunks)
    ]
    insert(connection, target, moved)
    delete(connection, origin, chunks)


def candidates(
    connection: Connection,
    table: WordTable,
    query: Sequence[str],
    limit: int,
    phrases: Collection[Phrase] = (),
    *,
    among: Part | None = None,
) -> list[WordRow]:
    """At most `limit` chunks that hold any of the query's terms or phrases, best first by FTS5's bm25.

    `among` is a query of chunk ids: only those count.
    """
    if not query:
        return []
    name = table.name
    chosen = among or Part("", (), {})
    # the sign keeps SQLite from asking FTS5 anew for each of the ids
    narrowed = f" AND +rowid IN ({chosen.statement})" if among else ""
    statement = sql(
        f"SELECT rowid, title, heading, body FROM {name} WHERE {name} MATCH :match{narrowed}"
        f" ORDER BY bm25({name}, {TITLE_WEIGHT}, {HEADING_WEIGHT}, {BODY_WEIGHT}), rowid LIMIT :limit",
        *chosen.lists,
    )
    match = _any([*((term,) for term in query), *phrases])
    return [_row(row) for row in connection.execute(statement, {**chosen.values, "match": match, "limit": limit})]


def rows_of(connection: Connection, table: WordTable, chunks: Sequence[int]) -> list[WordRow]:
    """The rows of these chunks, in no order; those that are not in this table are passed over, and a table that is not."""
    found: list[WordRow] = []
    if table not in tables(connection, table.generation):
        return found
    statement = sql(f"SELECT rowid, title, heading, body FROM {table.name} WHERE rowid IN :ids", "ids")
    for some in slices(chunks):
        found += [_row(row) for row in connection.execute(statement, {"ids": some})]
    return found


def chunk_ids(connection: Connection, table: WordTable) -> set[int]:
    """Every chunk of the table."""
    return {row[0] for row in connection.exec_driver_sql(f"SELECT rowid FROM {table.name}")}


def frequencies(connection: Connection, table: WordTable, query: Iterable[str]) -> dict[str, int]:
    """In how many chunks each term stands."""
    statement = sql(f"SELECT doc FROM {table.name}_terms WHERE term = :term")
    found = {term: connection.execute(statement, {"term": term}).scalar() for term in set(query)}
    return {term: int(count) for term, count in found.items() if count}


def vocabulary(connection: Connection, table: WordTable, beginning: str, shortest: int, longest: int) -> dict[str, int]:
    """The terms that begin with an ASCII letter and have so many characters, each with the number of chunks that hold it."""
    statement = sql(
        f"SELECT term, doc FROM {table.name}_terms WHERE term >= :first AND term < :next"
        " AND length(term) BETWEEN :shortest AND :longest"
    )
    values = {"first": beginning, "next": chr(ord(beginning) + 1), "shortest": shortest, "longest": longest}
    return {str(term): int(count) for term, count in connection.execute(statement, values)}


def holding(connection: Connection, table: WordTable, phrases: Collection[Phrase]) -> int:
    """How many chunks hold any of these phrases (at least one)."""
    statement = sql(f"SELECT count(*) FROM {table.name} WHERE {table.name} MATCH :match")
    return int(connection.execute(statement, {"match": _any(phrases)}).scalar_one())


def totals(connection: Connection, table: WordTable) -> Totals:
    """How much is in the table."""
    statement = sql(
        "SELECT chunks, title_terms, heading_terms, body_terms FROM word_totals"
        " WHERE generation_id = :generation AND reader_set_id = :readers"
    )
    return Totals(*connection.execute(statement, {"generation": table.generation, "readers": table.readers}).one())


def _any(phrases: Iterable[Phrase]) -> str:
    """A MATCH for any of some phrases: no term has a quote in it (`retrieval/terms.py`)."""
    return " OR ".join(f'"{" ".join(phrase)}"' for phrase in dict.fromkeys(phrases))


def _length(joined: str) -> int:
    return joined.count(" ") + 1 if joined else 0


def _count(connection: Connection, table: WordTable, counted: Sequence[tuple[int, int, int]], sign: int) -> None:
    statement = sql(
        "UPDATE word_totals SET chunks = chunks + :chunks, title_terms = title_terms + :title,"
        " heading_terms = heading_terms + :heading, body_terms = body_terms + :body"
        " WHERE generation_id = :generation AND reader_set_id = :readers"
    )
    title, heading, body = (sum(column) for column in zip(*counted, strict=True))
    change = {"chunks": len(counted), "title": title, "heading": heading, "body": body}
    values = {name: sign * value for name, value in change.items()}
    connection.execute(statement, values | {"generation": table.generation, "readers": table.readers})


def _row(row: Sequence[object]) -> WordRow:
    chunk, title, heading, body = row
    return WordRow(int(str(chunk)), str(title).split(), str(heading).split(), str(body).split())
