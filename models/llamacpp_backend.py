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
from models.errors import ModelConfigError
from models.llamacpp_context import LlamaContext, LlamaModel

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
            self.context = LlamaContext(self._model, sequences=slots, context_length=length)
            opened.callback(self.context.close)
            self._opened = opened.pop_all()
        self._scoring: LlamaContext | None = None

    def scoring_context(self) -> LlamaContext:
        """See `models.runs.Backend.scoring_context`."""
        if self._scoring is None:
            self._scoring = LlamaContext(
                self._model, sequences=SCORED_AT_ONCE + 1, context_length=self.context.context_length, shared=True
            )
            self._opened.callback(self._scoring.close)
        return self._scoring

    def grammar(self, sampling: Sampling) -> str:
        """See `models.runs.Backend.grammar`."""
        if sampling.grammar and sampling.json_schema:
            raise ModelConfigError("An answer takes a grammar or a JSON schema, not both; leave one out.")
        return sampling.grammar or (_grammar_of(sampling.json_schema) if sampling.json_schema else "")

    def close(self) -> None:
        self._opened.close()


@functools.lru_cache(maxsize=64)
def _grammar_of(schema: str) -> str:
    try:
        if not isinstance(json.loads(schema), dict):
            raise ModelConfigError("A JSON schema is a JSON object; correct it.")
        return str(json_schema_to_gbnf(schema))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, AssertionError, OSError) as error:
        raise ModelConfigError(f"The JSON schema cannot be made a grammar of ({error}); simplify it.") from error
