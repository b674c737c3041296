"""Chooses tokens with llama.cpp's own samplers, cutting the vocabulary before the costly ones. Knows no context."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from models.engine import Sampling
from models.errors import EngineFailed, ModelConfigError
from models.llamacpp_model import LlamaVocabulary, native
from models.runs import Drawn, log_sum

GREEDY_CUT = 64
"""Candidates that penalties and grammar look at where `top_k` does not say; the best token is nearly always among them."""
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""llama_token_data."""


class LlamaSampler:
    """The tokens of one answer. Close it after use.

    Order: the best `top_k`, penalties, grammar, top-p, min-p, temperature, chance. A grammar is asked about the cut first and
    about the whole vocabulary only if nothing of the cut fits: masking the vocabulary for each token would double the time.
    """

    def __init__(
        self, logits: Callable[[int], np.ndarray], vocabulary: LlamaVocabulary, sampling: Sampling, grammar: str
    ) -> None:
        self._logits = logits
        self._sampling = sampling
        self._owned: list[Any] = []
        self._grammar: Any = None
        if grammar:
            self._grammar = native.llama_sampler_init_grammar(vocabulary.handle, grammar.encode(), b"root")
            if not self._grammar:
                raise ModelConfigError("The grammar is not valid GBNF with a rule named root; correct it.")
            self._owned.append(self._grammar)
        self._penalties = self._own(
            native.llama_sampler_init_penalties,
            vocabulary.size,
            sampling.penalty_window,
            sampling.repeat_penalty,
            sampling.frequency_penalty,
            sampling.presence_penalty,
            wanted=(sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty) != (1.0, 0.0, 0.0),
        )
        self._drawn = sampling.temperature > 0
        cut = (sampling.top_k or vocabulary.size) if self._drawn else GREEDY_CUT
        self._cut = self._own(native.llama_sampler_init_top_k, cut, wanted=cut < vocabulary.size)
        self._chance = [
            link
            for link in (
                self._own(native.llama_sampler_init_top_p, sampling.top_p, 1, wanted=sampling.top_p < 1),
                self._own(native.llama_sampler_init_min_p, sampling.min_p, 1, wanted=sampling.min_p > 0),
                self._own(native.llama_sampler_init_temp, sampling.temperature, wanted=self._drawn),
                self._own(native.llama_sampler_init_dist, sampling.seed & 0xFFFFFFFF, wanted=self._drawn),
            )
            if link
        ]
        self._plain = not (self._drawn or self._penalties or self._grammar)
        if not self._plain:
            self._pool = np.zeros(vocabulary.size, _CANDIDATE)
            self._array: Any = native.llama_token_data_array()

    def draw(self, place: int) -> Drawn:
        """The next token, from the scores at this place of the last step."""
        logits = self._logits(place)
        token = int(logits.argmax()) if self._plain else self._choose(logits)
        if not self._sampling.logprobs:
            return Drawn(token, math.nan, ())
        return _with_logprobs(logits, token, self._sampling.logprobs)

    def close(self) -> None:
        while self._owned:
            native.llama_sampler_free(self._owned.pop())

    def _own(self, make: Callable[..., Any], *arguments: Any, wanted: bool) -> Any:
        if not wanted:
            return None
        link = make(*arguments)
        self._owned.append(link)
        return link

    def _choose(self, logits: np.ndarray) -> int:
        candidates = self._candidates(logits, cut=True)
        if not np.isfinite(candidates["logit"]).any():
            candidates = self._candidates(logits, cut=False)
            if not np.isfinite(candidates["logit"]).any():
                raise EngineFailed("The grammar allows no token here; correct it, or ask without it.")
        if self._drawn:
            allowed = set(candidates["id"][np.isfinite(candidates["logit"])].tolist()) if self._grammar else None
            for link in self._chance:
                native.llama_sampler_apply(link, ctypes.byref(self._array))
            token = int(self._array.data[self._array.selected].id)
            if allowed is not None and token not in allowed:  # llama.cpp would end the process
                raise EngineFailed("The grammar allows no token here; correct it, or ask without it.")
        else:
            token = int(candidates["id"][candidates["logit"].argmax()])
        for link in (self._penalties, self._grammar):
            if link:
                native.llama_sampler_accept(link, token)
        return token

    def _candidates(self, logits: np.ndarray, *, cut: bool) -> np.ndarray:
        """The tokens that may follow; those that grammar forbids have minus infinity."""
        self._pool["id"] = np.arange(len(logits), dtype=np.int32)
        self._pool["logit"] = logits
        array = self._array
        array.data = ctypes.cast(self._pool.ctypes.data, native.llama_token_data_p)
        array.size, array.selected, array.sorted = len(logits), -1, False
        for link in (self._cut if cut else None, self._penalties, self._grammar):
            if link:
                native.llama_sampler_apply(link, ctypes.byref(array))
        address = ctypes.cast(array.data, ctypes.c_void_p).value or 0
        held = (ctypes.c_char * (array.size * _CANDIDATE.itemsize)).from_address(address)
        return np.frombuffer(held, _CANDIDATE)


def _with_logprobs(logits: np.ndarray, token: int, most: int) -> Drawn:
    """Log-probabilities under the model's own distribution, before any cut or temperature."""
    norm = log_sum(logits)
    best = np.argpartition(logits, -min(most, len(logits)))[-most:]
    best = best[np.argsort(-logits[best], kind="stable")]
    return Drawn(token, float(logits[token]) - norm, tuple((int(one), float(logits[one]) - norm) for one in best))
