"""What is done to an index besides ingesting: proved, made whole, a generation switched to or dropped, a source removed.

The command line carries it out itself, or the server that holds the data folder does, in a job (`bot/jobs.py`). Knows no
front end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from bot.ingesting import ConfiguredSource
from bot.verifying import Verification, repair, verify
from ingest.reports import Progress
from ingest.wording import counted
from retrieval import authority
from retrieval.building import Builder
from retrieval.database import reading
from retrieval.index import Index

Kind = Literal["verify", "repair", "switch", "drop", "remove"]


@dataclass(frozen=True, slots=True)
class UpkeepRequest:
    """What is to be done."""

    kind: Kind
    sources: tuple[str, ...] = ()
    """To verify (none: all), or to remove."""
    generation: int = 0
    """To switch to, or to drop."""

    @property
    def dry_run(self) -> bool:
        """Whether it changes nothing."""
        return self.kind == "verify"


@dataclass(frozen=True, slots=True)
class UpkeepResult:
    """What was done, in sentences, and what is to be heeded; or why it failed, with the exit status that says so."""

    said: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    found: Verification | None = None
    """Of a verification."""
    fault: str = ""
    exit_code: int = 0

    def as_json(self) -> bytes:
        """Names of files need not be text: what no answer can hold becomes a question mark."""
        return json.dumps(asdict(self), ensure_ascii=False).encode("utf-8", "replace")


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
        shared: bool,
    ) -> None:
        self._folder = folder
        self._index = index
        self._sources = sources
        self._remove = remove
        self._shared = shared

    def run(self, request: UpkeepRequest, on_progress: Callable[[Progress], None]) -> UpkeepResult:
        """Do what is asked for. Raises NotFound, SourceError or SettingsError for a name that is none; what the index raises."""
        number = request.generation
        match request.kind:
            case "verify":
                index = self._index if self._shared else None
                return UpkeepResult(
                    found=verify(self._folder, self._sources, request.sources, index=index, on_progress=on_progress)
                )
            case "repair":
                return UpkeepResult(tuple(repair(self._index, self._folder, shared=self._shared)))
            case "switch":
                return self._switch(number, on_progress)
            case "drop":
                Builder(self._index).drop(number)
                return UpkeepResult((f"Generation {number} is gone.",))
            case "remove":
                with reading(self._index.engine) as connection:
                    known = {source.name for source in authority.sources(connection)}
                # a name that is none first: nothing is removed then
                order = sorted(request.sources, key=lambda name: name in known)
                counts = {name: self._remove(name) for name in order}
                return UpkeepResult(
                    tuple(f"Removed {name}: {counted(counts[name], 'document')}." for name in request.sources)
                )

    def _switch(self, number: int, on_progress: Callable[[Progress], None]) -> UpkeepResult:
        made = Builder(self._index).switch(
            number, lambda done, total: on_progress(Progress(f"generation {number}", done, total, ""))
        )
        differs = (made.fingerprint, made.recipe) != (self._index.embedder.fingerprint, self._index.recipe)
        warning = (
            "The settings want another embedder or size of passages: set them back, or go there again with"
            " `kura index switch`."
        )
        return UpkeepResult(
            (f"Generation {made.id} answers now (embedder {made.fingerprint}).",), (warning,) if differs else ()
        )
