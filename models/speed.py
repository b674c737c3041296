"""How fast a model reads and writes on this machine: measured once, kept in a file. Knows no prompt and no people."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.cards import ModelCard
from models.engine import ChatEngine, EngineOptions, Request
from models.errors import EngineFailed
from models.templates import Segment

PROMPTS = (96, 768)
"""Words of the prompts it is measured with; the longer one only where the shorter was read within `SHORT_S`."""
SHORT_S = 1.0
ANSWER = 32
"""Tokens written; enough to see a pace."""
DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second that a prompt is read with (prefill) and an answer written with (decode), one request alone."""

    prefill: float
    decode: float
    measured_at: str
    """UTC, ISO 8601."""

    def prompt_tokens_within(self, seconds: float) -> int:
        """Tokens of a prompt that are read in this time."""
        return int(self.prefill * seconds)


def measure(engine: ChatEngine) -> Speed:
    """Read prompts and write an answer; takes seconds. Raises what the engine raises."""
    prefill = decode = 0.0
    for words in PROMPTS:
        text = " ".join(str(number) for number in range(words))
        most = engine.context_length - ANSWER
        tokens = engine.count_tokens([Segment(text)])
        if prefill and tokens > most:
            break
        started = time.perf_counter()
        first = 0.0
        generation = engine.generate(Request((Segment(text),), "", ANSWER, DEADLINE_S))
        for _ in generation:
            first = first or time.perf_counter()
        ended = time.perf_counter()
        usage = generation.finished.usage
        if not first or usage.completion < 2:
            raise EngineFailed("The model wrote nothing to be measured; try another model.")
        prefill = usage.prompt / (first - started)
        decode = (usage.completion - 1) / max(ended - first, 1e-6)
        if first - started > SHORT_S:
            break
    return Speed(round(prefill, 1), round(decode, 1), datetime.now(UTC).isoformat(timespec="seconds"))


class SpeedBook:
    """Speeds in a JSON file, under what they depend on: the model file and how it is run. A damaged file counts as empty."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, card: ModelCard, options: EngineOptions) -> Speed | None:
        """What was measured for this model run like this."""
        try:
            entry = self._read()[_key(card, options)]
            return Speed(float(entry["prefill"]), float(entry["decode"]), str(entry["measured_at"]))
        except (KeyError, TypeError, ValueError):
            return None

    def put(self, card: ModelCard, options: EngineOptions, speed: Speed) -> None:
        """Keep a measurement; raises OSError if it cannot be written."""
        speeds = self._read() | {_key(card, options): asdict(speed)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(speeds, file, indent=1)
        Path(name).replace(self._path)

    def _read(self) -> dict[str, Any]:
        try:
            value = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}


def _key(card: ModelCard, options: EngineOptions) -> str:
    return f"{card.name} {card.sha256[:12]} threads={options.threads} gpu={options.n_gpu_layers}"
