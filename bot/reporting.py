"""What an ingest did, kept: a page for people and JSON for programs, in a folder of the newest ones. Knows no front end.

The JSON's field names are an interface: programs outside read them. New fields may come, these stay.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import structlog
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from bot.ingesting import Outcome
from bot.report_page import page
from ingest.reports import SyncReport
from retrieval.data_folder import make_private_folder

MOST_KEPT = 100
"""Reports: a month of a job every few hours."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(r"\d{8}T\d{12}-(?P<id>[A-Za-z0-9_-]{1,64})\.json")
_UNFINISHED = ".report-"


def _encodable(text: str) -> str:
    """Names of files need not be text: what no answer and no page can hold becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


Text = Annotated[str, AfterValidator(_encodable)]


class StagesPayload(BaseModel):
    """Seconds by stage. Parsing runs beside the others: the sum is more than the time taken."""

    listing: float
    reading: float
    parsing: float
    embedding: float
    writing: float
    tidying: float


class SourceReportPayload(BaseModel):
    """What happened to one source: lists of its documents, and `failed` with a sentence for each."""

    source: Text
    readers: list[Text] = Field(description="Groups that may read it.")
    dry_run: bool = Field(description="Nothing was done: this is what would be.")
    added: list[Text]
    updated: list[Text]
    moved: dict[Text, Text] = Field(description="Where it is now, and where it was.")
    repermitted: list[Text] = Field(description="Given other readers.")
    removed: list[Text]
    unchanged: int
    passages: int = Field(description="New passages.")
    embedded: int = Field(description="Texts that were embedded: what was not known before.")
    failed: dict[Text, Text]
    skipped: dict[Text, Text] = Field(description="What was passed over, and why.")
    seconds: float
    stages: StagesPayload


class ReportPayload(BaseModel):
    """What one ingest did."""

    job: str
    state: Literal["done", "failed"]
    started: datetime
    finished: datetime
    seconds: float
    sources: list[SourceReportPayload]
    faults: dict[Text, Text] = Field(description="Why, by source that could not be brought up to date.")
    generation: Text = Field(description="What became of the index itself, if another was due.")


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report on disk; `page` is the HTML, beside the JSON."""

    payload: ReportPayload
    json: Path
    page: Path


class ReportStore:
    """The newest reports in a folder, readable by us alone. One process writes; any number of threads may use it."""

    def __init__(self, folder: Path, *, most_kept: int = MOST_KEPT) -> None:
        self._folder = folder
        self._most_kept = most_kept

    def put(self, job_id: str, outcome: Outcome, started_at: datetime) -> Path:
        """Keep what came of a job begun at `started_at` (with a time zone); returns the page.

        The page comes first and each file is whole or not there: who finds the JSON finds the page.
        Raises OSError or DataFolderError if they cannot be written, ValueError for an id that no job has.
        """
        if not _ID.fullmatch(job_id):
            raise ValueError(f"{job_id!r} is no id of a job")
        payload = report_payload(job_id, outcome, started_at)
        make_private_folder(self._folder)
        name = f"{started_at.astimezone(UTC):%Y%m%dT%H%M%S%f}-{job_id}"
        html = self._folder / f"{name}.html"
        self._write(html, page(payload))
        self._write(html.with_suffix(".json"), payload.model_dump_json(indent=1))
        self._forget_old()
        return html

    def get(self, job_id: str) -> StoredReport | None:
        """The report of a job, or None if there is none (any more), or it is damaged."""
        if not _ID.fullmatch(job_id):
            return None
        found = (path for path in self._paths() if _id_of(path) == job_id)
        return next(self._read(found), None)

    def newest(self) -> StoredReport | None:
        """The newest report there is."""
        return next(self._read(self._paths()), None)

    def recent(self, count: int) -> list[StoredReport]:
        """The newest reports, newest first."""
        return list(self._read(self._paths()[:count]))

    def _paths(self) -> list[Path]:
        """The JSON of every report, newest first: names begin with the time."""
        if not self._folder.is_dir():
            return []
        return sorted((path for path in self._folder.iterdir() if _NAME.fullmatch(path.name)), reverse=True)

    @staticmethod
    def _read(paths: Iterable[Path]) -> Iterator[StoredReport]:
        for path in paths:
            try:
                payload = ReportPayload.model_validate_json(path.read_bytes())
            except FileNotFoundError:  # forgotten meanwhile
                continue
            except (OSError, ValidationError) as error:
                structlog.get_logger(__name__).warning("a report cannot be read", file=str(path), reason=str(error))
                continue
            yield StoredReport(payload, path, path.with_suffix(".html"))

    def _write(self, path: Path, text: str) -> None:
        descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=self._folder)  # readable by us alone
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(unfinished).replace(path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise

    def _forget_old(self) -> None:
        for path in self._paths()[self._most_kept :]:
            path.unlink(missing_ok=True)
        kept = {path.stem for path in self._paths()}
        for path in self._folder.glob("*.html"):
            if _NAME.fullmatch(f"{path.stem}.json") and path.stem not in kept:
                path.unlink(missing_ok=True)


def report_payload(job_id: str, outcome: Outcome, started_at: datetime) -> ReportPayload:
    """The JSON of an outcome."""
    return ReportPayload(
        job=job_id,
        state="failed" if outcome.faults and not outcome.reports else "done",
        started=started_at,
        finished=datetime.now(UTC),
        seconds=round(outcome.seconds, 3),
        sources=[_source(report) for report in outcome.reports],
        faults=dict(outcome.faults),
        generation=outcome.generation,
    )


def _source(report: SyncReport) -> SourceReportPayload:
    stages: Mapping[str, float] = asdict(report.stages)
    return SourceReportPayload(
        source=report.source,
        readers=sorted(report.readers.groups),
        dry_run=report.dry_run,
        added=list(report.added),
        updated=list(report.replaced),
        moved=dict(report.moved),
        repermitted=list(report.repermitted),
        removed=list(report.removed),
        unchanged=report.unchanged,
        passages=report.chunks,
        embedded=report.embedded,
        failed=dict(report.failed),
        skipped=dict(report.skipped),
        seconds=round(report.seconds, 3),
        stages=StagesPayload(**{stage: round(seconds, 3) for stage, seconds in stages.items()}),
    )


def _id_of(path: Path) -> str:
    name = _NAME.fullmatch(path.name)
    return name["id"] if name else ""
