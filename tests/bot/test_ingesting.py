"""One ingest from door to door: which sources, in which order, and what happens to the index itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.evaluation.gate import GoldenOutcome
from bot.ingesting import Ingesting, IngestRequest, Outcome
from ingest.errors import SourceError
from ingest.fakes import InlineParser
from ingest.feeds import Feed
from ingest.sources import Content, Listing, Source, SourceItem
from ingest.sources.folder import FolderSource
from models.fakes import HashingEmbeddings
from retrieval import generations, trust
from retrieval.access import EVERYBODY, Principal, Readers
from retrieval.database import reading
from retrieval.index import Index
from retrieval.search import Searcher

ALL, HR = Readers(frozenset({EVERYBODY})), Readers(frozenset({"hr"}))
SOMEBODY = Principal("somebody", frozenset({EVERYBODY}))
IN_HR = Principal("mori", frozenset({EVERYBODY, "hr"}))


@dataclass
class Shelf:
    """A source that holds what it is given."""

    texts: dict[str, str]
    root: str = "shelf://one"
    closed: int = 0
    down: bool = False

    def list(self, known: Mapping[str, str]) -> Listing:
        if self.down:
            raise SourceError("The shelf is down.")
        return Listing(tuple(SourceItem(name, text, f"shelf://{name}", name) for name, text in self.texts.items()))

    def read(self, item: SourceItem) -> Content:
        return Content(self.texts[item.item].encode(), self.texts[item.item])

    def close(self) -> None:
        self.closed += 1


@dataclass
class Configured:
    name: str
    readers: Readers = ALL
    path: Path | None = None
    shelf: Shelf | None = None
    kind: str = "folder"
    apart: list[Collection[Path]] = field(default_factory=list)

    def feed(self, apart: Collection[Path] = ()) -> Feed:
        self.apart.append(apart)
        source: Source = self.shelf or FolderSource(self.path or Path(), apart=apart)
        return Feed(self.name, self.kind, source, self.readers)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "index").mkdir()
    opened = Index(tmp_path / "index", HashingEmbeddings(), recipe="1")
    yield opened
    opened.close()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "people").mkdir(parents=True)
    (folder / "travel.md").write_text("# Travel\n\nThe hotel limit is 180 EUR a night.\n")
    (folder / "people" / "pay.md").write_text("# Pay\n\nSalaries are reviewed in April.\n")
    return folder


def ingest(index: Index, sources: list[Configured], request: IngestRequest | None = None) -> Outcome:
    made = Ingesting(index, InlineParser(), sources, most_removed=0.3)
    return made.run(request or IngestRequest(), lambda _: None)


def titles(index: Index, query: str, principal: Principal = SOMEBODY) -> set[str]:
    return {hit.title for hit in Searcher(index).search(query, principal=principal, k=10).hits if hit.words > 0}


def test_every_configured_source_is_read_and_one_that_fails_keeps_no_other_from_it(index: Index, docs: Path) -> None:
    down = Configured("down", shelf=Shelf({}, down=True))
    shelf = Shelf({"a.md": "# Parking\n\nSpaces are in the yard.\n"})
    outcome = ingest(index, [down, Configured("docs", path=docs), Configured("shelf", shelf=shelf, kind="loader")])
    assert outcome.faults == {"down": "The shelf is down."}
    assert not outcome.whole
    assert {report.source for report in outcome.reports} == {"docs", "shelf"}
    assert titles(index, "hotel limit spaces") == {"Travel", "Parking"}
    assert shelf.closed


def test_one_source_can_be_named_and_an_unknown_name_is_said(index: Index, docs: Path) -> None:
    sources = [Configured("docs", path=docs), Configured("shelf", shelf=Shelf({"a.md": "# A\n\nText.\n"}))]
    outcome = ingest(index, sources, IngestRequest(sources=("shelf",)))
    assert [report.source for report in outcome.reports] == ["shelf"]
    with pytest.raises(SettingsError, match="known are docs, shelf"):
        ingest(index, sources, IngestRequest(sources=("nope",)))


def test_an_inner_source_keeps_its_readers_when_an_outer_path_is_ingested(index: Index, docs: Path) -> None:
    people = Configured("people", HR, docs / "people")
    outcome = ingest(index, [people], IngestRequest(paths=(docs,)))
    assert [report.source for report in outcome.reports] == ["people", "docs"]
    assert titles(index, "salaries april") == set()
    assert titles(index, "salaries april", IN_HR) == {"Pay"}


def test_an_inner_source_that_fails_is_not_taken_in_by_the_outer_one(index: Index, docs: Path) -> None:
    (docs / "people" / "pay.md").rename(docs / "people" / "pay.unknown")
    outcome = ingest(index, [Configured("people", HR, docs / "people"), Configured("docs", path=docs)])
    assert list(outcome.faults) == ["people"]
    (docs / "people" / "pay.unknown").rename(docs / "people" / "pay.md")
    ingest(index, [Configured("people", HR, docs / "people"), Configured("docs", path=docs)])
    assert titles(index, "salaries april") == set()


def test_a_dry_run_changes_nothing_and_makes_no_generation(index: Index, docs: Path) -> None:
    outcome = ingest(index, [Configured("docs", path=docs)], IngestRequest(dry_run=True))
    assert outcome.reports[0].added == ("people/pay.md", "travel.md")
    assert titles(index, "hotel") == set()


def numbers(index: Index) -> list[int]:
    with reading(index.engine) as connection:
        return [one.id for one in generations.every(connection)]


def test_another_recipe_makes_a_generation_with_every_document(index: Index, docs: Path) -> None:
    gone = Configured("gone", shelf=Shelf({"a.md": "# Parking\n\nSpaces are in the yard.\n"}), kind="loader")
    ingest(index, [Configured("docs", path=docs), gone])
    index.recipe = "2"
    assert gone.shelf
    gone.shelf.down = True
    outcome = ingest(index, [Configured("docs", path=docs), gone])
    assert "generation 2" in outcome.generation
    assert "1 could not be read anew" in outcome.generation
    assert titles(index, "hotel limit spaces") == {"Travel", "Parking"}
    assert ingest(index, [Configured("docs", path=docs)]).generation == ""
    index.recipe = "3"
    ingest(index, [Configured("docs", path=docs)])
    assert numbers(index) == [2, 3]  # the former one is kept, those before it are not


def test_a_generation_that_meets_an_objection_does_not_answer_and_is_asked_again(index: Index, docs: Path) -> None:
    source = Configured("docs", path=docs)
    ingest(index, [source])
    index.recipe = "2"
    asked: list[tuple[int, int]] = []
    outcomes = iter([GoldenOutcome(objection="it answers worse"), GoldenOutcome(remark="it answers 1 worse")])

    def golden(former: int, made: int, _on_progress: object) -> GoldenOutcome:
        asked.append((former, made))
        return next(outcomes)

    made = Ingesting(index, InlineParser(), [source], most_removed=0.3, golden=golden)
    refused = made.run(IngestRequest(), lambda _: None)
    assert "does not answer: it answers worse" in refused.faults["(new index)"]
    assert made.run(IngestRequest(watched=True), lambda _: None).faults == {}
    with reading(index.engine) as connection:
        current = generations.current(connection)
    assert current
    assert current.id == 1
    passed = made.run(IngestRequest(), lambda _: None).generation
    assert "made anew as generation 2" in passed
    assert passed.endswith("former one. It answers 1 worse.")
    assert asked == [(1, 2), (1, 2)]


def test_a_removed_source_is_forgotten_with_what_it_remembers(index: Index, docs: Path) -> None:
    source = Configured("docs", path=docs)
    ingest(index, [source])
    forgotten: list[str] = []
    made = Ingesting(index, InlineParser(), [source], most_removed=0.3, forget=forgotten.append)
    assert made.remove("docs") == 2
    assert forgotten == ["docs"]
    assert titles(index, "hotel") == set()


def test_readers_that_are_set_hold_for_every_source_before_anything_is_listed(index: Index, docs: Path) -> None:
    ingest(index, [Configured("docs", path=docs), Configured("shelf", shelf=Shelf({"a.md": "# Parking\n\nYard.\n"}))])
    assert titles(index, "hotel limit") == {"Travel"}
    narrowed = [Configured("docs", HR, docs), Configured("shelf", shelf=Shelf({}, down=True))]
    Ingesting(index, InlineParser(), narrowed, most_removed=0.3).apply_readers()
    assert titles(index, "hotel limit") == set()
    assert titles(index, "hotel limit", IN_HR) == {"Travel"}
    assert titles(index, "parking yard") == {"Parking"}


def test_a_tree_deleted_in_slices_under_watch_is_judged_as_one(index: Index, docs: Path) -> None:
    for number in range(18):
        (docs / f"note-{number}.md").write_text(f"# Note {number}\n\nNumber {number} says hello.\n")
    made = Ingesting(index, InlineParser(), [Configured("docs", path=docs)], most_removed=0.3)
    made.run(IngestRequest(), lambda _: None)
    faults: dict[str, str] = {}
    for number in range(0, 18, 3):
        for one in range(number, number + 3):
            (docs / f"note-{one}.md").unlink()
        faults |= made.run(IngestRequest(sources=("docs",), watched=True), lambda _: None).faults
    assert "--confirm-removal" in faults["docs"]
    with reading(index.engine) as connection:
        current = generations.current(connection)
        assert current
        assert generations.counts(connection, current)[0] >= 14


def test_how_far_the_embedder_is_to_be_trusted_is_measured_once_and_told(index: Index) -> None:
    lines = [
        f"The {n} gate of yard {n} opens at {n} for trucks. It closes at {n}0 in the winter months." for n in range(60)
    ]
    shelf = Shelf({f"{n}.md": f"# Yard {n}\n\n{line}\n" for n, line in enumerate(lines)})
    told: list[str] = []
    ingesting = Ingesting(index, InlineParser(), [Configured("shelf", shelf=shelf, kind="loader")], most_removed=0.3)
    for _ in range(2):
        ingesting.run(IngestRequest(), lambda at: told.append(at.item) if at.source == "(embedder)" else None)
    assert told == ["how far to trust it in English"]
    with reading(index.engine) as connection:
        current = generations.current(connection)
        assert current
        assert [(one.language, one.passages) for one in trust.stored(connection, current)] == [("en", 60)]
