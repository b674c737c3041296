"""One ingest from door to door: which sources, each brought up to date, a new generation if one is due, and the outcome.

The command line runs it directly, a server in a job (`bot/jobs.py`). Knows no front end, and no kind of source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ingest.reports import Progress, SyncReport
from retrieval.access import Readers


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What is to be brought up to date: configured sources by name, paths, or (neither) every configured source."""

    sources: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    """Absolute."""
    readers: Readers | None = None
    """Who may read what lies at `paths`; None: as before, and at first everybody."""
    confirmed: bool = False
    """Whether more of a source may go than goes unasked."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened. `faults` are sentences for sources that could not be brought up to date; the others were."""

    reports: tuple[SyncReport, ...]
    faults: Mapping[str, str] = field(default_factory=dict)
    """By source (its name, or its path)."""
    generation: str = ""
    """What became of the index itself, if another generation was due: a sentence."""
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether nothing failed."""
        return not self.faults and not any(report.failed for report in self.reports)


class Ingests(Protocol):
    """Whatever can carry out an ingest. One at a time."""

    def run(self, request: IngestRequest, on_progress: Callable[[Progress], None]) -> Outcome:
        """Bring sources up to date. A fault of one source does not keep the others from it.

        Raises SettingsError for a source that is not configured; what the index raises.
        """

    def names(self) -> Sequence[str]:
        """The configured sources."""
