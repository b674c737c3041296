"""Generations: made beside the one that answers, flipped to, gone back from, dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from models.embedders import Embedder
from models.fakes import HashingEmbeddings
from retrieval import building, generations
from retrieval.building import Builder
from retrieval.database import reading
from retrieval.errors import IndexMismatch, NotFound, RetrievalError
from retrieval.index import Index
from retrieval.search import Searcher
from tests.retrieval.conftest import ALL, HR, IN_HR, SOMEBODY, CountingEmbeddings, prepared
from tests.retrieval.test_index import consistent, found

Put = Callable[..., None]


def reopen(spec: str) -> Embedder:
    return HashingEmbeddings(int(spec))


def opened(folder: Path, dimensions: int, recipe: str = "1") -> Index:
    return Index(folder, HashingEmbeddings(dimensions), recipe=recipe, spec=str(dimensions), reopen=reopen)


@pytest.fixture
def two(folder: Path, index: Index, put: Put) -> Index:
    """An index made with 64 dimensions, opened by settings that want 32."""
    index.close()
    first = opened(folder, 64)
    first.put(1, [prepared("travel.md", "The hotel limit is 180 EUR."), prepared("bus.md", "The bus leaves at nine.")])
    first.close()
    return opened(folder, 32)


def numbers(index: Index) -> list[int]:
    with reading(index.engine) as connection:
        return [one.id for one in generations.every(connection)]


def test_the_former_embedder_answers_until_the_new_generation_is_whole(two: Index) -> None:
    builder, searcher = Builder(two), Searcher(two)
    assert builder.wanted()
    made = builder.begin()
    assert found(searcher, "hotel limit") == ["The hotel limit is 180 EUR."]
    with pytest.raises(RetrievalError, match="lacks 2 documents"):
        builder.flip(made)
    assert builder.catch_up(made) == 2
    builder.flip(made)
    assert not builder.wanted()
    assert found(searcher, "hotel limit") == ["The hotel limit is 180 EUR."]
    assert consistent(two)


def test_going_back_is_one_step_and_brings_back_nothing_of_the_past(two: Index) -> None:
    builder, searcher = Builder(two), Searcher(two)
    made = builder.begin()
    builder.catch_up(made)
    builder.flip(made)
    two.put(1, [prepared("travel.md", "The hotel limit is 210 EUR."), prepared("new.md", "Parking is free.")])
    ids = {hit.title: hit.document_id for hit in searcher.search("bus nine", principal=SOMEBODY, k=1).hits}
    two.remove([ids["bus"]])
    assert builder.switch(1).fingerprint == HashingEmbeddings(64).fingerprint
    assert found(searcher, "hotel limit bus") == ["The hotel limit is 210 EUR."]
    assert found(searcher, "parking free") == ["Parking is free."]
    assert not builder.wanted()  # who went back is not brought forward again by the next ingest
    assert builder.switch(made.id).id == made.id
    two.tidy(purge=True)
    assert consistent(two)


def test_readers_are_changed_in_every_generation(two: Index) -> None:
    builder, searcher = Builder(two), Searcher(two)
    made = builder.begin()
    builder.catch_up(made)
    ids = {hit.title: hit.document_id for hit in searcher.search("bus nine", principal=SOMEBODY, k=1).hits}
    two.set_readers([ids["bus"]], HR)
    assert consistent(two)
    builder.flip(made)
    assert found(searcher, "bus nine") == []
    assert found(searcher, "bus nine", IN_HR) == ["The bus leaves at nine."]


def test_a_dropped_generation_leaves_nothing_behind(two: Index) -> None:
    builder = Builder(two)
    made = builder.begin()
    builder.catch_up(made)
    with pytest.raises(RetrievalError, match="answers"):
        builder.drop(1)
    builder.flip(made)
    builder.drop(1)
    assert numbers(two) == [made.id]
    assert all(name.startswith(made.collections) for name in two.vectors.collections())
    with reading(two.engine) as connection:
        tables = connection.execute(text("SELECT name FROM sqlite_master WHERE name LIKE 'words_1_%'")).all()
        kept = connection.execute(text("SELECT DISTINCT fingerprint FROM vectors")).scalars().all()
    assert tables == []
    assert kept == [HashingEmbeddings(32).fingerprint]
    with pytest.raises(NotFound, match="kura index list"):
        builder.drop(1)
    assert consistent(two)


def test_what_broke_off_goes_on_in_the_same_generation(two: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = Builder(two)
    made = builder.begin()
    adopt, calls = Builder._adopt, []

    def once(self: Builder, generation: generations.Generation, batch: Any) -> None:
        calls.append(batch)
        if len(calls) > 1:
            raise KeyboardInterrupt
        adopt(self, generation, batch)

    monkeypatch.setattr(building, "BATCH_CHUNKS", 1)
    monkeypatch.setattr(Builder, "_adopt", once)
    with pytest.raises(KeyboardInterrupt):
        builder.catch_up(made)
    monkeypatch.undo()
    again = builder.begin()
    assert again == made
    assert builder.catch_up(again) == 1
    assert consistent(two)


@pytest.mark.parametrize(("size", "batches"), [(1, 5), (2, 3), (512, 1)])
def test_documents_are_taken_over_in_batches_of_chunks(
    two: Index, monkeypatch: pytest.MonkeyPatch, size: int, batches: int
) -> None:
    builder, searcher = Builder(two), Searcher(two)
    two.put(1, [prepared("pay.md", "Salaries are reviewed.", HR), prepared("twice.md", "The bus leaves at nine.")])
    two.put(1, [prepared("empty.md", "")])
    made, upserts, progress = builder.begin(), [], []
    send = Index.send
    monkeypatch.setattr(building, "BATCH_CHUNKS", size)
    monkeypatch.setattr(Index, "send", lambda self, *args: (upserts.append(args[0]), send(self, *args)))
    documents = builder.catch_up(made, lambda done, total: progress.append((done, total)))
    assert len(progress) == batches + 1
    assert progress[-1] == (documents, documents) == (5, 5)
    assert len(set(upserts)) == 2
    builder.flip(made)
    assert found(searcher, "hotel limit") == ["The hotel limit is 180 EUR."]
    assert found(searcher, "salaries") == []
    assert found(searcher, "salaries", IN_HR) == ["Salaries are reviewed."]
    assert consistent(two)


def test_generations_that_were_begun_and_are_not_wanted_any_more_go(folder: Path, two: Index) -> None:
    builder = Builder(two)
    builder.catch_up(abandoned := builder.begin())
    two.close()
    other = opened(folder, 16)
    builder = Builder(other)
    wanted = builder.begin()
    builder.drop_abandoned()
    assert numbers(other) == [1, wanted.id]
    assert not any(name.startswith(abandoned.collections) for name in other.vectors.collections())
    assert found(Searcher(other), "hotel limit") == ["The hotel limit is 180 EUR."]
    builder.catch_up(wanted)
    builder.flip(wanted)
    builder.drop_abandoned()  # what answered once is kept to go back to
    assert numbers(other) == [1, wanted.id]
    assert consistent(other)
    other.close()


def test_a_document_put_into_a_new_generation_leaves_the_answering_one_alone(two: Index) -> None:
    builder, searcher = Builder(two), Searcher(two)
    made = builder.begin()
    two.put(1, [prepared("travel.md", "The hotel limit, said in other pieces.")], generation=made)
    assert found(searcher, "hotel limit") == ["The hotel limit is 180 EUR."]
    assert builder.catch_up(made) == 1
    builder.flip(made)
    assert found(searcher, "hotel limit") == ["The hotel limit, said in other pieces."]
    assert consistent(two)


def test_a_new_generation_changes_neither_readers_nor_address_of_what_is_there(two: Index) -> None:
    builder, searcher = Builder(two), Searcher(two)
    made = builder.begin()
    moved = replace(prepared("travel.md", "The hotel limit, said in other pieces.", HR), address="/elsewhere/travel.md")
    two.put(1, [moved, prepared("pay.md", "Salaries are reviewed in April.", HR)], generation=made)
    assert [hit.address for hit in searcher.search("hotel limit", principal=SOMEBODY, k=1).hits] == ["/docs/travel.md"]
    builder.catch_up(made)
    builder.flip(made)
    (hit,) = searcher.search("hotel pieces", principal=SOMEBODY, k=1).hits
    assert (hit.text, hit.address) == ("The hotel limit, said in other pieces.", "/docs/travel.md")
    assert found(searcher, "salaries april") == []
    assert found(searcher, "salaries april", IN_HR) == ["Salaries are reviewed in April."]
    assert consistent(two)
    two.remove([hit.document_id])
    assert found(searcher, "hotel") == []
    assert consistent(two)


def test_an_embedder_that_cannot_be_had_again_is_told(folder: Path, two: Index) -> None:
    two.close()
    lost = Index(folder, CountingEmbeddings(32))
    with pytest.raises(IndexMismatch, match="former embedder"):
        Searcher(lost).search("hotel", principal=SOMEBODY, k=1)
    lost.close()


def test_documents_moved_in_one_step_are_never_seen_twice_or_not_at_all(index: Index, put: Put) -> None:
    put(travel="The hotel limit is 180 EUR.")
    searcher = Searcher(index)
    former = searcher.search("hotel", principal=SOMEBODY, k=1).hits[0].document_id
    index.put(1, [prepared("trips/travel.md", "The hotel limit is 180 EUR.", ALL)], instead_of=[former])
    hits = searcher.search("hotel", principal=SOMEBODY, k=5).hits
    assert [hit.address for hit in hits] == ["/docs/trips/travel.md"]
    assert consistent(index)
