from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from bot.errors import SettingsError
from bot.ingesting import IngestRequest
from bot.jobs import IngestJobs, Job
from bot.overview import Overview
from bot.reporting import ReportStore
from models.engine import EngineState
from tests.bot.ingests import PATIENCE_S, FakeIngests


class Site:
    """Jobs over a stand-in, and what is seen of them."""

    def __init__(self, folder: Path, *, hold: bool = False, fault: Exception | None = None) -> None:
        self.ingests = FakeIngests(hold=hold)
        self._ended = threading.Semaphore(0)
        self._fault = fault
        reports = ReportStore(folder / "reports")
        self.jobs = IngestJobs(self.ingests, reports=reports, ended=lambda _: self._ended.release())
        engine = EngineState(slots=2, active=1, waiting=3)
        self.overview = Overview(
            version="9.9", readiness=self._ready, engine=lambda: engine, jobs=self.jobs, reports=reports
        )

    async def _ready(self) -> None:
        if self._fault:
            raise self._fault

    def status(self) -> list[str]:
        return asyncio.run(self.overview.status())

    def ingest(self, source: str) -> Job:
        job = self.jobs.submit(IngestRequest(sources=(source,)), by="ops")
        self.wait()
        return job

    def wait(self) -> None:
        """Until one more job has ended."""
        assert self._ended.acquire(timeout=PATIENCE_S)


def test_it_says_whether_kura_is_ready_and_what_model_and_ingests_do(tmp_path: Path) -> None:
    site = Site(tmp_path, hold=True)
    assert site.status() == [
        "Kura 9.9 is ready.",
        "The model writes 1 answer; 3 questions wait for it.",
        "Nothing was ingested since it was started.",
    ]
    site.jobs.submit(IngestRequest(sources=("wiki",)), by="ops")
    assert site.ingests.begun.acquire(timeout=PATIENCE_S)
    assert site.status()[2] == "Under way: ingest."
    site.ingests.release()
    site.wait()
    site.ingests.release()
    site.ingest("handbook")
    assert site.status()[2].startswith("Last job: ingest, done, ")
    site.jobs.close()


def test_what_stands_in_the_way_is_told_without_the_insides(tmp_path: Path) -> None:
    site = Site(tmp_path, fault=SettingsError("/srv/kura/model.gguf is not there: set model.path."))
    first = site.status()[0]
    assert first.startswith("Kura 9.9 cannot answer: ")
    assert "/srv" not in first
    site.jobs.close()


def test_the_last_ingest_is_another_word_after_each_and_the_same_after_a_restart(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert site.overview.last_ingest() == ""
    for source in ("wiki", "handbook"):
        job = site.ingest(source)
        assert site.overview.last_ingest() == job.id
    site.jobs.close()
    again = Site(tmp_path)
    assert again.overview.last_ingest() == job.id
    again.jobs.close()
