from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

from retrieval.index import Index
from retrieval.search import Searcher
from tests.ingest.test_sync import SOMEBODY, docs, index, ingest

__all__ = ["docs", "index"]


def touch(path: Path, day: date) -> None:
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()
    os.utime(path, (at, at))


def dated(index: Index) -> dict[str, date | None]:
    return {hit.title: hit.dated for hit in Searcher(index).search("hotel canteen", principal=SOMEBODY, k=9).hits}


def test_what_a_document_says_of_its_day_wins_over_its_file(index: Index, docs: Path) -> None:
    (docs / "travel.md").write_text("---\ntitle: Travel\nupdated: 2023-05-01\n---\nThe hotel limit is 180 EUR.\n")
    for file in docs.iterdir():
        touch(file, date(2025, 1, 31))
    ingest(index, docs)
    assert dated(index) == {"Travel": date(2023, 5, 1), "Office": date(2025, 1, 31)}


def test_a_file_that_was_only_touched_keeps_its_day_and_is_not_embedded_again(index: Index, docs: Path) -> None:
    for file in docs.iterdir():
        touch(file, date(2025, 1, 31))
    ingest(index, docs)
    touch(docs / "travel.md", date(2026, 1, 1))
    (report,) = ingest(index, docs)
    assert (report.unchanged, report.embedded, report.replaced) == (2, 0, ())
    assert dated(index)["Travel"] == date(2025, 1, 31)
    (docs / "travel.md").write_text("# Travel\n\nThe hotel limit is 190 EUR a night.\n")
    touch(docs / "travel.md", date(2026, 2, 1))
    ingest(index, docs)
    assert dated(index)["Travel"] == date(2026, 2, 1)
