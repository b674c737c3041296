"""The messages between the chat engine and its child process: lines of JSON, data only. Knows no process and no engine.

The parent sends calls, one a line: `[id, name, fields]`. The child sends events, as many a line as are ready:
`[[id, kind, value], …]`. A call is answered by one `value` or `error`; a generation's `value` means that it is accepted,
and is followed by `waiting` and `text`, then by one `finished` or `error`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import TypeAdapter

from models.cards import ModelCard
from models.engine import (
    EngineOptions,
    EngineState,
    Finished,
    FinishReason,
    Request,
    Score,
    TokenLogprob,
    TokenUsage,
    Waiting,
)
from models.errors import EngineBusy, EngineFailed, ModelConfigError, ModelError, ModelFileError, PromptTooLong
from models.templates import Segment

MAX_FRAME_BYTES = 64 * 2**20
"""The longest line either side takes: 20 alternatives for each of 32,000 tokens fit, a runaway child's babble does not."""

_T = TypeVar("_T")
_Event = tuple[int, str, Any]
_ERRORS: tuple[type[ModelError], ...] = (ModelFileError, ModelConfigError, PromptTooLong, EngineBusy, EngineFailed)


class Malformed(Exception):
    """What came through the pipe is not what was agreed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Open:
    """Open this model; the value is its context length in tokens."""

    card: ModelCard
    options: EngineOptions
    pinned: tuple[Segment, ...]
    adapters: Mapping[str, Path]


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """Count a prompt's tokens."""

    segments: tuple[Segment, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Scoring:
    """Score continuations; the value is a list of (log-probability, tokens)."""

    segments: tuple[Segment, ...]
    continuations: tuple[str, ...]
    deadline_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class AskState:
    """Say what the engine is doing."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    """Cancel the generation or scoring that has this id; has no answer."""


Call = Open | Request | Count | Scoring | AskState | Stop
_CALLS: dict[str, type[Any]] = {call.__name__: call for call in get_args(Call)}


def encode_call(ident: int, call: Call) -> bytes:
    """One line. Raises PromptTooLong for more than a line may hold."""
    line = _line([ident, type(call).__name__, dataclasses.asdict(call)])
    if len(line) > MAX_FRAME_BYTES:
        raise PromptTooLong(f"The prompt is {len(line):,} bytes long, more than any model reads; hand in less text.")
    return line


def decode_call(line: bytes) -> tuple[int, Call]:
    """What `encode_call` made; for the child, which trusts its parent."""
    ident, name, fields = json.loads(line)
    return ident, _adapter(name).validate_python(fields)


@functools.cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_CALLS[name])


def encode_events(events: Sequence[_Event]) -> bytes:
    """One line, or one for each event if together they are too long; an event too long by itself becomes an error."""
    line = _line(events)
    if len(line) <= MAX_FRAME_BYTES:
        return line
    if len(events) > 1:
        return b"".join(encode_events([event]) for event in events)
    failed = EngineFailed("The answer with its log-probabilities is too long to hand over; ask for fewer of them.")
    return encode_events([(events[0][0], "error", failed)])


def decode_events(line: bytes) -> list[_Event]:
    """What `encode_events` made, but for the value of a `value`: only the asker knows its type. Raises Malformed."""
    return decoded(_events, line)


def decoded(decode: Callable[[Any], _T], raw: Any) -> _T:
    """`decode(raw)`. Raises Malformed whatever is wrong with it."""
    try:
        return decode(raw)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError) as error:
        raise Malformed(f"{type(error).__name__}: {str(error)[:200]}") from error


def _events(line: bytes) -> list[_Event]:
    return [(integer(ident), kind, _DECODE[kind](value)) for ident, kind, value in json.loads(line)]


def nothing(value: Any) -> None:
    if value is not None:
        raise TypeError("something where nothing belongs")


def integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("not an integer")
    return value


def scores(value: Any) -> list[Score]:
    return [Score(float(logprob), integer(tokens)) for logprob, tokens in value]


def engine_state(value: Any) -> EngineState:
    return EngineState(*map(integer, value))


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("not a text")
    return value


def _waiting(value: Any) -> Waiting | None:
    if value is None:
        return None
    position, seconds = value
    return Waiting(integer(position), float(seconds))


def _finished(value: Any) -> Finished:
    reason, usage, logprobs = value
    if reason not in get_args(FinishReason):
        raise ValueError("no such reason")
    return Finished(
        reason,
        TokenUsage(*map(integer, usage)),
        tuple(
            TokenLogprob(
                _text(token).encode("latin-1"),
                float(logprob),
                tuple((_text(other).encode("latin-1"), float(its)) for other, its in top),
            )
            for token, logprob, top in logprobs
        ),
    )


def _error(value: Any) -> ModelError:
    kind, sentence, retry_after_s = value
    if kind == EngineBusy.__name__:
        return EngineBusy(_text(sentence), float(retry_after_s))
    return {known.__name__: known for known in _ERRORS}[kind](_text(sentence))


_DECODE: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "value": lambda value: value,
    "waiting": _waiting,
    "finished": _finished,
    "error": _error,
}


def _line(value: Any) -> bytes:
    # ASCII only: no line break inside, and a lone surrogate of somebody's text survives
    return json.dumps(value, separators=(",", ":"), default=_plain).encode("ascii") + b"\n"


def _plain(value: Any) -> Any:
    """A value as JSON can say it: a dataclass is the list of its fields, bytes are a text of one character each."""
    match value:
        case ModelError():
            kind = next((known for known in _ERRORS if isinstance(value, known)), EngineFailed)
            return kind.__name__, str(value), getattr(value, "retry_after_s", None)
        case bytes():
            return value.decode("latin-1")
        case frozenset():
            return sorted(value)
        case Path():
            return os.fspath(value)
    return [getattr(value, field.name) for field in dataclasses.fields(value)]
