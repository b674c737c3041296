"""The port of a reranker, and one over any chat engine. Knows no index, no model file and what to do without a reranker."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from typing import Protocol

from models import templates
from models.engine import ChatEngine
from models.errors import EngineFailed, ModelConfigError
from models.templates import Message, Segment

INSTRUCTION = "Write a question that this text answers."
PASSAGE_TOKENS = 384
"""A longer passage is judged by its beginning; every token costs a chat model's time."""


class Reranker(Protocol):
    """Judges how well each of some passages answers a question."""

    @property
    def fingerprint(self) -> str:
        """Equal in two runs exactly if the same question and passage get the same score."""

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """One score for each passage, in their order: 0 (not at all) to 1; to be compared under one fingerprint only.

        Raises ModelError if it cannot judge them all. Safe to call from any thread.
        """


class LikelihoodReranker:
    """Ranks passages by how probable a chat model finds the question after the passage (query likelihood).

    A score is the geometric mean probability of the question's tokens. One prompt is one passage, so this takes one
    `ChatEngine.score` a passage; `deadline_s` is for all of them together. `name` must change whenever the engine's
    answers would. The engine belongs to the caller.
    """

    def __init__(self, engine: ChatEngine, *, template: str, name: str, deadline_s: float = 30.0) -> None:
        if not name:
            raise ModelConfigError("A reranker needs a name that tells its scores from others; set one.")
        self._engine = engine
        self._template = template
        self._name = name
        self._deadline_s = deadline_s

    @property
    def fingerprint(self) -> str:
        settings = f"{self._name}\0{self._template}\0{INSTRUCTION}\0{PASSAGE_TOKENS}"
        return f"likelihood-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """As the port says; raises PromptTooLong for a question that leaves no room, EngineFailed at the deadline."""
        end = time.monotonic() + self._deadline_s
        return [self._likelihood(query, passage, end - time.monotonic()) for passage in passages]

    def _likelihood(self, query: str, passage: str, left_s: float) -> float:
        if left_s <= 0:
            raise EngineFailed(
                f"The reranker {self._name} took longer than {self._deadline_s:g} s; rerank fewer passages."
            )
        message = Message("user", f"{self._cut(passage)}\n\n{INSTRUCTION}")
        prompt = templates.render(self._template, [message])
        (score,) = self._engine.score(prompt, [query], deadline_s=left_s)
        if math.isnan(score.logprob):
            raise EngineFailed(f"The reranker {self._name} gave a score that is no number; choose another model.")
        return min(math.exp(score.mean), 1.0)

    def _cut(self, passage: str) -> str:
        """The beginning of the passage, of at most about `PASSAGE_TOKENS` tokens."""
        while (count := self._engine.count_tokens([Segment(passage)])) > PASSAGE_TOKENS:
            passage = passage[: len(passage) * PASSAGE_TOKENS // count]
        return passage
