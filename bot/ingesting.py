"""One ingest from door to door: which sources, each brought up to date, a new generation if one is due, and the outcome.

The command line runs it directly, a server in a job (`bot/jobs.py`). Knows no front end, and no kind of source.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bot.errors import SettingsError
from bot.trusting import language_name
from ingest.errors import IngestError
from ingest.feeds import Feed
from ingest.folders import Folders
from ingest.parsing import Parser
from ingest.reports import Progress, SyncReport
from ingest.sources.folder import FolderSource
from ingest.sync import Ingestor
from ingest.wording import counted
from models.errors import ModelError
from retrieval import authority, cloze, generations
from retrieval.access import Readers
from retrieval.building import Builder
from retrieval.database import reading, writing
from retrieval.errors import IndexMismatch
from retrieval.index import Index

if TYPE_CHECKING:
    from bot.evaluation.gate import GoldenOutcome


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
    watched: bool = False
    """Whether a watched folder asked: a deletion under way comes in slices then, and is judged as one."""


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


Golden = Callable[[int, int, Callable[[Progress], None]], "GoldenOutcome"]
"""What golden questions say of a generation (the second number) in place of another (the first). It tells how far it is."""


class Ingests(Protocol):
    """Whatever can carry out an ingest. One at a time."""

    def run(self, request: IngestRequest, on_progress: Callable[[Progress], None]) -> Outcome:
        """Bring sources up to date. A fault of one source does not keep the others from it.

        Raises SettingsError for a source that is not configured; what the index raises.
        """

    def names(self) -> Sequence[str]:
        """The configured sources."""


class ConfiguredSource(Protocol):
    """A source of the settings; `bot/wiring/sources.py` makes them."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path | None:
        """Of a source that is a folder."""

    @property
    def readers(self) -> Readers: ...
    def feed(self, apart: Collection[Path] = ()) -> Feed:
        """The source, ready to be listed; a folder without the trees in `apart`, which are sources of their own."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One source to bring up to date: a configured one, or a path."""

    name: str
    path: Path | None
    readers: Readers | None
    source: ConfiguredSource | None


SLICE_S = 300.0
"""Documents that a watched folder lost within this many seconds count as lost at once: deleting a tree takes a while."""


class _RecentRemovals:
    """How many documents each source lost lately."""

    def __init__(self) -> None:
        self._removals: dict[str, list[tuple[float, int]]] = {}

    def note(self, report: SyncReport) -> None:
        if report.removed and not report.dry_run:
            self._removals.setdefault(report.source, []).append((time.monotonic(), len(report.removed)))

    def lately(self, source: str) -> int:
        since = time.monotonic() - SLICE_S
        kept = [one for one in self._removals.get(source, []) if one[0] >= since]
        self._removals[source] = kept
        return sum(count for _, count in kept)


class Ingesting:
    """Carries out ingests into an index. One at a time.

    `forget` removes what a source of this name keeps on the disk: a copy of a repository, files that were uploaded.
    `golden` says whether a generation may answer in place of the former one; without it, any may.
    """

    def __init__(
        self,
        index: Index,
        parser: Parser,
        sources: Sequence[ConfiguredSource],
        *,
        most_removed: float,
        forget: Callable[[str], None] = lambda _: None,
        golden: Golden | None = None,
    ) -> None:
        self._index = index
        self._parser = parser
        self._sources = tuple(sources)
        self._most_removed = most_removed
        self._forget = forget
        self._golden = golden
        self._refused = False
        self._gone = _RecentRemovals()

    def names(self) -> Sequence[str]:
        """The configured sources."""
        return [source.name for source in self._sources]

    def run(self, request: IngestRequest, on_progress: Callable[[Progress], None]) -> Outcome:
        """See `Ingests`. An inner folder comes before the outer one, so that it is never read by the outer one's readers."""
        started = time.perf_counter()
        ingestor = Ingestor(
            self._index,
            self._parser,
            on_progress=on_progress,
            most_removed=self._most_removed,
            gone_before=self._gone.lately if request.watched else lambda _: 0,
        )
        reports: list[SyncReport] = []
        faults: dict[str, str] = {}
        if not request.dry_run:
            self.apply_readers()  # of every source, whichever are asked for: who may not read any more must not
        for wanted in self._wanted(request):
            try:
                self._one(ingestor, wanted, request, reports.append)
            except (IngestError, SettingsError) as error:  # the others go on
                faults[wanted.name] = str(error)
        for report in reports:
            self._gone.note(report)
            if report.fault:
                faults[report.source] = report.fault
        generation = ""
        if not (request.dry_run or (request.watched and self._refused)):  # what was refused is not asked at each save
            generation = self._new_generation(ingestor, on_progress, faults)
        if not request.dry_run:
            self._measure(on_progress, faults)
        if not request.dry_run and any(report.removed or report.replaced for report in reports):
            Builder(self._index).sweep()  # Chroma is open anyway; what a killed `drop` left goes now
        return Outcome(tuple(reports), faults, generation, time.perf_counter() - started)

    def apply_readers(self) -> None:
        """Give the stored documents of every configured source the readers that are set: nothing is listed or read."""
        with reading(self._index.engine) as connection:
            stored = {one.name: one for one in authority.sources(connection)}
        changed = False
        for source in self._sources:
            known = stored.get(source.name)
            if known is None or known.readers == source.readers:
                continue
            with reading(self._index.engine) as connection:
                documents = authority.documents_of(connection, known.id)
            self._index.set_readers(documents, source.readers)
            with writing(self._index.engine) as connection:
                authority.put_source(connection, known.name, known.root, source.readers, known.kind)
            changed = True
        if changed:
            self._index.tidy(purge=False)  # the words moved; where they stood is overwritten

    def remove(self, name: str) -> int:
        """Remove a source with all its documents and whatever is kept of it; returns how many. See `Ingestor.remove`."""
        count = Ingestor(self._index, self._parser).remove(name)
        self._forget(name)
        return count

    def _feeds(self, faults: dict[str, str]) -> list[Feed]:
        """Every source that can be opened: the configured ones, and folders that were ingested by their path."""
        made: list[Feed] = []
        for source in self._sources:
            try:
                made.append(source.feed())
            except (IngestError, SettingsError) as error:  # its documents keep the text that is stored
                faults[source.name] = str(error)
        with reading(self._index.engine) as connection:
            stored = authority.sources(connection)
            kept_out = [Path(one) for one in authority.kept_out(connection)]
        roots = {feed.source.root for feed in made}
        names = set(self.names())
        for one in stored:
            if one.kind == "folder" and one.root not in roots and one.name not in names:
                below = [Path(other.root) for other in stored if other.root != one.root and other.kind == "folder"]
                made.append(
                    Feed(one.name, one.kind, FolderSource(Path(one.root), apart=[*below, *kept_out]), one.readers)
                )
        return made

    # --- the steps ---

    def _wanted(self, request: IngestRequest) -> list[_Wanted]:
        """What to ingest. With a path come the configured sources below it: its readers must not get what those keep."""
        configured = {source.path.resolve(): source for source in self._sources if source.path is not None}
        if unknown := [name for name in request.sources if name not in self.names()]:
            known = ", ".join(self.names()) or "none"
            raise SettingsError(f"There is no configured source {unknown[0]}: known are {known}.")
        if not request.sources and not request.paths:
            chosen = list(self._sources)
        else:
            chosen = [source for source in self._sources if source.name in request.sources]
        wanted = [_Wanted(source.name, source.path, source.readers, source) for source in chosen]
        stored = self._stored_folders()
        named = {path.resolve(): path for path in (self._meant(path, stored) for path in request.paths)}
        for root, path in named.items():
            source = configured.get(root)
            readers = request.readers or (source.readers if source else None)
            wanted.append(_Wanted(source.name if source else str(path), path, readers, source))
        there = {one.path.resolve() for one in wanted if one.path}
        for root, source in configured.items():
            if root not in there and root.exists() and any(root.is_relative_to(outer) for outer in there):
                wanted.append(_Wanted(source.name, source.path, source.readers, source))
        return sorted(wanted, key=lambda one: -len(one.path.resolve().parts) if one.path else 0)

    def _stored_folders(self) -> dict[str, Path]:
        with reading(self._index.engine) as connection:
            return {one.name: Path(one.root) for one in authority.sources(connection) if one.kind == "folder"}

    @staticmethod
    def _meant(path: Path, stored: Mapping[str, Path]) -> Path:
        """A path; or where a source lies that was ingested by its path, and is called by its name now."""
        return path if os.path.lexists(path) else stored.get(path.name, path)

    def _one(
        self, ingestor: Ingestor, wanted: _Wanted, request: IngestRequest, done: Callable[[SyncReport], None]
    ) -> None:
        """Bring one source, and the folders inside it, up to date; `done` is told of each."""
        source = wanted.source
        if wanted.path is None:
            if source is not None:
                done(ingestor.sync(source.feed(), confirmed=request.confirmed, dry_run=request.dry_run))
            return
        others = {one.path.resolve() for one in self._sources if one.path} - {wanted.path.resolve()}
        Folders(ingestor).ingest(
            wanted.path,
            readers=wanted.readers,
            name=source.name if source else "",
            without=others,
            confirmed=request.confirmed,
            dry_run=request.dry_run,
            opened=source.feed if source else None,
            on_report=done,
        )

    def _measure(self, on_progress: Callable[[Progress], None], faults: dict[str, str]) -> None:
        """Measure how far the embedder is to be trusted with what answers now, where that is due."""
        with reading(self._index.engine) as connection:
            answering = generations.current(connection)
        if answering is None or not answering.ready:
            return
        try:
            cloze.measure(self._index, answering, lambda language: on_progress(_measuring(language)))
        except (IndexMismatch, ModelError) as error:  # what was read is read all the same
            faults["(embedder)"] = str(error)

    def _new_generation(
        self, ingestor: Ingestor, on_progress: Callable[[Progress], None], faults: dict[str, str]
    ) -> str:
        """Build another generation if the settings want one, and let it answer; the sentence that says so."""
        builder = Builder(self._index)
        builder.drop_abandoned()
        if not builder.wanted():
            return ""
        former, made = builder.answering(), builder.begin()
        left: dict[str, str] = {}
        for feed in self._feeds(left):
            try:
                left |= ingestor.fill(feed, made)
            except IngestError as error:  # its documents keep the text that is stored
                left[feed.name] = str(error)
        count = builder.catch_up(
            made,
            lambda done, total: on_progress(Progress("(new index)", done, total, "", failed=left)),
            measuring=lambda language: on_progress(_measuring(language)),
        )
        outcome = self._golden(former, made.id, on_progress) if former and self._golden else None
        self._refused = outcome is not None and bool(outcome.objection)
        if outcome and outcome.objection:
            faults["(new index)"] = (
                f"The index made anew, generation {made.id}, does not answer: {outcome.objection}. `kura index switch {made.id}"
                " --anyway` lets it all the same; the next ingest asks again."
            )
            return ""
        builder.flip(made)
        builder.drop_but(made.id, former)
        kept = f"; {len(left)} could not be read anew and kept their text" if left else ""
        return (
            f"The index was made anew as generation {made.id} for {made.fingerprint}, {counted(count, 'document')} from what was"
            f" stored{kept}. `kura index switch` goes back to the former one."
            + (f" {outcome.remark[0].upper()}{outcome.remark[1:]}." if outcome and outcome.remark else "")
        )


def _measuring(language: str) -> Progress:
    return Progress("(embedder)", 0, 1, f"how far to trust it in {language_name(language)}")
