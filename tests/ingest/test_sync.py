from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import SourceError
from ingest.fakes import InlineParser
from ingest.feeds import recipe
from ingest.folders import Folders
from ingest.planning import plan
from ingest.reports import SyncReport
from ingest.sync import Ingestor
from models.fakes import HashingEmbeddings
from retrieval import authority
from retrieval.access import EVERYBODY, Principal, Readers
from retrieval.authority import Known
from retrieval.database import reading
from retrieval.index import Index
from retrieval.search import Searcher

ALL = Readers(frozenset({EVERYBODY}))
HR = Readers(frozenset({"hr"}))
SOMEBODY = Principal("somebody", frozenset({EVERYBODY}))
IN_HR = Principal("mori", frozenset({EVERYBODY, "hr"}))

RECIPE = recipe()
HASHES = st.sampled_from(["a", "b", "c"])
ITEMS = st.sampled_from([f"{name}.md" for name in "abcdefgh"])


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "index").mkdir()
    opened = Index(tmp_path / "index", HashingEmbeddings(), recipe=RECIPE)
    yield opened
    opened.close()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "travel.md").write_text("# Travel\n\nThe hotel limit is 180 EUR a night.\n")
    (folder / "office.txt").write_text("Office\n\nThe canteen opens at noon.\n")
    return folder


def ingest(index: Index, path: Path, **options: Any) -> list[SyncReport]:
    return Folders(Ingestor(index, InlineParser())).ingest(path, **options)


def titles(index: Index, query: str, principal: Principal = SOMEBODY) -> set[str]:
    return {hit.title for hit in Searcher(index).search(query, principal=principal, k=10).hits if hit.words > 0}


# --- plan ------------------------------------------------------------------------------------------------------------


@given(st.dictionaries(ITEMS, HASHES), st.dictionaries(ITEMS, st.tuples(HASHES, st.sampled_from([ALL, HR]))))
def test_the_plan_accounts_for_every_item_once(listed: dict[str, str], stored: dict[str, tuple[str, Readers]]) -> None:
    known = {item: Known(item, digest, RECIPE, readers, 1, "") for item, (digest, readers) in stored.items()}
    made = plan(listed, known, ALL, [RECIPE])
    left = list(made.move.values())
    parts = [*made.add, *made.replace, *made.move, *left, *made.repermit, *made.remove, *made.unchanged]
    assert set(parts) == {*listed, *known}
    once = [*made.add, *made.replace, *made.move, *left, *made.remove, *made.unchanged]
    assert len(once) == len(set(once))
    assert {*made.add, *made.move} == listed.keys() - known.keys()
    assert {*made.remove, *left} == known.keys() - listed.keys()
    assert all(listed[new] == known[old].content_sha256 for new, old in made.move.items())
    left_contents = {known[item].content_sha256 for item in made.remove}
    assert not left_contents & {listed[item] for item in made.add}
    assert all(listed[item] != known[item].content_sha256 for item in made.replace)
    assert set(made.repermit) == {item for item in listed if item in known and known[item].readers == HR}


def test_a_document_of_another_recipe_is_read_again() -> None:
    known = {"a.md": Known("1", "same", "old recipe", ALL, 1, "")}
    assert plan({"a.md": "same"}, known, ALL, [RECIPE]).replace == ("a.md",)


def test_an_item_that_cannot_be_read_is_neither_removed_nor_replaced() -> None:
    known = {"a.md": Known("1", "same", RECIPE, ALL, 1, "")}
    made = plan({"a.md": "", "new.md": ""}, known, ALL, [RECIPE])
    assert made.unchanged == ("a.md",)
    assert not made.remove
    assert not made.add


# --- the whole way ---------------------------------------------------------------------------------------------------


def test_a_folder_ingested_again_is_brought_to_its_present_state(index: Index, docs: Path) -> None:
    (first,) = ingest(index, docs)
    assert (len(first.added), first.failed) == (2, {})
    (docs / "travel.md").write_text("# Travel\n\nThe hotel limit is 210 EUR a night.\n")
    (docs / "office.txt").unlink()
    (docs / "new.md").write_text("# Parking\n\nSpaces are in the yard.\n")
    (second,) = ingest(index, docs)
    assert (len(second.added), len(second.replaced), len(second.removed), second.unchanged) == (1, 1, 1, 0)
    assert "210" in Searcher(index).search("hotel limit", principal=SOMEBODY, k=1).hits[0].text
    assert titles(index, "canteen noon") == set()
    assert titles(index, "parking spaces") == {"Parking"}


def test_a_folder_that_did_not_change_costs_a_hash(index: Index, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(index, docs)
    never = InlineParser(lambda *_: pytest.fail("parsed again"))
    monkeypatch.setattr(index.embedder, "embed_documents", lambda *_: pytest.fail("embedded again"))
    (report,) = Folders(Ingestor(index, never)).ingest(docs)
    assert (report.unchanged, report.chunks) == (2, 0)


def test_readers_stay_unless_they_are_said(index: Index, docs: Path) -> None:
    ingest(index, docs, readers=HR)
    (report,) = ingest(index, docs)
    assert report.readers == HR
    assert titles(index, "hotel limit") == set()
    (report,) = ingest(index, docs, readers=ALL)
    assert len(report.repermitted) == 2
    assert titles(index, "hotel limit") == {"Travel"}


def test_an_inner_folder_becomes_a_source_of_its_own_whichever_comes_first(index: Index, docs: Path) -> None:
    (docs / "people").mkdir()
    (docs / "people" / "pay.md").write_text("# Pay\n\nSalaries are reviewed in April.\n")
    ingest(index, docs)
    assert titles(index, "salaries april") == {"Pay"}
    (inner,) = ingest(index, docs / "people", readers=HR)
    assert (len(inner.added), inner.embedded) == (1, 0)  # its passages keep their vectors
    assert titles(index, "salaries april") == set()
    assert titles(index, "salaries april", IN_HR) == {"Pay"}
    # The outer folder brings both up to date, each with its own readers.
    (docs / "people" / "pay.md").write_text("# Pay\n\nSalaries are reviewed in May.\n")
    reports = ingest(index, docs)
    assert [report.source for report in reports] == ["docs", "people"]
    assert titles(index, "salaries may") == set()
    assert "May" in Searcher(index).search("salaries", principal=IN_HR, k=1).hits[0].text
    with reading(index.engine) as connection:
        assert [len(authority.manifest(connection, source.id, 1)) for source in authority.sources(connection)] == [2, 1]


def test_an_inner_folder_inherits_the_outer_ones_readers(index: Index, docs: Path) -> None:
    (docs / "people").mkdir()
    (docs / "people" / "pay.md").write_text("# Pay\n\nSalaries are reviewed in April.\n")
    ingest(index, docs, readers=HR)
    (report,) = ingest(index, docs / "people")
    assert report.readers == HR


def test_an_inner_folder_that_vanished_vanishes_from_the_answers(index: Index, docs: Path) -> None:
    (docs / "people").mkdir()
    (docs / "people" / "pay.md").write_text("# Pay\n\nSalaries are reviewed in April.\n")
    ingest(index, docs / "people", readers=HR)
    ingest(index, docs)
    (docs / "people" / "pay.md").unlink()
    (docs / "people").rmdir()
    ingest(index, docs)
    assert titles(index, "salaries april", IN_HR) == set()


def test_one_bad_file_does_not_stop_the_others(index: Index, docs: Path) -> None:
    (docs / "junk.md").write_bytes(bytes(range(256)) * 20)
    (docs / "half.docx").write_bytes(b"PK\x03\x04 broken")
    (report,) = ingest(index, docs)
    assert len(report.added) == 2
    assert sorted(report.failed) == ["half.docx", "junk.md"]
    assert all(item in sentence for item, sentence in report.failed.items())


def test_a_file_that_became_unreadable_is_not_answered_from_any_more(index: Index, docs: Path) -> None:
    ingest(index, docs)
    (docs / "travel.md").write_bytes(bytes(range(256)) * 20)
    (report,) = ingest(index, docs)
    assert "travel.md" in report.failed
    assert titles(index, "hotel limit") == set()
    assert titles(index, "canteen") == {"Office"}


@pytest.mark.parametrize("spoil", ["missing", "empty"])
def test_a_source_that_is_gone_or_empty_changes_nothing(index: Index, docs: Path, spoil: str) -> None:
    ingest(index, docs)
    for file in docs.iterdir():
        file.unlink()
    if spoil == "missing":
        docs.rmdir()
    with pytest.raises(SourceError):
        ingest(index, docs)
    assert titles(index, "hotel limit") == {"Travel"}


def test_one_file_can_be_a_source(index: Index, docs: Path) -> None:
    (report,) = ingest(index, docs / "travel.md")
    assert (report.source, len(report.added)) == ("travel.md", 1)
    (report,) = ingest(index, docs / "travel.md")
    assert report.unchanged == 1


def test_two_folders_of_one_name_are_two_sources(index: Index, tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "docs").mkdir(parents=True)
        (tmp_path / parent / "docs" / "x.md").write_text(f"# {parent}\n\nText of {parent}.\n")
    names = [ingest(index, tmp_path / parent / "docs")[0].source for parent in ("a", "b")]
    assert names == ["docs", "docs-2"]
    assert titles(index, "text") == {"a", "b"}


def test_progress_is_told_for_each_document(index: Index, docs: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    ingestor = Ingestor(
        index,
        InlineParser(),
        on_progress=lambda progress: seen.append((progress.done, progress.total, progress.item)),
    )
    Folders(ingestor).ingest(docs)
    assert seen == [(0, 2, "office.txt"), (1, 2, "office.txt"), (2, 2, "travel.md"), (2, 2, "")]


def test_a_batch_border_loses_nothing(index: Index, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.reading.BATCH_CHUNKS", 1)
    for number in range(5):
        (docs / f"{number}.md").write_text(f"# Note {number}\n\nNumber {number} says hello.\n")
    (report,) = ingest(index, docs)
    assert (len(report.added), report.chunks) == (7, 7)
    assert len(titles(index, "hello")) == 5


def test_narrowed_readers_hold_even_if_the_change_of_text_fails(
    index: Index, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(index, docs)
    (docs / "travel.md").write_text("# Travel\n\nThe hotel limit is secret now.\n")

    def down(*_: object) -> list[list[float]]:
        raise ConnectionError("down")

    monkeypatch.setattr(index.embedder, "embed_documents", down)
    with pytest.raises(ConnectionError):
        ingest(index, docs, readers=HR)
    assert titles(index, "hotel limit") == set()
    assert titles(index, "hotel limit", IN_HR) == {"Travel"}


def test_a_source_may_be_renamed_and_changed(index: Index, docs: Path) -> None:
    ingest(index, docs)
    (docs / "travel.md").write_text("# Travel\n\nThe hotel limit is 210 EUR.\n")
    (report,) = ingest(index, docs, name="handbook")
    assert (report.source, len(report.replaced), report.unchanged) == ("handbook", 1, 1)


def test_a_named_source_may_move(index: Index, docs: Path, tmp_path: Path) -> None:
    ingest(index, docs, name="handbook", readers=HR)
    docs.rename(tmp_path / "elsewhere")
    (report,) = ingest(index, tmp_path / "elsewhere", name="handbook")
    assert (report.unchanged, len(report.added), report.readers) == (2, 0, HR)
    hit = Searcher(index).search("hotel limit", principal=IN_HR, k=1).hits[0]
    assert hit.address == str(tmp_path / "elsewhere" / "travel.md")


def test_a_name_cannot_be_taken_from_a_source_that_is_there(index: Index, docs: Path, tmp_path: Path) -> None:
    ingest(index, docs, name="handbook")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.md").write_text("x")
    with pytest.raises(SourceError, match="kura remove handbook"):
        ingest(index, tmp_path / "other", name="handbook")
    assert titles(index, "hotel limit") == {"Travel"}


def test_a_source_can_be_removed_by_name(index: Index, docs: Path, tmp_path: Path) -> None:
    ingest(index, docs)
    for file in docs.iterdir():
        file.unlink()
    docs.rmdir()
    with pytest.raises(SourceError, match="kura remove docs"):
        ingest(index, docs)
    assert Ingestor(index, InlineParser()).remove("docs") == 2
    assert titles(index, "hotel limit") == set()
    with reading(index.engine) as connection:
        assert authority.sources(connection) == []
    with pytest.raises(SourceError, match="no source docs"):
        Ingestor(index, InlineParser()).remove("docs")


def test_a_moved_file_answers_from_where_it_is(index: Index, docs: Path) -> None:
    ingest(index, docs)
    (docs / "travel.md").rename(docs / "trips.md")
    ingest(index, docs)
    hit = Searcher(index).search("hotel limit", principal=SOMEBODY, k=1).hits[0]
    assert hit.address == str(docs / "trips.md")


def test_a_moved_file_keeps_its_vectors(index: Index, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(index, docs)
    (docs / "trips").mkdir()
    (docs / "travel.md").rename(docs / "trips" / "travel.md")
    monkeypatch.setattr(index.embedder, "embed_documents", lambda *_: pytest.fail("embedded again"))
    (report,) = ingest(index, docs)
    assert report.moved == {"trips/travel.md": "travel.md"}
    assert (report.added, report.removed, report.embedded) == ((), (), 0)
    assert titles(index, "hotel limit") == {"Travel"}
