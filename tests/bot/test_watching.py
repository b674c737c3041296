from __future__ import annotations

import asyncio
import queue
import shutil
import threading
from pathlib import Path

import pytest
import structlog

from bot.errors import Overloaded
from bot.watching import watch, watched

PATIENCE_S = 20.0
"""For a loaded machine; nothing here waits that long otherwise."""


class Told:
    """Notes who was told to have changed; the first `refusals` times the queue is full."""

    def __init__(self, refusals: int = 0) -> None:
        self.names: queue.Queue[str] = queue.Queue()
        self._refusals = refusals

    def __call__(self, name: str) -> None:
        if self._refusals:
            self._refusals -= 1
            raise Overloaded("Too many ingests are waiting.")
        self.names.put(name)

    def next(self) -> str:
        return self.names.get(timeout=PATIENCE_S)

    def nothing_more(self) -> bool:
        try:
            self.names.get(timeout=0.7)
        except queue.Empty:
            return True
        return False


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("a")
    return folder


def test_a_folder_is_told_of_at_the_beginning_and_after_each_change(docs: Path) -> None:
    told = Told()
    with watched({"handbook": docs}, told):
        assert told.next() == "handbook"
        for change in (
            lambda: (docs / "a.md").write_text("b"),
            lambda: (docs / "休暇 規程.md").write_text("new"),
            lambda: (docs / "a.md").rename(docs / "c.md"),
            (docs / "c.md").unlink,
        ):
            change()
            assert told.next() == "handbook"


def test_a_burst_of_changes_is_told_together(docs: Path) -> None:
    told = Told()
    with watched({"handbook": docs}, told):
        told.next()
        for number in range(50):
            (docs / f"{number}.md").write_text("x")
        told.next()
        assert told.names.qsize() < 10


def test_hidden_files_say_nothing_but_the_rules_do(docs: Path) -> None:
    (docs / ".git").mkdir()
    told = Told()
    with watched({"handbook": docs}, told):
        told.next()
        (docs / ".git" / "index").write_text("x")
        (docs / ".a.md.swp").write_text("x")
        assert told.nothing_more()
        (docs / ".kuraignore").write_text("*.txt")
        assert told.next() == "handbook"


def test_a_hidden_folder_above_the_root_hides_nothing(tmp_path: Path) -> None:
    folder = tmp_path / ".cache" / "docs"
    folder.mkdir(parents=True)
    told = Told()
    with watched({"handbook": folder}, told):
        told.next()
        (folder / "a.md").write_text("x")
        assert told.next() == "handbook"


def test_a_folder_that_vanishes_and_returns_stays_watched(docs: Path) -> None:
    told = Told()
    with structlog.testing.capture_logs() as log, watched({"handbook": docs}, told):
        told.next()
        shutil.rmtree(docs)
        until = threading.Event()
        while not any("not there" in line["event"] for line in log):
            until.wait(0.05)
        while not told.names.empty():
            told.names.get()
        docs.mkdir()
        assert told.next() == "handbook"
        (docs / "b.md").write_text("x")
        assert told.next() == "handbook"
    assert len([line for line in log if "not there" in line["event"]]) == 1


def test_a_folder_that_was_replaced_is_watched_in_place_of_the_old(docs: Path) -> None:
    told = Told()
    with watched({"handbook": docs}, told):
        told.next()
        docs.rename(docs.with_name("old"))
        docs.mkdir()
        assert told.next() == "handbook"
        while told.names.qsize():
            told.names.get()
        (docs / "b.md").write_text("x")
        assert told.next() == "handbook"


def test_a_single_file_is_watched_through_being_replaced(docs: Path) -> None:
    told = Told()
    with watched({"policy": docs / "a.md"}, told):
        told.next()
        for text in "bc":
            (docs / "new").write_text(text)
            (docs / "new").replace(docs / "a.md")
            assert told.next() == "policy"


def test_a_full_queue_loses_no_change(docs: Path) -> None:
    told = Told(refusals=2)
    with watched({"handbook": docs}, told):
        assert told.next() == "handbook"


def test_several_folders_are_told_apart(docs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    told = Told()
    with watched({"one": docs, "two": other}, told):
        assert {told.next(), told.next()} == {"one", "two"}
        (other / "a.md").write_text("x")
        assert told.next() == "two"


def test_in_a_server_watching_ends_when_it_is_cancelled(docs: Path) -> None:
    told = Told()

    async def serve() -> None:
        watching = asyncio.create_task(watch({"handbook": docs}, told))
        await asyncio.to_thread(told.next)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(serve())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kura-watch")]
