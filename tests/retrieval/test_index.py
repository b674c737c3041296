from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from models.fakes import HashingEmbeddings
from retrieval import authority, generations, words
from retrieval.building import Builder
from retrieval.database import reading, writing
from retrieval.errors import IndexMismatch
from retrieval.index import Index
from retrieval.search import Searcher
from retrieval.words import WordTable
from tests.retrieval.conftest import ALL, HR, IN_HR, SOMEBODY, CountingEmbeddings, prepared

Put = Callable[..., None]


def found(searcher: Searcher, query: str, principal: object = SOMEBODY) -> list[str]:
    return [hit.text for hit in searcher.search(query, principal=principal, k=5).hits if hit.words > 0]  # type: ignore[arg-type]


def consistent(index: Index) -> bool:
    """Words and vectors hold exactly the live chunks, and nothing waits to be done."""
    with reading(index.engine) as connection:
        for generation in generations.every(connection):
            for reader_set in authority.reader_sets(connection):
                live = generations.live_chunks(connection, generation, reader_set)
                table = WordTable(generation.id, reader_set)
                there = table in words.tables(connection, generation.id)
                if (words.chunk_ids(connection, table) if there else set()) != set(live):
                    return False
                if there and words.totals(connection, table).chunks != len(live):
                    return False
                if index.vectors.keys(generation.collection(reader_set)) != set(live.values()):
                    return False
        return connection.execute(text("SELECT count(*) FROM outbox")).scalar() == 0


def test_a_document_put_is_found_with_its_place(put: Put, searcher: Searcher) -> None:
    put(travel="Trains are second class.\n\nHotels cost at most 180 EUR a night.")
    hit = searcher.search("hotels night", principal=SOMEBODY, k=1).hits[0]
    assert (hit.title, hit.address, hit.line) == ("travel", "/docs/travel.md", 3)
    assert searcher.document(hit.document_id, principal=SOMEBODY).text[hit.start : hit.end] == hit.text


def test_a_replaced_document_answers_with_its_new_text_only(put: Put, searcher: Searcher, index: Index) -> None:
    put(travel="The hotel limit is 180 EUR.")
    put(travel="The hotel limit is 210 EUR.")
    assert found(searcher, "hotel limit") == ["The hotel limit is 210 EUR."]
    assert consistent(index)


def test_an_unchanged_passage_is_not_embedded_again(put: Put, embedder: CountingEmbeddings) -> None:
    put(travel="First paragraph.\n\nSecond paragraph.")
    before = embedder.embedded
    put(travel="First paragraph.\n\nAnother paragraph.")
    assert embedder.embedded == before + 1


def test_a_removed_document_is_gone_and_its_text_is_in_no_file(
    put: Put, searcher: Searcher, index: Index, folder: Path
) -> None:
    put(travel="The hotel limit is 180 EUR.", secret="The xylophone budget is confidential.")
    document_id = searcher.search("xylophone", principal=SOMEBODY, k=1).hits[0].document_id
    index.remove([document_id])
    index.tidy(purge=True)
    assert found(searcher, "xylophone budget") == []
    assert consistent(index)
    for file in folder.rglob("*"):
        if file.is_file():
            assert b"xylophon" not in file.read_bytes(), file


def test_other_readers_take_effect_without_embedding(
    put: Put, searcher: Searcher, index: Index, embedder: CountingEmbeddings
) -> None:
    put(pay="Salaries are reviewed in April.")
    before = embedder.embedded
    document_id = searcher.search("salaries", principal=SOMEBODY, k=1).hits[0].document_id
    index.set_readers([document_id], HR)
    assert found(searcher, "salaries reviewed") == []
    assert found(searcher, "salaries reviewed", IN_HR) == ["Salaries are reviewed in April."]
    assert embedder.embedded == before
    assert consistent(index)


def test_documents_that_are_gone_are_passed_over_when_readers_change(
    put: Put, searcher: Searcher, index: Index
) -> None:
    put(pay="Salaries are reviewed in April.", old="The xylophone is blue.")
    ids = {hit.title: hit.document_id for hit in searcher.search("salaries xylophone", principal=SOMEBODY, k=5).hits}
    index.remove([ids["old"]])
    index.set_readers([ids["old"], "never there", ids["pay"]], HR)
    assert found(searcher, "salaries xylophone") == []
    assert found(searcher, "salaries xylophone", IN_HR) == ["Salaries are reviewed in April."]
    assert consistent(index)


@pytest.mark.parametrize("step", ["_send", "_go_live", "work_off_outbox"])
@pytest.mark.parametrize("readers", [ALL, HR], ids=["same readers", "other readers"])
def test_a_put_that_breaks_off_anywhere_is_whole_or_not_at_all(
    folder: Path, index: Index, put: Put, step: str, readers: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(travel="The hotel limit is 180 EUR.", other="Trains are second class.")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Index, step, killed)
    with pytest.raises(KeyboardInterrupt):
        index.put(1, [prepared("travel.md", "The hotel limit is 210 EUR.", readers)])  # type: ignore[arg-type]
    monkeypatch.undo()
    index.close()

    again = Index(folder, HashingEmbeddings())
    flipped = step == "work_off_outbox"
    seen = found(Searcher(again), "hotel limit", IN_HR)
    assert seen == [f"The hotel limit is {'210' if flipped else '180'} EUR."]
    again.tidy(purge=False)
    assert consistent(again)
    again.put(1, [prepared("travel.md", "The hotel limit is 210 EUR.", readers)])  # type: ignore[arg-type]
    assert found(Searcher(again), "hotel limit", IN_HR) == ["The hotel limit is 210 EUR."]
    assert consistent(again)
    again.close()


def test_a_change_of_readers_that_breaks_off_leaves_nothing_behind(
    index: Index, put: Put, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(pay="Salaries are reviewed in April.")
    document_id = searcher.search("salaries", principal=SOMEBODY, k=1).hits[0].document_id

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(words, "move", killed)
    with pytest.raises(KeyboardInterrupt):
        index.set_readers([document_id], HR)
    monkeypatch.undo()
    index.tidy(purge=False)
    assert found(searcher, "salaries reviewed") == ["Salaries are reviewed in April."]
    assert consistent(index)


def test_a_reader_sees_the_old_version_or_the_new_never_a_mix(index: Index, put: Put, searcher: Searcher) -> None:
    put(travel="Limit 0 hotel.\n\nLimit 0 train.")
    stop, mixed, reads = threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            numbers = {
                hit.text.split()[1] for hit in searcher.search("limit hotel train", principal=SOMEBODY, k=5).hits
            }
            reads.append(numbers)
            if len(numbers) != 1:
                mixed.append(numbers)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 25):
        put(travel=f"Limit {number} hotel.\n\nLimit {number} train.")
    stop.set()
    reader.join()
    assert mixed == []
    assert len(reads) > 10


def test_the_indexes_can_be_made_anew_from_the_authority(put: Put, searcher: Searcher, index: Index) -> None:
    put(travel="Hotels cost at most 180 EUR a night.\n\nTrains are second class.")
    put(HR, pay="Salaries are reviewed in April.")
    before = searcher.search("hotels salaries", principal=IN_HR, k=5).hits
    for name in index.vectors.collections():
        index.vectors.drop(name)
    assert Builder(index).rebuild() == 3
    assert searcher.search("hotels salaries", principal=IN_HR, k=5).hits == before
    assert consistent(index)


def test_another_embedder_is_refused_until_the_index_is_made_anew(folder: Path, index: Index, put: Put) -> None:
    put(travel="Hotels cost at most 180 EUR a night.")
    index.close()
    other = Index(folder, HashingEmbeddings(32))
    with pytest.raises(IndexMismatch, match="kura repair"):
        Searcher(other).search("hotels", principal=SOMEBODY, k=1)
    with pytest.raises(IndexMismatch):
        other.put(1, [prepared("new.md", "New.")])
    Builder(other).rebuild()
    assert found(Searcher(other), "hotels")
    assert consistent(other)
    other.close()


class DownEmbeddings(HashingEmbeddings):
    """An embedder whose server does not answer."""

    def __init__(self) -> None:
        super().__init__(16)

    @property
    def fingerprint(self) -> str:
        raise ConnectionError("down")

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise ConnectionError("down")


def test_removal_and_other_readers_need_no_embedder(folder: Path, index: Index, put: Put, searcher: Searcher) -> None:
    put(pay="Salaries are reviewed in April.", old="The xylophone is blue.")
    ids = {hit.title: hit.document_id for hit in searcher.search("salaries xylophone", principal=SOMEBODY, k=5).hits}
    index.close()
    down = Index(folder, DownEmbeddings())
    down.remove([ids["old"]])
    down.set_readers([ids["pay"]], HR)
    down.close()
    again = Index(folder, CountingEmbeddings())
    assert found(Searcher(again), "salaries xylophone") == []
    assert found(Searcher(again), "salaries xylophone", IN_HR) == ["Salaries are reviewed in April."]
    assert consistent(again)
    again.close()


def test_an_embedder_that_fails_leaves_the_index_as_it_was(
    folder: Path, index: Index, put: Put, searcher: Searcher
) -> None:
    put(travel="Hotels cost at most 180 EUR a night.")

    class Failing(HashingEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise ConnectionError("down")

    index.close()
    other = Index(folder, Failing(16))
    with pytest.raises(ConnectionError):
        Builder(other).rebuild()
    other.close()
    again = Index(folder, CountingEmbeddings())
    assert found(Searcher(again), "hotels") == ["Hotels cost at most 180 EUR a night."]
    again.close()


def test_a_rebuild_that_breaks_off_leaves_the_former_index_answering(
    index: Index, put: Put, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(travel="Hotels cost at most 180 EUR a night.")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Index, "send", killed)
    with pytest.raises(KeyboardInterrupt):
        Builder(index).rebuild()
    monkeypatch.undo()
    assert found(searcher, "hotels") == ["Hotels cost at most 180 EUR a night."]
    Builder(index).rebuild()
    assert found(searcher, "hotels") == ["Hotels cost at most 180 EUR a night."]
    index.tidy(purge=False)
    assert consistent(index)


def test_a_damaged_word_table_is_made_anew(index: Index, put: Put, searcher: Searcher) -> None:
    put(travel="Hotels cost at most 180 EUR a night.")
    with writing(index.engine) as connection:
        connection.execute(text("DELETE FROM words_1_1_data"))
    Builder(index).rebuild()
    assert found(searcher, "hotels") == ["Hotels cost at most 180 EUR a night."]
    assert consistent(index)
