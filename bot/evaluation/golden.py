"""Which run of the golden questions was accepted last: the measure of what may answer. Knows no assistant.

A file in the folder of the runs names two of them: the one that was accepted, and one that was refused since.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.evaluation.comparing import said_of
from bot.evaluation.errors import RunError, SuiteError
from bot.evaluation.gate import MOST_NAMED
from bot.evaluation.runs import FOLDER, Run, RunStore, Subject
from bot.evaluation.scorers import absent
from bot.evaluation.suite import load
from ingest.wording import counted

FILE = "golden.json"
MOST_SHOWN = 40
"""Characters of a value that changed, in a sentence; a comparison of the runs shows all."""
_NO_MATTER = frozenset({"index", "answer.golden", "answer.golden_loss"})
"""Of what a run says of itself: a generation is one of many with the same contents, and a gate moves no answer."""
_NO_MATTER_BELOW = "ingest."
"""How documents are read: what of that bears on answers is in the recipe."""


class _Standing(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    accepted: str = ""
    despite: str = ""
    """What stood against it, if somebody overruled that."""
    refused: str = ""
    why: str = ""


class GoldenBook:
    """The golden questions of a data folder: which run was accepted, which refused."""

    def __init__(self, data_dir: Path) -> None:
        self.store = RunStore(data_dir)
        self._path = data_dir / FOLDER / FILE

    def accepted(self) -> Run | None:
        """The run that was accepted last; None if there is none, or its file was removed. Raises RunError."""
        return self._run(self._standing().accepted)

    def refused(self) -> Run | None:
        """The run that was refused since. Raises RunError."""
        return self._run(self._standing().refused)

    @property
    def despite(self) -> str:
        """What stood against the accepted run when somebody overruled it, or "". Raises RunError."""
        return self._standing().despite

    @property
    def why(self) -> str:
        """Why a run was refused since, or "". Raises RunError."""
        return self._standing().why

    def accept(self, run: Run, despite: str = "") -> None:
        """Keep a run: it is the measure from now on. Raises RunError."""
        self.store.put(run)
        self._write(_Standing(accepted=run.id, despite=despite))

    def refuse(self, run: Run, why: str) -> None:
        """Keep a run that did not pass; the accepted one stays the measure. Raises RunError."""
        self.store.put(run)
        self._write(self._standing().model_copy(update={"refused": run.id, "why": why}))

    def forget(self) -> None:
        """Have no measure any more: what answers next is one. Raises RunError."""
        if self._path.exists():
            self._write(_Standing())

    def _run(self, id_: str) -> Run | None:
        return self.store.get(id_) if id_ and self.store.has(id_) else None

    def _standing(self) -> _Standing:
        try:
            return _Standing.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return _Standing()
        except OSError as error:
            raise RunError(f"{self._path} cannot be read ({error.strerror}): look at its permissions.") from error
        except ValidationError:
            raise RunError(
                f"{self._path} is damaged, or of another Kura: remove the file, and what answers then is the measure."
            ) from None

    def _write(self, standing: _Standing) -> None:
        try:
            descriptor, unfinished = tempfile.mkstemp(prefix=f".{FILE}-", dir=self._path.parent)  # readable by us alone
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(standing.model_dump_json(indent=1) + "\n")
                Path(unfinished).replace(self._path)
            except BaseException:
                Path(unfinished).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise RunError(
                f"{self._path} cannot be written ({error.strerror}): free space, or look at its folder."
            ) from error


def inspected(suite: Path, data_dir: Path, documents: Sequence[tuple[str, str]]) -> str:
    """How the golden questions stand beside these documents (address and title), without asking them.

    Raises SuiteError for questions that cannot be read or name documents that are not there, RunError.
    """
    cases = load(suite).cases
    book = GoldenBook(data_dir)
    if gone := absent([source for case in cases for source in case.source], documents):
        named = ", ".join(gone[:MOST_NAMED]) + (", …" if len(gone) > MOST_NAMED else "")
        raise SuiteError(
            f"{suite}: {counted(len(gone), 'expected source')} of its cases not in the index: {named}; mend the cases, or ingest"
            " what they name."
        )
    accepted = book.accepted()
    if accepted is None:
        return (
            f"{counted(len(cases), 'question')} in {suite}, not asked yet: `kura serve` and `kura eval golden` ask them"
        )
    despite = f", overruling that {book.despite}" if book.despite else ""
    refused = f"; refused since, and not started with: {book.why}" if book.why else ""
    return f"{counted(len(cases), 'question')} in {suite}, accepted at {accepted.started:%Y-%m-%d %H:%M %Z}{despite}{refused}"


def changed(former: Subject, present: Subject) -> list[str]:
    """What answers depend on and is not the same in both, documents apart: "model a → b"."""
    one, other = _mattering(former), _mattering(present)
    return [
        f"{name} {_short(one.get(name) or 'none')} → {_short(other.get(name) or 'none')}"
        for name in {**one, **other}
        if one.get(name, "") != other.get(name, "")
    ]


def _short(value: str) -> str:
    return value if len(value) <= MOST_SHOWN else value[: MOST_SHOWN - 1] + "…"


def _mattering(subject: Subject) -> dict[str, str]:
    told = said_of(subject)
    return {
        key: value
        for key, value in told.items()
        if key not in _NO_MATTER | {"documents"} and not key.startswith(_NO_MATTER_BELOW)
    }
