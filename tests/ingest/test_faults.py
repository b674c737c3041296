"""Full disks, locked databases, two ingests at once, sources that vanish, and files that are no documents."""

from __future__ import annotations

import multiprocessing
import random
import resource
import shutil
import signal
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

import retrieval.database
from bot.errors import explain
from ingest import reading
from ingest.errors import DocumentError, SourceError
from ingest.fakes import InlineParser
from ingest.feeds import Feed
from ingest.folders import Folders
from ingest.parsing import ChildParser, Parsed, ParseRequest
from ingest.reports import SyncReport
from ingest.sources import Content, Listing, SourceItem
from ingest.sources.folder import FolderSource
from ingest.sync import Ingestor
from models.fakes import HashingEmbeddings
from retrieval.access import EVERYBODY, Principal, Readers
from retrieval.data_folder import DataFolder
from retrieval.errors import DataFolderError, DataFolderHeld
from retrieval.index import Index
from retrieval.search import Searcher
from tests.ingest.killed_child import consistent

ALL = Readers(frozenset({EVERYBODY}))
SOMEBODY = Principal("somebody", frozenset({EVERYBODY}))


def opened(folder: Path) -> Index:
    folder.mkdir(exist_ok=True)
    return Index(folder, HashingEmbeddings(16), recipe="1")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = opened(tmp_path / "index")
    yield made
    made.close()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    write(tmp_path / "docs", 1)
    return tmp_path / "docs"


def write(docs: Path, version: int, count: int = 30) -> None:
    for number in range(count):
        filler = " ".join(f"w{number}x{version}x{word}" for word in range(200))
        (docs / f"{number:02}.md").write_text(f"# Page {number}\n\nfact{number}of{version}. {filler}\n")


def ingest(index: Index, docs: Path, parser: Any = None) -> list[SyncReport]:
    return Folders(Ingestor(index, parser or InlineParser())).ingest(docs)


def facts(index: Index, number: int) -> set[str]:
    """The versions of a page that are answered from."""
    query = f"fact{number}of1 fact{number}of2 fact{number}of3"
    hits = Searcher(index).search(query, principal=SOMEBODY, k=5).hits
    return {word.rstrip(".") for hit in hits for word in hit.text.split() if word.startswith(f"fact{number}of")}


# --- full disks -------------------------------------------------------------------------------------------------------


def in_a_small_disk(data: Path, docs: Path, most_bytes: int, said: Any) -> None:
    """Ingest in a process whose files may not grow beyond a size: the system refuses the write, as a full disk does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    try:
        index = opened(data)
        ingest(index, docs)
        said.put(("done", ""))
    except Exception as error:  # noqa: BLE001 - told to the test, as it would be told to people
        explained = explain(error)
        said.put(("told" if explained.known else "unforeseen", explained.sentence))


@pytest.mark.real
@pytest.mark.parametrize("share", [0.3, 1.02, 1.5])
def test_a_disk_that_is_full_is_a_sentence_and_harms_nothing(tmp_path: Path, docs: Path, share: float) -> None:
    index = opened(tmp_path / "index")
    ingest(index, docs)
    index.close()
    largest = max(file.stat().st_size for file in (tmp_path / "index").rglob("*") if file.is_file())
    write(docs, 2)
    context = multiprocessing.get_context("forkserver")
    said = context.Queue()
    process = context.Process(target=in_a_small_disk, args=(tmp_path / "index", docs, int(share * largest), said))
    process.start()
    kind, sentence = said.get(timeout=60)
    process.join(60)
    again = opened(tmp_path / "index")
    if kind != "done":
        assert kind == "told", sentence
        assert "full" in sentence or "run `kura repair`" in sentence
    assert all(facts(again, number) in ({f"fact{number}of1"}, {f"fact{number}of2"}) for number in range(30))
    ingest(again, docs)
    assert consistent(again) == []
    assert all(facts(again, number) == {f"fact{number}of2"} for number in range(30))
    again.close()


def test_a_database_that_is_full_while_it_is_written_is_a_sentence(index: Index, docs: Path) -> None:
    ingest(index, docs)
    write(docs, 2)

    def limited(raw: sqlite3.Connection, *_: object) -> None:
        pages = raw.execute("PRAGMA page_count").fetchone()[0]
        raw.execute(f"PRAGMA max_page_count = {pages + 2}")  # SQLITE_FULL, as when the disk has no block left

    index.engine.dispose()
    event.listen(index.engine, "connect", limited)
    with pytest.raises(OperationalError) as raised:
        ingest(index, docs)
    assert "The disk is full" in explain(raised.value).sentence
    event.remove(index.engine, "connect", limited)
    index.engine.dispose()
    assert all(facts(index, number) == {f"fact{number}of1"} for number in range(30))
    ingest(index, docs)
    assert consistent(index) == []


# --- others at the same data ------------------------------------------------------------------------------------------


def test_a_database_locked_for_too_long_is_a_sentence(
    index: Index, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(index, docs)
    write(docs, 2)
    monkeypatch.setattr(retrieval.database, "BUSY_TIMEOUT_MS", 100)
    index.engine.dispose()
    other = sqlite3.connect(str(index.engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DataFolderError, match="locked by another"):
        ingest(index, docs)
    other.execute("ROLLBACK")
    other.close()
    assert facts(index, 3) == {"fact3of1"}
    ingest(index, docs)
    assert facts(index, 3) == {"fact3of2"}
    assert consistent(index) == []


def test_two_ingests_at_once_in_one_process_end_in_one_state(
    index: Index, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH_CHUNKS", 4)
    faults: list[BaseException] = []

    def again() -> None:
        try:
            for version in (1, 2, 3):
                write(docs, version)
                ingest(index, docs)
        except BaseException as error:  # noqa: BLE001 - told to the test
            faults.append(error)

    threads = [threading.Thread(target=again) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert faults == []
    write(docs, 3)
    ingest(index, docs)
    assert all(facts(index, number) == {f"fact{number}of3"} for number in range(30))
    assert consistent(index) == []


def hold(folder: Path, held: Any, done: Any) -> None:
    with DataFolder(folder, holder="kura ingest"):
        held.set()
        done.wait(60)


@pytest.mark.real
def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    held, done = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path, held, done))
    process.start()
    assert held.wait(60)
    with pytest.raises(DataFolderHeld, match="in use by kura ingest"):
        DataFolder(tmp_path, holder="another")
    process.kill()
    process.join(60)
    DataFolder(tmp_path, holder="another").release()


# --- sources that change under the run --------------------------------------------------------------------------------


class Meddling(InlineParser):
    """Does something to the source after a few documents."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self._act = act

    def parse_all(self, requests: Iterable[ParseRequest]) -> Iterator[tuple[ParseRequest, Parsed | DocumentError]]:
        for number, outcome in enumerate(super().parse_all(requests)):
            if number == 5:
                self._act()
            yield outcome


def test_a_folder_that_disappears_midway_keeps_what_was_stored(index: Index, docs: Path, tmp_path: Path) -> None:
    ingest(index, docs)
    write(docs, 2)
    ((report),) = ingest(index, docs, Meddling(lambda: docs.rename(tmp_path / "away")))
    assert len(report.failed) == 24
    assert all("kept" in sentence for sentence in report.failed.values()), report.failed
    assert [facts(index, number) for number in (0, 29)] == [{"fact0of2"}, {"fact29of1"}]
    with pytest.raises(SourceError, match="not there any more"):
        ingest(index, docs)
    (tmp_path / "away").rename(docs)
    ingest(index, docs)
    assert facts(index, 29) == {"fact29of2"}
    assert consistent(index) == []


def test_files_rewritten_while_they_are_read_are_taken_with_the_next_run(index: Index, docs: Path) -> None:
    ingest(index, docs)
    write(docs, 2)
    ingest(index, docs, Meddling(lambda: write(docs, 3)))
    assert all(len(facts(index, number)) == 1 for number in range(30))
    ingest(index, docs)
    assert all(facts(index, number) == {f"fact{number}of3"} for number in range(30))
    assert consistent(index) == []


class Torn:
    """A source whose items cannot be read in every way there is."""

    root = "torn"

    def list(self, known: Mapping[str, str]) -> Listing:
        return Listing(tuple(SourceItem(f"{name}.md", "", name, f"{name}.md") for name in ("good", "gone", "locked")))

    def read(self, item: SourceItem) -> Content:
        if item.item == "gone.md":
            raise FileNotFoundError(2, "No such file or directory", item.item)
        if item.item == "locked.md":
            raise PermissionError(13, "Permission denied", item.item)
        return Content(b"# Good\n\nThe good one is here.\n", "")

    def close(self) -> None:
        """Nothing is held."""


def test_items_that_cannot_be_read_are_told_and_the_others_are_in(index: Index) -> None:
    report = Ingestor(index, InlineParser()).sync(Feed("torn", "test", Torn(), ALL))
    assert report.added == ("good.md",)
    assert sorted(report.failed) == ["gone.md", "locked.md"]
    assert consistent(index) == []


# --- files that are no documents --------------------------------------------------------------------------------------


def test_names_with_line_breaks_and_pictures_are_documents_like_others(index: Index, tmp_path: Path) -> None:
    root = tmp_path / "odd"
    root.mkdir()
    names = [
        "line\nbreak.md",
        "party🎉👩‍👩‍👧.md",
        " lead and trail .md",
        "日本語\u3000名前.md",
        "-rf.md",
        "a'\";--.md",
        "％s{0}.md",
    ]
    for number, name in enumerate(names):
        (root / name).write_text(f"# Odd\n\nodd{number}fact stands here.\n")
    (report,) = ingest(index, root)
    assert set(report.added) == set(names)
    for number, name in enumerate(names):
        hit = Searcher(index).search(f"odd{number}fact", principal=SOMEBODY, k=1).hits[0]
        assert hit.address == str(root / name)
        (root / name).unlink()
    Folders(Ingestor(index, InlineParser())).ingest(root, confirmed=True)
    assert Searcher(index).search("odd1fact", principal=SOMEBODY, k=1).hits == ()
    assert consistent(index) == []


MALFORMED = 2_000
KINDS = "md txt html csv json ipynb docx xlsx pptx pdf eml zip".split()


def malformed(chance: random.Random, kind: str) -> bytes:
    """Bytes that say they are of a kind: noise, heads without bodies, and syntax that never ends."""
    heads = {
        "pdf": b"%PDF-1.7\n",
        "docx": b"PK\x03\x04",
        "xlsx": b"PK\x03\x04",
        "pptx": b"PK\x03\x04",
        "zip": b"PK\x05\x06",
    }
    opens = {
        "html": b"<div><table>",
        "json": b"[{",
        "ipynb": b'{"cells": [',
        "md": b"> - * [",
        "csv": b'"a;',
        "eml": b"To: a\n",
    }
    noise = chance.randbytes(chance.randint(0, 600))
    return chance.choice(
        [
            noise,
            heads.get(kind, b"\xff\xfe") + noise,
            opens.get(kind, b"\0") * chance.randint(1, 400),
            b"\0" * chance.randint(1, 99),
            b"",
        ]
    )


@pytest.mark.real
def test_thousands_of_malformed_files_each_get_a_verdict_and_good_ones_are_in(index: Index, tmp_path: Path) -> None:
    root, chance = tmp_path / "malformed", random.Random(7)  # noqa: S311 - noise, no secret
    for number in range(MALFORMED):
        kind = KINDS[number % len(KINDS)]
        (root / f"{number // 100:02}").mkdir(parents=True, exist_ok=True)
        (root / f"{number // 100:02}" / f"{number}.{kind}").write_bytes(malformed(chance, kind))
    for number in range(20):
        (root / f"{number:02}" / "good.md").write_text(f"# Good\n\ngood{number}fact stands here.\n")
    parser = ChildParser(workers=2)
    (report,) = ingest(index, root, parser)
    parser.close()
    listed = FolderSource(root).list({})
    verdicts = {*report.added, *report.failed}
    assert {one.item for one in listed.items} <= verdicts
    assert not set(report.added) & set(report.failed)
    assert {f"{number:02}/good.md" for number in range(20)} <= set(report.added)
    assert all(sentence.endswith(".") or sentence.endswith(".)") for sentence in report.failed.values())
    for number in range(20):
        assert Searcher(index).search(f"good{number}fact", principal=SOMEBODY, k=1).hits[0].words > 0
    shutil.rmtree(root)
    assert consistent(index) == []
