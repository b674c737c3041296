"""The calibration of a data folder: `calibration.json`, numbers only, and the threshold it gives for a question.

It holds for what it was made with (its pins) and for nothing else: then the default threshold counts. Fits nothing.
"""

from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.calibration.errors import CannotCalibrate
from bot.evidence import ENOUGH, VERSION
from retrieval import generations
from retrieval.database import reading
from retrieval.generations import Generation
from retrieval.index import Index
from retrieval.language import language

FILE = "calibration.json"
_STALE = "so the default threshold is used: run `kura calibrate` again"


class Pins(BaseModel):
    """What scores depend on besides the documents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    evidence: str
    embedder: str
    recipe: str


class Calibration(BaseModel):
    """Thresholds, what they hold for, and how good they were."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pins: Pins
    made_at: str = Field(description="UTC, ISO 8601.")
    threshold: float = Field(ge=0, le=1)
    by_language: dict[str, float] = Field(description="Where there were questions enough: their own threshold.")
    wrong_costs: float = Field(gt=0, description="How many refusals a wrong answer costs.")
    questions: dict[str, int] = Field(description="Answerable questions by language.")
    auc: float = Field(ge=0, le=1)
    before: float = Field(ge=0, le=1, description="Balanced accuracy at the default threshold.")
    after: float = Field(ge=0, le=1, description="The same at the fitted one, on questions it was not fitted on.")

    def enough(self, question: str) -> float:
        """From which score on the evidence for a question is sufficient."""
        return self.by_language.get(language(question), self.threshold)


@dataclass(frozen=True, slots=True)
class Standing:
    """The calibration that holds now, or None; and a sentence (without a full stop) that says which threshold counts, and why."""

    calibration: Calibration | None
    detail: str
    damaged: bool = False
    """Whether there is a file that cannot be read or understood."""


def pins_of(generation: Generation) -> Pins:
    """What a calibration of this generation is bound to."""
    return Pins(evidence=VERSION, embedder=generation.fingerprint, recipe=generation.recipe)


def keep(folder: Path, calibration: Calibration) -> None:
    """Write it in place of the one before, whole or not at all, for this user alone. Raises CannotCalibrate."""
    try:
        descriptor, unfinished = tempfile.mkstemp(prefix=f"{FILE}.", dir=folder)  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(calibration.model_dump_json(indent=1) + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(unfinished).replace(folder / FILE)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CannotCalibrate(
            f"The calibration cannot be kept in {folder} ({error.strerror}): free some space, or look at its permissions."
        ) from error


def standing(folder: Path, generation: Generation | None) -> Standing:
    """What counts for a data folder whose `generation` answers."""
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return Standing(None, f"the default threshold {ENOUGH:g}; `kura calibrate` fits it to the documents")
    except (OSError, UnicodeDecodeError) as error:
        return Standing(None, f"{FILE} cannot be read ({type(error).__name__}), {_STALE}", damaged=True)
    try:
        found = Calibration.model_validate_json(text)
    except ValidationError:
        return Standing(None, f"{FILE} is damaged, {_STALE}", damaged=True)
    if generation is None or found.pins != (now := pins_of(generation)):
        named = {"evidence": "scoring of evidence", "embedder": "embedder", "recipe": "reading of documents"}
        other = [said for key, said in named.items() if generation and getattr(found.pins, key) != getattr(now, key)]
        return Standing(None, f"calibrated with another {' and '.join(other) or 'index'}, {_STALE}")
    own = "".join(f", {name} {value:g}" for name, value in sorted(found.by_language.items()))
    asked = sum(found.questions.values())
    return Standing(found, f"threshold {found.threshold:g}{own}, fitted on {asked} questions at {found.made_at}")


class Enough:
    """The threshold for a question: the calibration's as long as it holds for the index that answers. Safe from any thread.

    The file is looked at for each question and read when it changed; which generation answers is asked each time.
    """

    def __init__(self, folder: Path, index: Index) -> None:
        self._folder = folder
        self._index = index
        self._lock = threading.Lock()
        self._known: tuple[object, Standing] | None = None

    def __call__(self, question: str) -> float:
        try:
            seen = (self._folder / FILE).stat()
        except OSError:  # there is none, or none that can be looked at: as `standing` says
            return ENOUGH
        with reading(self._index.engine) as connection:
            generation = generations.current(connection)
        key = (seen.st_mtime_ns, seen.st_size, seen.st_ino, generation)
        with self._lock:
            if self._known is None or self._known[0] != key:
                self._known = key, standing(self._folder, generation)
            calibration = self._known[1].calibration
        return ENOUGH if calibration is None else calibration.enough(question)
