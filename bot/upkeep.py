"""What is done to an index besides ingesting: proved, made whole, a generation switched to or dropped, a source removed,
its threshold of refusal fitted, questions asked of it.

The command line carries it out itself, or the server that holds the data folder does, in a job (`bot/jobs.py`). Knows no
front end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bot.evaluation.errors import GoldenWorse
from bot.ingesting import ConfiguredSource
from bot.verifying import Verification, repair, verify
from ingest.reports import Progress
from ingest.wording import counted
from retrieval import authority, generations
from retrieval.building import Builder
from retrieval.database import reading
from retrieval.generations import Generation
from retrieval.index import Index

if TYPE_CHECKING:
    from bot.evaluation.gate import GoldenOutcome

Kind = Literal["verify", "repair", "switch", "drop", "remove", "calibrate", "evaluate", "golden"]


@dataclass(frozen=True, slots=True)
class CalibrationOrder:
    """How to calibrate: see `kura calibrate`."""

    questions: int
    wrong_costs: float
    show: int = 0
    """How many of the questions are wanted back."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class EvaluationOrder:
    """Which suite to ask, and how: see `kura eval run`."""

    suite: str
    """Path of the file, absolute."""
    as_name: str = ""
    groups: tuple[str, ...] = ()
    trials: int = 1
    judge: bool = False


@dataclass(frozen=True, slots=True)
class UpkeepRequest:
    """What is to be done."""

    kind: Kind
    sources: tuple[str, ...] = ()
    """To verify (none: all), or to remove."""
    generation: int = 0
    """To switch to, or to drop."""
    anyway: bool = False
    """Whether golden questions are overruled."""
    calibration: CalibrationOrder | None = None
    """To calibrate."""
    evaluation: EvaluationOrder | None = None
    """To evaluate."""

    @property
    def dry_run(self) -> bool:
        """Whether it changes nothing that answers."""
        return self.kind in ("verify", "evaluate") or (self.calibration is not None and self.calibration.dry_run)


@dataclass(frozen=True, slots=True)
class UpkeepResult:
    """What was done, in sentences, and what is to be heeded; or why it failed, with the exit status that says so."""

    said: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    found: Verification | None = None
    """Of a verification."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Of a calibration: its numbers. Of an evaluation and of golden questions: the id of the `run` that was kept."""
    fault: str = ""
    exit_code: int = 0

    def as_json(self) -> bytes:
        """Names of files need not be text: what no answer can hold becomes a question mark."""
        return json.dumps(asdict(self), ensure_ascii=False).encode("utf-8", "replace")


Note = Callable[[Progress], None]
"""Told how far it is."""


class Asking(Protocol):
    """Asks the index that is open; `bot/wiring/asking.py` does."""

    def calibrate(self, order: CalibrationOrder, note: Note) -> UpkeepResult:
        """Raises CannotCalibrate, and what search and model raise."""

    def evaluate(self, order: EvaluationOrder, note: Note) -> UpkeepResult:
        """Raises SuiteError, and what stands in the way of every question."""

    def golden(self, note: Note, *, anyway: bool) -> UpkeepResult:
        """Ask the golden questions of what answers now. Raises GoldenWorse unless `anyway`."""

    def beside(self, former: int, made: int, note: Note) -> GoldenOutcome:
        """What the golden questions say of one generation in place of another."""

    def overruled(self) -> None:
        """Another generation answers, whatever golden questions say: what answered before is no measure any more."""


class Upkeep:
    """Carries it out on an open index. One at a time, and no ingest beside it.

    `remove` removes a source and says how many documents it had. `shared` says that this process answers from the index
    meanwhile.
    """

    def __init__(
        self,
        folder: Path,
        index: Index,
        sources: Sequence[ConfiguredSource],
        *,
        remove: Callable[[str], int],
        asking: Asking,
        shared: bool,
    ) -> None:
        self._folder = folder
        self._index = index
        self._sources = sources
        self._remove = remove
        self._asking = asking
        self._shared = shared

    def run(self, request: UpkeepRequest, on_progress: Note) -> UpkeepResult:
        """Do what is asked for. Raises NotFound, SourceError or SettingsError for a name that is none, GoldenWorse; what the
        index raises.
        """
        match request.kind:
            case "verify":
                index = self._index if self._shared else None
                return UpkeepResult(
                    found=verify(self._folder, self._sources, request.sources, index=index, on_progress=on_progress)
                )
            case "repair":
                return self._repair(request, on_progress)
            case "switch":
                return self._switch(request, on_progress)
            case "drop":
                Builder(self._index).drop(request.generation)
                return UpkeepResult((f"Generation {request.generation} is gone.",))
            case "remove":
                return self._removed(request.sources)
            case _:
                return self._ask(request, on_progress)

    def _ask(self, request: UpkeepRequest, on_progress: Note) -> UpkeepResult:
        if request.calibration:
            return self._asking.calibrate(request.calibration, on_progress)
        if request.evaluation:
            return self._asking.evaluate(request.evaluation, on_progress)
        return self._asking.golden(on_progress, anyway=request.anyway)

    def _removed(self, names: Sequence[str]) -> UpkeepResult:
        with reading(self._index.engine) as connection:
            known = {source.name for source in authority.sources(connection)}
        # a name that is none first: nothing is removed then
        counts = {name: self._remove(name) for name in sorted(names, key=lambda name: name in known)}
        return UpkeepResult(tuple(f"Removed {name}: {counted(counts[name], 'document')}." for name in names))

    def _repair(self, request: UpkeepRequest, on_progress: Note) -> UpkeepResult:
        former = Builder(self._index).answering()
        gate = _Gate(
            self._asking,
            former,
            on_progress,
            "`kura repair --anyway` makes it all the same; or set the former embedder, and run `kura repair` again",
        )
        with reading(self._index.engine) as connection:
            answers = generations.current(connection)
        same = answers is None or answers.fingerprint == self._index.embedder.fingerprint
        said = repair(
            self._index,
            self._folder,
            shared=self._shared,
            may_answer=lambda made: None if same or request.anyway else gate(made),
        )
        if request.anyway and not same:
            self._asking.overruled()
        return UpkeepResult(tuple(said), gate.remarks)

    def _switch(self, request: UpkeepRequest, on_progress: Note) -> UpkeepResult:
        builder, number = Builder(self._index), request.generation
        former = builder.answering()
        gate = _Gate(
            self._asking, former, on_progress, f"`kura index switch {number} --anyway` lets it all the same, at once"
        )
        made = builder.switch(
            number,
            lambda done, total: on_progress(Progress(f"generation {number}", done, total, "")),
            may_answer=lambda made: None if request.anyway or made.id == former else gate(made),
        )
        if request.anyway and made.id != former:
            self._asking.overruled()
        differs = (made.fingerprint, made.recipe) != (self._index.embedder.fingerprint, self._index.recipe)
        warning = (
            "The settings want another embedder or size of passages: set them back, or go there again with"
            " `kura index switch`."
        )
        return UpkeepResult(
            (f"Generation {made.id} answers now (embedder {made.fingerprint}).",),
            (*gate.remarks, *((warning,) if differs else ())),
        )


class _Gate:
    """Raises GoldenWorse for a generation that fares worse than the `former` one; `instead` says what can be done then."""

    def __init__(self, asking: Asking, former: int, on_progress: Note, instead: str) -> None:
        self._asking = asking
        self._former = former
        self._on_progress = on_progress
        self._instead = instead
        self.remarks: tuple[str, ...] = ()

    def __call__(self, made: Generation) -> None:
        outcome = self._asking.beside(self._former, made.id, self._on_progress)
        if outcome.objection:
            raise GoldenWorse(f"Generation {made.id} does not answer: {outcome.objection}. {self._instead}.")
        self.remarks = (f"Generation {made.id} answers: {outcome.remark}.",) if outcome.remark else ()
