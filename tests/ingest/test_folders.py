"""Folders inside others, folders that are left out; the whole way of one folder is tested in `test_sync.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import SourceError
from ingest.fakes import InlineParser
from ingest.folders import Folders
from ingest.reports import SyncReport
from ingest.sync import Ingestor
from retrieval.index import Index
from tests.ingest.test_sync import HR, IN_HR, docs, index, ingest, titles

__all__ = ["docs", "index"]  # fixtures


@pytest.fixture
def people(docs: Path) -> Path:
    """A folder in the folder."""
    folder = docs / "people"
    folder.mkdir()
    (folder / "pay.md").write_text("# Pay\n\nSalaries are reviewed in April.\n")
    return folder


def test_a_tree_that_is_left_out_is_not_read(index: Index, docs: Path, people: Path) -> None:
    (report,) = ingest(index, docs, without=[people])
    assert report.added == ("office.txt", "travel.md")
    assert titles(index, "salaries april") == set()


def test_each_folder_has_a_report_which_comes_as_soon_as_it_is_done(index: Index, docs: Path, people: Path) -> None:
    ingest(index, people, readers=HR)
    told: list[SyncReport] = []
    reports = ingest(index, docs, on_report=told.append)
    assert told == reports
    assert [(one.source, one.readers) for one in reports[1:]] == [("people", HR)]


def test_a_dry_run_of_an_inner_folder_leaves_the_outer_one_as_it_is(index: Index, docs: Path, people: Path) -> None:
    ingest(index, docs)
    (report,) = ingest(index, people, readers=HR, dry_run=True)
    assert report.added == ("pay.md",)
    assert titles(index, "salaries april") == {"Pay"}


def test_an_inner_folder_leaves_its_outer_one_before_a_fault_can_come_between(
    index: Index, docs: Path, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(index, docs)

    def broken(*_: object, **__: object) -> SyncReport:
        raise SourceError("The disk is full.")

    ingestor = Ingestor(index, InlineParser())
    monkeypatch.setattr(ingestor, "sync", broken)
    with pytest.raises(SourceError, match="disk is full"):
        Folders(ingestor).ingest(people, readers=HR)
    assert titles(index, "salaries april") == set()
    assert titles(index, "hotel limit") == {"Travel"}


def test_a_file_beside_a_folder_of_a_like_name_is_not_taken_over(index: Index, docs: Path, people: Path) -> None:
    (docs / "people.md").write_text("# Colleagues\n\nSalaries are no secret here.\n")
    ingest(index, docs)
    ingest(index, people, readers=HR)
    assert titles(index, "salaries") == {"Colleagues"}
    assert titles(index, "salaries", IN_HR) == {"Colleagues", "Pay"}


def test_nothing_to_read_is_said_with_what_was_passed_over(index: Index, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"nothing to read \(a\.png: not a kind of document Kura reads\)"):
        ingest(index, tmp_path / "pictures")


@pytest.mark.parametrize("known", [False, True])
def test_a_folder_that_is_not_there_is_told_from_one_that_was(index: Index, docs: Path, known: bool) -> None:
    if known:
        ingest(index, docs)
    for file in docs.iterdir():
        file.unlink()
    docs.rmdir()
    with pytest.raises(SourceError, match="kura remove docs" if known else "check the spelling"):
        ingest(index, docs)
    assert titles(index, "hotel limit") == ({"Travel"} if known else set())
