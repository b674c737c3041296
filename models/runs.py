"""What a scheduler and a native context say to each other: runs of tokens in, samplers out. Knows no llama.cpp.

`models/llamacpp_context.py` is the real context; tests script their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from models.engine import Sampling


class Aborted(Exception):
    """A native step was broken off on purpose: whatever it had to do must be done again."""


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens to put into one sequence from `position` on; the last `outputs` of them are wanted back as scores."""

    sequence: int
    position: int
    tokens: Sequence[int]
    outputs: int = 0


class Drawn(NamedTuple):
    """A chosen token; its log-probability and the best alternatives (nan and nothing, unless asked for)."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


class Sampler(Protocol):
    """Chooses the tokens of one answer, one after the other."""

    def draw(self, place: int) -> Drawn:
        """The next token, from the scores at this place of the last step."""

    def close(self) -> None: ...


class ContextVocabulary(Protocol):
    """The tokens of the model; `tokenize` is safe from any thread."""

    @property
    def special_tokens(self) -> Mapping[int, str]: ...
    @property
    def bos(self) -> int | None: ...
    def tokenize(self, text: str, *, special: bool) -> list[int]: ...
    def is_end(self, token: int) -> bool: ...
    def piece(self, token: int) -> bytes: ...


class Context(Protocol):
    """What the engine's thread drives; the meaning of each call stands at `LlamaContext`."""

    @property
    def sequences(self) -> int: ...
    @property
    def context_length(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def cuttable(self) -> bool: ...
    @property
    def vocabulary(self) -> ContextVocabulary: ...
    def decode(self, runs: Sequence[Run]) -> list[int]: ...
    def abort(self) -> None: ...
    def keep(self, sequence: int, count: int) -> int: ...
    def fork(self, source: int, target: int) -> None: ...
    def saved_size(self, sequence: int) -> int: ...
    def save(self, sequence: int) -> bytes: ...
    def restore(self, sequence: int, saved: bytes) -> bool: ...
    def use_adapter(self, name: str) -> None: ...
    def logits(self, place: int) -> np.ndarray: ...
    def sampler(self, sampling: Sampling, grammar: str) -> Sampler: ...
    def close(self) -> None: ...


class Backend(Protocol):
    """A model that is open: made, driven and closed in the engine's thread, `grammar` apart."""

    @property
    def context(self) -> Context: ...
    def scoring_context(self) -> Context:
        """A context whose sequences share one memory; opened at first use."""

    def grammar(self, sampling: Sampling) -> str:
        """The GBNF that binds an answer, "" for none; raises ModelConfigError. From any thread."""

    def abort(self) -> None:
        """Break off whatever step is running. From any thread."""

    def close(self) -> None: ...


def log_sum(logits: np.ndarray) -> float:
    """The logarithm of the sum of the exponentials of raw scores: what makes log-probabilities of them."""
    top = float(logits.max())
    return top + math.log(float(np.exp(logits - top).sum(dtype=np.float64)))


def log_probability(logits: np.ndarray, token: int) -> float:
    """The natural log-probability of a token under the model's own distribution."""
    return float(logits[token]) - log_sum(logits)
