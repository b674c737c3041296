"""Upkeep of an index that answers meanwhile, as a server has it done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from bot.errors import SettingsError
from bot.upkeep import Upkeep, UpkeepRequest, UpkeepResult
from bot.verifying import Verification
from ingest.errors import SourceError
from ingest.fakes import InlineParser
from ingest.reports import Progress
from ingest.sync import Ingestor
from retrieval.building import Builder
from retrieval.database import reading
from retrieval.errors import IndexDamaged, NotFound, RetrievalError
from retrieval.generations import current
from retrieval.index import VECTORS, Index
from retrieval.search import Searcher
from tests.bot.conftest import SOMEBODY

Do = Callable[..., UpkeepResult]


def hits(index: Index) -> list[str]:
    return [hit.text for hit in Searcher(index).search("hotel limit", principal=SOMEBODY, k=3).hits]


def proved(result: UpkeepResult) -> Verification:
    assert result.found is not None
    return result.found


@pytest.fixture
def do(index: Index, tmp_path: Path) -> Do:
    assert hits(index)  # Chroma is open, as under a server
    upkeep = Upkeep(
        tmp_path / "data", index, (), remove=lambda name: Ingestor(index, InlineParser()).remove(name), shared=True
    )

    def do(kind: str, *sources: str, generation: int = 0) -> UpkeepResult:
        told: list[Progress] = []
        return upkeep.run(UpkeepRequest(kind, sources, generation), told.append)  # type: ignore[arg-type]

    return do


@pytest.fixture
def two(index: Index) -> Index:
    """Generation 2 is of another recipe, and answers."""
    index.recipe = "smaller passages"
    builder = Builder(index)
    made = builder.begin()
    builder.catch_up(made)
    builder.flip(made)
    return index


def test_an_index_that_answers_is_proved_and_named_sources_alone(do: Do, index: Index, docs: Path) -> None:
    found = proved(do("verify"))
    assert found.agrees
    assert (found.documents, found.chunks) == (3, 4)
    (docs / "travel.md").write_text("# Travel\n\nSomething else.\n")
    assert not proved(do("verify")).agrees
    assert proved(do("verify", "people")).agrees
    with pytest.raises(SettingsError, match="There is no source doc: known are docs, people"):
        do("verify", "doc")
    assert hits(index)


def test_lost_and_altered_vectors_are_found_beside_answers_and_mended(do: Do, index: Index) -> None:
    before = hits(index)
    collection = max(index.vectors.collections(), key=lambda one: len(index.vectors.keys(one)))
    first, *others = sorted(index.vectors.keys(collection))
    index.vectors.delete(collection, [first])
    (altered,) = index.vectors.stored(collection, others[:1]).values()
    index.vectors.upsert(collection, others[:1], -altered[None])
    assert {fault.kind for fault in proved(do("verify")).faults} == {"vectors"}
    assert do("repair").said == ("Made anew: 4 passages.",)
    assert proved(do("verify")).agrees
    assert hits(index) == before


def test_damaged_files_are_found_and_left_to_a_repair_without_answers(do: Do, index: Index, tmp_path: Path) -> None:
    file = tmp_path / "data" / VECTORS / "chroma.sqlite3"
    with file.open("r+b") as opened:  # a page that no look at vectors comes by
        opened.seek(file.stat().st_size - 4096)
        opened.write(b"\xff" * 4096)
    assert {fault.kind for fault in proved(do("verify")).faults} == {"vectors"}
    with pytest.raises(IndexDamaged, match="stop `kura serve`"):
        do("repair")
    assert len(list((tmp_path / "data").glob("chroma*.damaged-*"))) == 0


def test_the_next_answer_is_of_the_generation_that_was_switched_to(do: Do, two: Index) -> None:
    before = hits(two)
    result = do("switch", generation=1)
    assert result.said[0].startswith("Generation 1 answers now (embedder ")
    assert "set them back" in result.warnings[0]
    with reading(two.engine) as connection:
        answering = current(connection)
    assert answering
    assert answering.id == 1
    assert set(hits(two)) == set(before)
    with pytest.raises(NotFound, match="There is no generation 9"):
        do("switch", generation=9)
    assert do("switch", generation=2).warnings == ()


def test_the_generation_that_answers_is_not_dropped_and_another_is(do: Do, two: Index) -> None:
    with pytest.raises(RetrievalError, match="Generation 2 answers"):
        do("drop", generation=2)
    assert do("drop", generation=1).said == ("Generation 1 is gone.",)
    assert hits(two)
    assert proved(do("verify")).agrees


def test_a_source_is_removed_and_one_that_is_none_refused(do: Do, index: Index) -> None:
    assert do("remove", "docs").said == ("Removed docs: 2 documents.",)
    assert hits(index) == []
    with pytest.raises(SourceError, match="There is no source docs"):
        do("remove", "docs")


def test_a_result_is_the_same_after_its_way_over_the_wire(do: Do, docs: Path) -> None:
    (docs / "travel.md").unlink()
    result = do("verify")
    assert TypeAdapter(UpkeepResult).validate_json(result.as_json()) == result
