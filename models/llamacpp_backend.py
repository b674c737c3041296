"""A llama.cpp model that is open for the engine: weights, the answers' context, the scores' context. Knows no queue."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from llama_cpp.llama_grammar import json_schema_to_gbnf

from models import cores, gguf, templates
from models.capacity import slots_for
from models.cards import ModelCard
from models.engine import EngineOptions, Sampling
from models.errors import EngineFailed, ModelConfigError
from models.llamacpp_context import LlamaContext, LlamaModel

SCORE_BATCH = 128
"""Tokens of a step of scores: each may be an output as wide as the vocabulary."""
SCORED_AT_ONCE = 63
"""Continuations that share a step; one more sequence holds their prompt."""


class LlamaBackend:
    """Everything native of one model. The caller has verified the files' headers.

    Raises ModelFileError, ModelConfigError (an adapter or template that does not fit) and EngineFailed (no memory).
    """

    def __init__(self, card: ModelCard, options: EngineOptions, adapters: Mapping[str, Path]) -> None:
        length = options.context_length or card.context_length
        slots = options.slots or slots_for(gguf.check(card.path), length)
        with ExitStack() as opened:
            taken = cores.take(options.threads)
            opened.callback(taken.close)
            self._model = LlamaModel(card.path, replace(options, threads=taken.threads), adapters)
            opened.callback(self._model.close)
            templates.check(card.template, self._model.vocabulary)
            self.context = self._make_context(slots, length, fixed=bool(options.slots))
            opened.callback(self.context.close)
            self._opened = opened.pop_all()
        self._scoring: LlamaContext | None = None

    def _make_context(self, slots: int, length: int, *, fixed: bool) -> LlamaContext:
        """As many slots as asked for; where nobody asked, half of them, and half of those, until there is memory for it."""
        while True:
            try:
                return LlamaContext(self._model, sequences=slots, context_length=length)
            except EngineFailed:
                if fixed or slots == 1:
                    raise
                slots //= 2

    def scoring_context(self) -> LlamaContext:
        """See `models.runs.Backend.scoring_context`."""
        if self._scoring is None:
            self._scoring = LlamaContext(
                self._model,
                sequences=SCORED_AT_ONCE + 1,
                context_length=self.context.context_length,
                shared=True,
                batch=SCORE_BATCH,
            )
            self._opened.callback(self._scoring.close)
        return self._scoring

    def grammar(self, sampling: Sampling) -> str:
        """See `models.runs.Backend.grammar`."""
        return sampling.grammar or (_grammar_of(sampling.json_schema) if sampling.json_schema else "")

    def abort(self) -> None:
        """See `models.runs.Backend.abort`."""
        for context in (self.context, self._scoring):
            if context is not None:
                context.abort()

    def close(self) -> None:
        self._opened.close()


@functools.lru_cache(maxsize=64)
def _grammar_of(schema: str) -> str:
    try:
        value = json.loads(schema)
        if not isinstance(value, dict):
            raise ModelConfigError("A JSON schema is a JSON object; correct it.")
        _refuse_foreign(value)
        return str(json_schema_to_gbnf(schema))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, AssertionError, OSError) as error:
        raise ModelConfigError(f"The JSON schema cannot be made a grammar of ({error}); simplify it.") from error


def _refuse_foreign(value: object) -> None:
    """A schema may refer to its own parts only: nothing is fetched."""
    if isinstance(value, dict):
        reference = value.get("$ref", "#")
        if isinstance(reference, str) and not reference.startswith("#"):
            raise ModelConfigError(f"The JSON schema refers to {reference}; put that part into the schema itself.")
        for inner in value.values():
            _refuse_foreign(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_foreign(inner)
