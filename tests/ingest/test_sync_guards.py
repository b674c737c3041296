"""What an ingest does not do unasked, does not do twice, and does not forget."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ingest.errors import DocumentError, SourceError, TooMuchGone
from ingest.fakes import InlineParser
from ingest.feeds import Feed
from ingest.folders import Folders
from ingest.loaders import parse
from ingest.sources import Content, SourceItem
from ingest.sources.folder import FolderSource
from ingest.sources.git import GitSource
from ingest.sync import Ingestor
from ingest.verification import verify_sources
from retrieval.building import Builder
from retrieval.checking import stored_sources
from retrieval.documents import Document
from retrieval.index import Index
from retrieval.search import Searcher
from tests.ingest.sources.test_git import Repository
from tests.ingest.sources.zips import write_zip
from tests.ingest.test_sync import ALL, HR, IN_HR, SOMEBODY, docs, index, ingest, titles

__all__ = ["docs", "index"]  # fixtures


def many(docs: Path, count: int = 20) -> None:
    for number in range(count):
        (docs / f"note-{number}.md").write_text(f"# Note {number}\n\nNumber {number} says hello.\n")


def test_a_listing_that_shrank_by_more_than_the_share_stops_before_removing(index: Index, docs: Path) -> None:
    many(docs)
    ingest(index, docs)
    for number in range(8):
        (docs / f"note-{number}.md").unlink()
    (docs / "travel.md").write_text("# Travel\n\nThe hotel limit is 210 EUR.\n")
    with pytest.raises(TooMuchGone, match=r"8 of 22 documents \(36 %\).*--confirm-removal"):
        ingest(index, docs)
    assert len(titles(index, "note hello")) == 10
    assert "180" in Searcher(index).search("hotel limit", principal=SOMEBODY, k=1).hits[0].text
    (report,) = ingest(index, docs, confirmed=True)
    assert (len(report.removed), len(report.replaced)) == (8, 1)


def test_a_listing_that_shrank_by_moving_files_is_no_removal(index: Index, docs: Path) -> None:
    many(docs)
    ingest(index, docs)
    (docs / "old").mkdir()
    for number in range(20):
        (docs / f"note-{number}.md").rename(docs / "old" / f"note-{number}.md")
    (report,) = ingest(index, docs)
    assert (len(report.moved), report.removed, report.embedded) == (20, (), 0)


def test_a_dry_run_tells_everything_and_changes_nothing(index: Index, docs: Path) -> None:
    ingest(index, docs)
    (docs / "travel.md").write_text("# Travel\n\nThe hotel limit is 210 EUR.\n")
    (docs / "office.txt").unlink()
    (docs / "new.md").write_text("# New\n\nSomething.\n")
    (report,) = ingest(index, docs, dry_run=True)
    assert report.dry_run
    assert (report.added, report.replaced, report.removed) == (("new.md",), ("travel.md",), ("office.txt",))
    assert titles(index, "canteen") == {"Office"}
    assert "180" in Searcher(index).search("hotel limit", principal=SOMEBODY, k=1).hits[0].text


def test_a_new_recipe_fills_a_generation_beside_the_one_that_answers(index: Index, docs: Path) -> None:
    ingest(index, docs)
    index.recipe = "another"
    builder = Builder(index)
    made = builder.begin()
    ingestor = Ingestor(index, InlineParser(passage=20))
    feed = Feed("docs", "folder", FolderSource(docs), ALL)
    assert ingestor.fill(feed, made) == {}
    before = Searcher(index).search("hotel limit", principal=SOMEBODY, k=1).hits[0]
    assert builder.catch_up(made) == 0
    builder.flip(made)
    after = Searcher(index).search("hotel limit", principal=SOMEBODY, k=1).hits[0]
    assert len(after.text) < len(before.text)


def test_a_touched_file_is_hashed_once_and_then_known_by_its_stat(index: Index, docs: Path) -> None:
    for file in docs.iterdir():
        os.utime(file, (1_700_000_000, 1_700_000_000))
    read: list[str] = []

    class Reading(FolderSource):
        def read(self, item: SourceItem) -> Content:
            read.append(item.item)
            return super().read(item)

    later = time.time_ns() + 10**10
    ingestor = Ingestor(index, InlineParser())
    for _ in range(3):
        ingestor.sync(Feed("docs", "folder", Reading(docs, now=lambda: later), ALL))
    assert sorted(read) == ["office.txt", "travel.md"]
    os.utime(docs / "travel.md", (1_700_000_001, 1_700_000_001))
    report = ingestor.sync(Feed("docs", "folder", Reading(docs, now=lambda: later), ALL))
    assert (report.unchanged, read[2:]) == (2, ["travel.md"])
    ingestor.sync(Feed("docs", "folder", Reading(docs, now=lambda: later), ALL))
    assert len(read) == 3


def test_an_inner_source_does_not_lift_the_stop_of_the_outer_one(index: Index, docs: Path) -> None:
    many(docs)
    (docs / "people").mkdir()
    (docs / "people" / "pay.md").write_text("# Pay\n\nSalaries are reviewed in April.\n")
    ingest(index, docs / "people", readers=HR)
    ingest(index, docs)
    for number in range(10):
        (docs / f"note-{number}.md").unlink()
    with pytest.raises(TooMuchGone):
        ingest(index, docs)


def test_what_cannot_be_read_is_not_parsed_again_until_it_changes(index: Index, docs: Path) -> None:
    (docs / "junk.md").write_bytes(bytes(range(256)) * 20)
    parsed: list[str] = []

    def load(name: str, data: bytes) -> Document:
        parsed.append(name)
        return parse(name, data)

    ingestor = Ingestor(index, InlineParser(load))
    for _ in range(2):
        (report,) = Folders(ingestor).ingest(docs)
        assert list(report.failed) == ["junk.md"]
    assert sorted(parsed) == ["junk.md", "office.txt", "travel.md"]
    (docs / "junk.md").write_text("# Junk\n\nIt is readable now.\n")
    (report,) = Folders(ingestor).ingest(docs)
    assert (report.added, report.failed) == (("junk.md",), {})


@pytest.mark.parametrize("damage", ["empty", "random"])
def test_damage_of_half_a_source_removes_nothing(index: Index, docs: Path, damage: str) -> None:
    many(docs)
    ingest(index, docs)
    for number in range(10):
        (docs / f"note-{number}.md").write_bytes(b"" if damage == "empty" else bytes(range(256)) * 20)
    (docs / "new.md").write_text("# New\n\nSomething new.\n")
    (report,) = ingest(index, docs)
    assert "10 of 22 documents" in report.fault
    assert (report.removed, report.added) == ((), ("new.md",))
    (report,) = ingest(index, docs, confirmed=True)
    assert len(report.removed) == 10


@pytest.mark.parametrize("members", [3, 12])
def test_members_of_a_ruined_archive_go_unless_they_are_most_of_the_source(
    index: Index, docs: Path, members: int
) -> None:
    path = write_zip(
        docs / "export.zip", {f"{n}.md": f"# Note {n}\n\nNumber {n} says hello.\n" for n in range(members)}
    )
    many(docs, 5)
    ingest(index, docs)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if members > 3:
        with pytest.raises(TooMuchGone, match="12 of 19"):
            ingest(index, docs)
    (report,) = ingest(index, docs, confirmed=members > 3)
    assert report.removed == tuple(sorted(f"export.zip/{n}.md" for n in range(members)))
    assert list(report.failed) == ["export.zip"]
    assert "export.zip is damaged" in report.failed["export.zip"]
    assert len(titles(index, "note hello")) == 5
    feed = Feed("docs", "folder", FolderSource(docs), ALL)
    (proof,) = verify_sources([feed], stored_sources(index.engine))
    assert (proof.agrees, list(proof.known_unreadable)) == (True, ["export.zip"])


def test_files_moved_where_they_cannot_be_read_are_not_lost_in_numbers(index: Index, docs: Path) -> None:
    many(docs)
    ingest(index, docs)
    for number in range(10):
        (docs / f"note-{number}.md").rename(docs / f"note-{number}.docx")
    (report,) = ingest(index, docs)
    assert report.fault
    assert len(titles(index, "note hello")) == 10


def test_readers_narrow_though_a_file_becomes_unreadable(index: Index, docs: Path) -> None:
    ingest(index, docs)

    class Refusing(FolderSource):
        def read(self, item: SourceItem) -> Content:
            if item.item == "office.txt":
                raise DocumentError("office.txt: too large.")
            return super().read(item)

    os.utime(docs / "office.txt", (1, 1))
    report = Ingestor(index, InlineParser()).sync(Feed("docs", "folder", Refusing(docs), HR))
    assert report.removed == ("office.txt",)
    assert titles(index, "hotel limit canteen") == set()
    assert titles(index, "hotel limit", IN_HR) == {"Travel"}


def test_a_document_whose_new_recipe_fails_keeps_its_text(index: Index, docs: Path) -> None:
    ingest(index, docs)
    index.recipe = "another"

    def load(name: str, data: bytes) -> Document:
        if name == "travel.md":
            raise DocumentError("travel.md: not by this one.")
        return parse(name, data)

    ingestor = Ingestor(index, InlineParser(load))
    builder = Builder(index)
    made = builder.begin()
    assert list(ingestor.fill(Feed("docs", "folder", FolderSource(docs), ALL), made)) == ["travel.md"]
    builder.catch_up(made)
    builder.flip(made)
    for _ in range(2):
        (report,) = Folders(ingestor).ingest(docs)
        assert report.removed == ()
    assert titles(index, "hotel limit") == {"Travel"}


def test_a_removed_source_does_not_come_back_for_the_readers_of_the_one_around_it(index: Index, docs: Path) -> None:
    (docs / "people").mkdir()
    (docs / "people" / "pay.md").write_text("# Pay\n\nSalaries are reviewed in April.\n")
    ingest(index, docs / "people", readers=HR)
    ingest(index, docs)
    assert Ingestor(index, InlineParser()).remove("people") == 1
    ingest(index, docs)
    assert titles(index, "salaries april", IN_HR) == set()
    ingest(index, docs / "people", readers=HR)
    assert titles(index, "salaries april") == set()
    assert titles(index, "salaries april", IN_HR) == {"Pay"}


def test_a_change_of_language_reaches_unchanged_documents(index: Index, docs: Path) -> None:
    ingestor = Ingestor(index, InlineParser())
    ingestor.sync(Feed("docs", "folder", FolderSource(docs), ALL, "en"))
    report = ingestor.sync(Feed("docs", "folder", FolderSource(docs), ALL, "ja"))
    assert len(report.replaced) == 2
    assert Searcher(index).search("hotel", principal=SOMEBODY, k=1).hits[0].language == "ja"


def test_a_changed_link_reaches_documents_that_did_not_change(index: Index, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "origin")
    repository.commit({"travel.md": "# Travel\n\nThe hotel limit is 180 EUR a night.\n"})

    def wiki(link: str) -> Feed:
        return Feed("wiki", "git", GitSource(str(repository.path), link=link, cache=tmp_path / "cache"), ALL)

    Ingestor(index, InlineParser()).sync(wiki("https://old.example.com/{commit}/{path}"))
    never = InlineParser(lambda *_: pytest.fail("parsed again"))
    report = Ingestor(index, never).sync(wiki("https://git.example.com/{path}"))
    assert (report.unchanged, report.embedded) == (1, 0)
    (hit,) = Searcher(index).search("hotel limit", principal=SOMEBODY, k=1).hits
    assert hit.address == "https://git.example.com/travel.md"


def test_a_name_of_another_source_or_kind_is_refused(index: Index, docs: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.md").write_text("# X\n\nText.\n")
    ingestor = Ingestor(index, InlineParser())
    ingestor.sync(Feed("a", "git", FolderSource(docs), ALL))
    ingestor.sync(Feed("b", "git", FolderSource(tmp_path / "b"), ALL))
    with pytest.raises(SourceError, match="belongs to the source at"):
        ingestor.sync(Feed("a", "git", FolderSource(tmp_path / "b"), ALL))
    with pytest.raises(SourceError, match="of kind git"):
        ingestor.sync(Feed("a", "web", FolderSource(docs), ALL))
