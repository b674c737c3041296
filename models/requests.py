"""Refuses a request that no engine could answer, before it reaches one. Knows no engine and no model.

What comes here may have come through LangChain's `bind` from anywhere: a wrong number must be this request's fault alone, never
a fault of the thread or process that answers everybody.
"""

from __future__ import annotations

import math
from typing import Any, get_args

from models.engine import Priority, Request, Sampling
from models.errors import ModelConfigError

LONGEST_DEADLINE_S = 7 * 86_400.0
"""A request that may take longer than a week was meant to have no end."""
LOWEST_TEMPERATURE = 1e-3
"""Below it, dividing by it leaves float32's range; 0 itself is greedy."""
MOST_LOGPROBS = 100
LONGEST_GRAMMAR = 200_000
"""Characters."""
DEEPEST_GRAMMAR = 200
"""Brackets inside brackets; llama.cpp's parser goes one call deeper for each."""

_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 100.0),
    "top_k": (0, 2**31 - 1),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "repeat_penalty": (0.01, 100.0),
    "frequency_penalty": (-100.0, 100.0),
    "presence_penalty": (-100.0, 100.0),
    "penalty_window": (0, 1_048_576),
    "logprobs": (0, MOST_LOGPROBS),
}
_WHOLE = frozenset({"top_k", "penalty_window", "logprobs"})


def check(request: Request) -> None:
    """Raises ModelConfigError with one sentence that names the argument."""
    if not _is_whole(request.max_tokens) or request.max_tokens < 1:
        raise ModelConfigError(
            f"max_tokens must be a whole number from 1 on, and is {request.max_tokens!r}; correct it."
        )
    check_deadline(request.deadline_s)
    if request.priority not in get_args(Priority):
        raise ModelConfigError(f"priority is interactive or batch, and not {request.priority!r}; correct it.")
    for name in ("principal_key", "adapter"):
        if not isinstance(getattr(request, name), str):
            raise ModelConfigError(f"{name} must be a text; correct it.")
    if not all(isinstance(stop, str) for stop in request.stop):
        raise ModelConfigError("stop must be a list of texts; correct it.")
    _check_sampling(request.sampling)


def check_deadline(seconds: Any) -> None:
    """Raises ModelConfigError for a time that is none. A deadline that is over is one."""
    if not _is_number(seconds) or seconds > LONGEST_DEADLINE_S:
        raise ModelConfigError(
            f"deadline_s must be a number of seconds, a week at most, and is {seconds!r}; correct it."
        )


def _check_sampling(sampling: Sampling) -> None:
    for name, (least, most) in _RANGES.items():
        value = getattr(sampling, name)
        if not (_is_whole(value) if name in _WHOLE else _is_number(value)) or not least <= value <= most:
            raise ModelConfigError(f"{name} must be a number from {least:g} to {most:g}, and is {value!r}; correct it.")
    if 0 < sampling.temperature < LOWEST_TEMPERATURE:
        raise ModelConfigError(f"temperature is 0 or at least {LOWEST_TEMPERATURE:g}, and is {sampling.temperature!r}.")
    if not _is_whole(sampling.seed):
        raise ModelConfigError(f"seed must be a whole number, and is {sampling.seed!r}; correct it.")
    if sampling.grammar and sampling.json_schema:
        raise ModelConfigError("An answer takes a grammar or a JSON schema, not both; leave one out.")
    for name in ("grammar", "json_schema"):
        _check_text(name, getattr(sampling, name))


def _check_text(name: str, text: Any) -> None:
    if not isinstance(text, str) or len(text) > LONGEST_GRAMMAR or "\0" in text:
        raise ModelConfigError(f"{name} must be a text of at most {LONGEST_GRAMMAR:,} characters; correct it.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ModelConfigError(f"{name} is not valid Unicode; correct it.") from None
    depth = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if depth > DEEPEST_GRAMMAR:
            raise ModelConfigError(f"{name} has brackets more than {DEEPEST_GRAMMAR} deep; simplify it.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
