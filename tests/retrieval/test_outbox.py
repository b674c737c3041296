"""What Chroma must forget is on a list until it was read back that it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Engine

from retrieval import outbox
from retrieval.chroma import VectorIndex
from retrieval.database import open_database, reading, sql, writing
from retrieval.errors import IndexDamaged
from retrieval.index import DATABASE, MIGRATIONS


class FakeVectors:
    """Keys by collection. `stubborn` ones are not deleted; `meanwhile` is called in the middle of a deletion."""

    def __init__(self, **collections: set[str]) -> None:
        self.collections = collections
        self.stubborn: set[str] = set()
        self.meanwhile: Callable[[], None] = lambda: None

    def delete(self, collection: str, keys: list[str]) -> None:
        self.meanwhile()
        self.collections[collection] -= set(keys) - self.stubborn

    def present(self, collection: str, keys: list[str]) -> set[str]:
        return self.collections[collection] & set(keys)

    def __call__(self) -> VectorIndex:
        return cast(VectorIndex, self)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(tmp_path / DATABASE, MIGRATIONS)
    yield opened
    opened.dispose()


def forget(engine: Engine, collection: str, *keys: str) -> None:
    with writing(engine) as connection:
        outbox.forget(connection, collection, keys)


def listed(engine: Engine) -> set[tuple[str, str]]:
    with reading(engine) as connection:
        return {(row.collection, row.chunk_key) for row in connection.execute(sql("SELECT * FROM outbox"))}


def test_what_is_listed_is_forgotten_in_its_own_collection_and_the_list_is_empty(engine: Engine) -> None:
    vectors = FakeVectors(a={"k1", "k2", "k3"}, b={"k1", "k2"})
    forget(engine, "a", "k1", "k3")
    forget(engine, "b", "k2")
    outbox.work_off(engine, vectors)
    assert vectors.collections == {"a": {"k2"}, "b": {"k1"}}
    assert listed(engine) == set()


def test_with_nothing_to_forget_chroma_is_not_opened(engine: Engine) -> None:
    def opened() -> VectorIndex:
        raise AssertionError("Chroma was opened")

    forget(engine, "a")
    outbox.work_off(engine, opened)


def test_what_came_about_is_taken_from_the_list_of_its_collection_alone(engine: Engine) -> None:
    forget(engine, "a", "k1", "k2")
    forget(engine, "b", "k1")
    with writing(engine) as connection:
        outbox.keep(connection, "a", ["k1"])
    assert listed(engine) == {("a", "k2"), ("b", "k1")}


def test_what_chroma_kept_is_damage_and_stays_on_the_list(engine: Engine) -> None:
    vectors = FakeVectors(a={"k1", "k2"})
    vectors.stubborn = {"k2"}
    forget(engine, "a", "k1", "k2")
    with pytest.raises(IndexDamaged, match=r"kept 1 passages.*kura repair"):
        outbox.work_off(engine, vectors)
    assert listed(engine) == {("a", "k1"), ("a", "k2")}
    vectors.stubborn = set()
    outbox.work_off(engine, vectors)
    assert (vectors.collections, listed(engine)) == ({"a": set()}, set())


def test_what_is_listed_meanwhile_is_left_for_the_next_time(engine: Engine) -> None:
    vectors = FakeVectors(a={"k1", "k2"})
    vectors.meanwhile = lambda: forget(engine, "a", "k2")
    forget(engine, "a", "k1")
    outbox.work_off(engine, vectors)
    assert (vectors.collections, listed(engine)) == ({"a": {"k2"}}, {("a", "k2")})
