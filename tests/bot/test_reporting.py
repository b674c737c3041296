from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.ingesting import Outcome
from bot.reporting import ReportStore
from tests.bot.ingests import sync_report

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
OUTCOME = Outcome((sync_report(),), {"wiki": "The wiki cannot be listed."}, "A new generation answers.", 2.0)


@pytest.fixture
def store(tmp_path: Path) -> ReportStore:
    return ReportStore(tmp_path / "reports" / "data" / "reports")


def test_a_report_is_kept_as_page_and_json_for_us_alone(store: ReportStore) -> None:
    page = store.put("j1", OUTCOME, NOON)
    stored = store.get("j1")
    assert stored
    assert stored.page == page
    assert [path.stat().st_mode & 0o777 for path in (stored.page, stored.json)] == [0o600, 0o600]
    assert page.parent.stat().st_mode & 0o777 == 0o700
    assert sorted(path.suffix for path in page.parent.iterdir()) == [".html", ".json"]


def test_the_json_has_every_list(store: ReportStore) -> None:
    report = sync_report(
        added=("a.md", "規程/旅費.md"),
        replaced=("b.md",),
        moved={"new.md": "old.md"},
        repermitted=("c.md",),
        removed=("d.md",),
        failed={"e.pdf": "e.pdf has no text."},
        skipped={"f.bin": "not a kind of document"},
    )
    store.put("j1", Outcome((report,), {"wiki": "Gone."}, "Made anew."), NOON)
    stored = store.get("j1")
    assert stored
    said = json.loads(stored.json.read_text())
    assert (said["job"], said["state"], said["started"]) == ("j1", "done", "2026-04-01T12:00:00Z")
    assert (said["faults"], said["generation"]) == ({"wiki": "Gone."}, "Made anew.")
    (source,) = said["sources"]
    assert source["added"] == ["a.md", "規程/旅費.md"]
    assert (source["updated"], source["moved"], source["repermitted"]) == (["b.md"], {"new.md": "old.md"}, ["c.md"])
    assert (source["removed"], source["failed"]) == (["d.md"], {"e.pdf": "e.pdf has no text."})
    assert (source["skipped"], source["unchanged"], source["passages"]) == ({"f.bin": "not a kind of document"}, 3, 5)
    assert source["stages"] == {
        "listing": 0.1,
        "reading": 0.0,
        "parsing": 0.0,
        "embedding": 1.0,
        "writing": 0.0,
        "tidying": 0.0,
    }


def test_names_that_are_no_text_are_kept_as_far_as_they_are(store: ReportStore) -> None:
    odd = "caf\udce9.md"
    store.put("j1", Outcome((sync_report(added=(odd,), failed={odd: f"{odd} is odd."}, moved={odd: odd}),)), NOON)
    stored = store.get("j1")
    assert stored
    assert stored.payload.sources[0].added == ["caf?.md"]
    assert stored.payload.sources[0].failed == {"caf?.md": "caf?.md is odd."}
    assert "caf?.md" in stored.page.read_text()


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    store = ReportStore(tmp_path / "reports", most_kept=3)
    for number in range(5):
        store.put(f"j{number}", OUTCOME, NOON + timedelta(minutes=number))
    assert [stored.payload.job for stored in store.recent(10)] == ["j4", "j3", "j2"]
    assert len(list((tmp_path / "reports").iterdir())) == 6
    assert store.get("j0") is None
    newest = store.newest()
    assert newest
    assert newest.payload.job == "j4"


def test_nothing_is_found_before_anything_was_kept(store: ReportStore) -> None:
    assert (store.get("j1"), store.newest(), store.recent(5)) == (None, None, [])


@pytest.mark.parametrize("job_id", ["", "../../etc/passwd", "*", "a/b", "x" * 65, "j1\n", "j\0"])
def test_an_id_that_no_job_has_finds_and_writes_nothing(store: ReportStore, job_id: str) -> None:
    store.put("j1", OUTCOME, NOON)
    assert store.get(job_id) is None
    with pytest.raises(ValueError, match="no id"):
        store.put(job_id, OUTCOME, NOON)


def test_a_damaged_report_is_passed_over(store: ReportStore) -> None:
    store.put("j1", OUTCOME, NOON)
    damaged = store.put("j2", OUTCOME, NOON + timedelta(minutes=1)).with_suffix(".json")
    damaged.write_text(damaged.read_text()[:100])
    assert store.get("j2") is None
    newest = store.newest()
    assert newest
    assert newest.payload.job == "j1"


def test_files_of_others_in_the_folder_are_let_alone(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "mine.html").write_text("keep")
    store = ReportStore(tmp_path / "reports", most_kept=1)
    store.put("j1", OUTCOME, NOON)
    store.put("j2", OUTCOME, NOON + timedelta(minutes=1))
    assert (tmp_path / "reports" / "mine.html").read_text() == "keep"


def test_a_report_that_cannot_be_written_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        ReportStore(tmp_path / "reports").put("j1", OUTCOME, NOON)
    assert list((tmp_path / "reports").iterdir()) == []


def test_reading_while_old_ones_go_harms_nobody(tmp_path: Path) -> None:
    store = ReportStore(tmp_path / "reports", most_kept=2)
    over = threading.Event()
    found: list[int] = []
    faults: list[Exception] = []

    def read() -> None:
        while not over.is_set():
            try:
                found.append(len(store.recent(10)))
            except Exception as error:  # noqa: BLE001 - shown below
                faults.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        store.put(f"j{number}", OUTCOME, NOON + timedelta(seconds=number))
    over.set()
    reader.join()
    assert faults == []
    assert found
