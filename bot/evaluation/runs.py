"""Runs, kept: one JSON file each in a folder of the data folder, readable by its owner alone. Knows no assistant.

A run holds answers and quotes as they were, of documents that may be gone since: who removes a run's file removes them.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from bot.evaluation.errors import RunError
from bot.evaluation.intervals import Interval, interval
from bot.evaluation.outcomes import CaseRecord, Recorded, Text
from bot.evaluation.scorers import SCORERS
from bot.evaluation.suite import Suite
from retrieval.data_folder import make_private_folder

FOLDER = "evaluations"
"""Inside the data folder."""
_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")
_UNFINISHED = ".run-"


class Subject(Recorded):
    """What was measured: all that answers depend on. What older Kuras did not record is empty."""

    kura: Text
    """Kura's version."""
    model: Text
    model_sha256: Text = ""
    """Of a local model's file; "" for one on a server."""
    style: Text
    prompt: Text
    """The version of the prompt."""
    prompt_text: Text = ""
    """What stands in it, so that two runs can be told apart by more than its name; "" in the quote style."""
    evidence: Text = ""
    """The version of the scoring of evidence."""
    threshold: Text = ""
    """From which score on Kura answered, and why that."""
    recipe: Text = ""
    """How the documents were read."""
    documents: Text = ""
    """How many there were, and a digest of which."""
    embedder: Text = ""
    """The fingerprint of the embedder whose index answered."""
    generation: int | None = None
    """Of the index; None if nothing was ingested."""
    settings: Mapping[str, Any] = {}
    """Those that bear on answers, secrets masked."""


class JudgePin(Recorded):
    """Who judged. Verdicts compare only under the same pin."""

    model: Text
    model_sha256: Text
    prompt: Text


class SuiteName(Recorded):
    """Which suite was run."""

    name: Text
    sha256: Text


class Summary(Recorded):
    """The mean of a score over the `cases` it applies to, with its 95 % interval."""

    mean: float
    low: float | None
    high: float | None
    cases: int


class JudgeSummary(Recorded):
    """What the judge said in sum. `unread` counts answers of which its words were no verdict."""

    pin: JudgePin
    summary: Summary | None
    unread: int


class Run(Recorded):
    """One evaluation, whole."""

    format: Literal[1] = 1
    """Counts up when a field changes its meaning."""
    id: str
    started: datetime
    seconds: float
    suite: SuiteName
    subject: Subject
    asked_as: Text
    """Whoever asked the cases that name no groups."""
    trials: int
    failed: int
    """Cases in which something could not be carried out."""
    scores: Mapping[str, Summary]
    """By score; one that applies to no case is missing."""
    judged: JudgeSummary | None = None
    cases: tuple[CaseRecord, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of a suite brought, and under which circumstances; `started` has a time zone."""

    suite: Suite
    subject: Subject
    asked_as: str
    trials: int
    started: datetime
    records: Sequence[CaseRecord]
    judge: JudgePin | None = None


def make_run(measured: Measured) -> Run:
    """A run under a new id, its scores summed up."""
    records = measured.records
    return Run(
        id=f"{measured.started.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        started=measured.started,
        seconds=round((datetime.now(UTC) - measured.started).total_seconds(), 3),
        suite=SuiteName(name=measured.suite.name, sha256=measured.suite.sha256),
        subject=measured.subject,
        asked_as=measured.asked_as,
        trials=measured.trials,
        failed=sum(record.failed for record in records),
        scores=summaries(records),
        judged=_judged(measured.judge, records) if measured.judge else None,
        cases=tuple(records),
    )


def summaries(records: Sequence[CaseRecord]) -> dict[str, Summary]:
    """Each score that applies to a case: the mean of the cases' means, and its interval over cases."""
    found = {}
    for scorer in SCORERS:
        means = [mean for record in records if (mean := record.mean(scorer.name)) is not None]
        if (over := interval(means)) is not None:
            found[scorer.name] = _summary(over)
    return found


def _judged(pin: JudgePin, records: Sequence[CaseRecord]) -> JudgeSummary:
    over = interval([mean for record in records if (mean := record.verdict()) is not None])
    verdicts = [trial.verdict for record in records for trial in record.trials if trial.verdict is not None]
    unread = sum(verdict.score is None for verdict in verdicts)
    return JudgeSummary(pin=pin, summary=_summary(over) if over else None, unread=unread)


def _summary(over: Interval) -> Summary:
    return Summary(mean=over.mean, low=over.low, high=over.high, cases=over.cases)


class RunStore:
    """The runs of a data folder. A file is whole or not there; any number of processes may use it."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def put(self, run: Run) -> Path:
        """Keep a run; returns its file. Raises RunError if it cannot be written, DataFolderError for the folder."""
        make_private_folder(self._folder)
        path = self._folder / f"{run.id}.json"
        try:
            descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=self._folder)  # readable by us alone
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(run.model_dump_json(indent=1))
                    file.flush()
                    os.fsync(file.fileno())
                Path(unfinished).replace(path)
            except BaseException:
                Path(unfinished).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise RunError(
                f"The run cannot be kept in {self._folder} ({error.strerror}): free space, or look at its permissions."
            ) from error
        return path

    def get(self, name: str) -> Run:
        """A run by its id, by what its id alone begins or ends with, or the newest as "latest". Raises RunError."""
        ids = self._ids()
        if not ids:
            raise RunError("No evaluation was run yet: `kura eval run SUITE` runs one.")
        found = (
            ids[:1]
            if name == "latest"
            else [one for one in ids if name and (one.startswith(name) or one.endswith(f"-{name}"))]
        )
        if len(found) != 1:
            why = f"{len(found)} runs have such an id" if found else "there is none"
            raise RunError(f"No run is known as {name!r} ({why}): `kura eval list` shows them.")
        return self._load(found[0])

    def has(self, id_: str) -> bool:
        """Whether a run is kept under this id."""
        return id_ in self._ids()

    def every(self) -> Iterator[Run | RunError]:
        """All runs, newest first; in place of a damaged one, what is wrong with it."""
        for id_ in self._ids():
            try:
                yield self._load(id_)
            except RunError as error:
                yield error

    def _ids(self) -> list[str]:
        """Newest first: ids begin with the time."""
        if not self._folder.is_dir():
            return []
        names = (path.name.removesuffix(".json") for path in self._folder.glob("*.json"))
        return sorted((name for name in names if _ID.fullmatch(name)), reverse=True)

    def _load(self, id_: str) -> Run:
        path = self._folder / f"{id_}.json"
        try:
            run = Run.model_validate_json(path.read_bytes())
        except OSError as error:
            raise RunError(f"The run {path} cannot be read ({error.strerror}): look at its permissions.") from error
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "its JSON"
            raise RunError(f"The run {path} is damaged, or of another Kura ({where}): remove the file.") from None
        if run.id != id_:
            raise RunError(f"The run {path} says it is {run.id}: give the file its name back.")
        return run
