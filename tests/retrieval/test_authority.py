"""The authority's own rules: what a source is known by, who reads, and which vectors are still needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection

from retrieval import authority, generations
from retrieval.access import Readers
from retrieval.database import open_database, sql, writing
from retrieval.documents import Chunk, Document
from retrieval.index import DATABASE, MIGRATIONS
from tests.retrieval.conftest import ALL, HR


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_database(tmp_path / DATABASE, MIGRATIONS)
    with writing(engine) as opened:
        yield opened
    engine.dispose()


def add(connection: Connection, source: int, item: str, *, text: str = "Some text.", digest: str = "d1") -> int:
    """A document of one chunk, not live yet; the id of its version."""
    document = authority.document_id(source, item)
    readers = authority.ensure_reader_set(connection, ALL)
    authority.add_documents(connection, [(document, source, item, f"/docs/{item}", readers)])
    stored = Document(item, text, "en")
    version = authority.add_version(connection, document, stored, content_sha256="ab", recipe="1", source_version="v1")
    key = authority.chunk_key(document, version, 0)
    authority.add_chunks(connection, [(version, [(key, Chunk(0, len(text), ("H",), 1), digest)])])
    return version


def generation(connection: Connection) -> generations.Generation:
    made = generations.add(connection, fingerprint="f", recipe="1", embedder="")
    generations.make_current(connection, made)
    return made


# --- sources ---------------------------------------------------------------------------------------------------------


def test_a_source_is_known_by_its_root_and_else_by_its_name(connection: Connection) -> None:
    first = authority.put_source(connection, "docs", "/docs", ALL)
    assert authority.put_source(connection, "handbook", "/docs", HR) == first  # another name for what lies there
    assert authority.put_source(connection, "handbook", "/elsewhere", HR, "git") == first  # it has moved
    (only,) = authority.sources(connection)
    assert (only.name, only.root, only.readers, only.kind) == ("handbook", "/elsewhere", HR, "git")
    assert authority.put_source(connection, "other", "/other", ALL) != first


def test_the_documents_of_a_source_that_moved_are_found_where_they_are_now(connection: Connection) -> None:
    source = authority.put_source(connection, "docs", "/docs", ALL)
    other = authority.put_source(connection, "other", "/other", ALL)
    add(connection, source, "a_%.md")
    add(connection, other, "docs/a.md")
    authority.move_addresses(connection, source, "/docs", "/規程 2")
    rows = connection.execute(sql("SELECT source_id, address FROM documents"))
    assert {row.source_id: row.address for row in rows} == {source: "/規程 2/a_%.md", other: "/docs/docs/a.md"}


def test_folders_that_are_kept_out_are_those_noted_last(connection: Connection) -> None:
    assert authority.kept_out(connection) == set()
    authority.keep_out(connection, ["/docs/規程", "/docs/pay"])
    assert authority.kept_out(connection) == {"/docs/規程", "/docs/pay"}
    authority.keep_out(connection, ["/docs/pay"])
    assert authority.kept_out(connection) == {"/docs/pay"}


# --- readers ---------------------------------------------------------------------------------------------------------


def test_equal_readers_are_one_set_and_discord_makes_another(connection: Connection) -> None:
    one = authority.ensure_reader_set(connection, Readers(frozenset({"hr", "legal"})))
    assert authority.ensure_reader_set(connection, Readers(frozenset({"legal", "hr"}))) == one
    shown = authority.ensure_reader_set(connection, Readers(frozenset({"hr", "legal"}), discord=True))
    assert shown != one
    assert authority.reader_sets(connection)[shown] == Readers(frozenset({"hr", "legal"}), discord=True)


# --- versions --------------------------------------------------------------------------------------------------------


def test_only_what_is_live_is_known_and_in_its_own_generation(connection: Connection) -> None:
    source = authority.put_source(connection, "docs", "/docs", ALL)
    answers = generation(connection)
    version, document = add(connection, source, "a.md"), authority.document_id(source, "a.md")
    assert authority.manifest(connection, source, answers.id) == {}
    assert authority.reader_sets_of(connection, [document]) == {}
    generations.point(connection, answers, {document: version})
    known = authority.manifest(connection, source, answers.id)["a.md"]
    assert (known.document_id, known.version_id, known.readers, known.source_version) == (document, version, ALL, "v1")
    assert authority.manifest(connection, source, answers.id + 1) == {}
    assert authority.reader_sets_of(connection, [document, "none"]).keys() == {document}
    authority.set_source_versions(connection, {version: "v2"})
    assert authority.manifest(connection, source, answers.id)["a.md"].source_version == "v2"


def test_a_document_is_the_same_for_its_source_and_item_and_a_chunks_key_is_never_used_twice() -> None:
    assert authority.document_id(1, "a.md") == authority.document_id(1, "a.md")
    assert len({authority.document_id(source, item) for source in (1, 11) for item in ("a.md", "1a.md")}) == 4
    document = authority.document_id(1, "a.md")
    assert len({authority.chunk_key(document, version, at) for version in (1, 11) for at in (0, 1)}) == 4


def test_a_version_comes_back_as_it_was_written_and_goes_with_its_chunks(connection: Connection) -> None:
    source = authority.put_source(connection, "docs", "/docs", ALL)
    version = add(connection, source, "a.md", text="𠮷野家の昼食。")
    document, chunks = authority.stored_version(connection, version)
    assert (document.text, chunks) == ("𠮷野家の昼食。", [Chunk(0, 7, ("H",), 1)])
    authority.delete_version(connection, version)
    assert authority.chunk_ids(connection, version) == []


# --- vectors ---------------------------------------------------------------------------------------------------------


def test_vectors_are_kept_by_embedder_and_text_as_long_as_a_chunk_holds_it(connection: Connection) -> None:
    source = authority.put_source(connection, "docs", "/docs", ALL)
    first = add(connection, source, "a.md", digest="d1")
    add(connection, source, "b.md", digest="d1")
    second = add(connection, source, "c.md", digest="d2")
    values = {name: np.array([at, 0.5], dtype=np.float32) for at, name in enumerate(("d1", "d2", "d3"))}
    authority.put_vectors(connection, "f", values)
    authority.put_vectors(connection, "g", {"d1": values["d3"]})
    (row,) = authority.chunk_vectors(connection, "f", second).values()
    assert row.tolist() == [1.0, 0.5]
    authority.delete_version(connection, first)
    authority.delete_unused_vectors(connection)
    assert authority.vectors(connection, "f", ["d1", "d2", "d3"]).keys() == {"d1", "d2"}  # b.md still says d1
    assert [authority.vectors(connection, one, ["d1"])["d1"].tolist() for one in "fg"] == [[0.0, 0.5], [2.0, 0.5]]
    authority.delete_version(connection, second)
    authority.delete_unused_vectors(connection)
    assert authority.vectors(connection, "f", ["d1", "d2"]).keys() == {"d1"}


def test_more_vectors_than_fit_one_query_are_all_found(connection: Connection) -> None:
    values = {f"d{at}": np.array([at], dtype=np.float32) for at in range(1201)}
    authority.put_vectors(connection, "f", values)
    found = authority.vectors(connection, "f", values)
    assert {name: row.tolist() for name, row in found.items()} == {name: row.tolist() for name, row in values.items()}
