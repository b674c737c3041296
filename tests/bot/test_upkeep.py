"""Upkeep of an index that answers meanwhile, as a server has it done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from bot.errors import SettingsError
from bot.evaluation.errors import GoldenWorse
from bot.evaluation.gate import GoldenOutcome
from bot.fakes import ScriptedAsking
from bot.upkeep import CalibrationOrder, EvaluationOrder, Upkeep, UpkeepRequest, UpkeepResult
from bot.verifying import Verification
from ingest.errors import SourceError
from ingest.fakes import InlineParser
from ingest.reports import Progress
from ingest.sync import Ingestor
from models.fakes import HashingEmbeddings
from retrieval.building import Builder
from retrieval.database import reading
from retrieval.errors import IndexDamaged, NotFound, RetrievalError
from retrieval.generations import Generation, current, every
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
def asking() -> ScriptedAsking:
    return ScriptedAsking()


@pytest.fixture
def do(index: Index, tmp_path: Path, asking: ScriptedAsking) -> Do:
    assert hits(index)  # Chroma is open, as under a server
    upkeep = Upkeep(
        tmp_path / "data",
        index,
        (),
        remove=lambda name: Ingestor(index, InlineParser()).remove(name),
        asking=asking,
        shared=True,
    )

    def do(kind: str, *sources: str, generation: int = 0, **more: Any) -> UpkeepResult:
        told: list[Progress] = []
        return upkeep.run(UpkeepRequest(kind, sources, generation, **more), told.append)  # type: ignore[arg-type]

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


def answers(index: Index) -> int:
    return Builder(index).answering()


def test_a_switch_that_fares_worse_is_made_anyway_alone_and_at_once(do: Do, two: Index, asking: ScriptedAsking) -> None:
    asking.outcome = GoldenOutcome(objection="of 2 golden questions it answers 1 worse (answer 1.000 → 0.500): Why?")
    with pytest.raises(
        GoldenWorse, match=r"^Generation 1 does not answer: of 2 golden .* `kura index switch 1 --anyway`"
    ):
        do("switch", generation=1)
    assert (answers(two), asking.asked) == (2, [(2, 1)])
    assert do("switch", generation=2).said  # where it is already
    assert do("switch", generation=1, anyway=True).said
    assert (answers(two), asking.asked) == (1, [(2, 1), "overruled"])


def test_what_a_switch_answers_worse_within_bounds_is_said(do: Do, two: Index, asking: ScriptedAsking) -> None:
    asking.outcome = GoldenOutcome(remark="of 9 golden questions it answers 1 worse: Why?")
    warnings = do("switch", generation=1).warnings
    assert warnings[0] == "Generation 1 answers: of 9 golden questions it answers 1 worse: Why?."


def test_a_repair_with_another_embedder_answers_if_golden_questions_fare_no_worse(
    do: Do, index: Index, asking: ScriptedAsking
) -> None:
    do("repair")
    assert asking.asked == []  # the same embedder makes the same index
    before = answers(index)
    index.embedder = HashingEmbeddings(32)
    asking.outcome = GoldenOutcome(objection="it answers worse")
    with pytest.raises(GoldenWorse, match="`kura repair --anyway`"):
        do("repair")
    assert (answers(index), len(generations_of(index))) == (before, 1)
    assert do("repair", anyway=True).said == ("Made anew: 4 passages.",)
    assert answers(index) > before
    assert asking.asked[-1] == "overruled"


def generations_of(index: Index) -> list[Generation]:
    with reading(index.engine) as connection:
        return every(connection)


def test_what_asks_is_called_with_its_order(do: Do, asking: ScriptedAsking) -> None:
    calibration, evaluation = CalibrationOrder(50, 1.0, dry_run=True), EvaluationOrder("/desk.yaml")
    assert do("calibrate", calibration=calibration).figures == {"threshold": 0.5}
    assert do("evaluate", evaluation=evaluation).figures == {"run": "r"}
    assert do("golden", anyway=True).said == ("Asked.",)
    assert asking.asked == [calibration, evaluation, True]
    assert UpkeepRequest("calibrate", calibration=calibration).dry_run
    assert not UpkeepRequest("calibrate", calibration=CalibrationOrder(50, 1.0)).dry_run


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
