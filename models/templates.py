"""Reviewed chat templates, and the splice that keeps control tokens out of untrusted text. Knows no model file.

A prompt is a list of segments. Control tokens stand in trusted segments, which only this module writes; what people and
documents say stands in untrusted ones and is tokenised as plain text. The Jinja template inside a GGUF never runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from models.errors import ModelConfigError

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `text` is never trusted, whoever wrote it."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a prompt. Only in a trusted one does text such as `<|im_end|>` mean a control token."""

    text: str
    trusted: bool = False


class Vocabulary(Protocol):
    """What the splice needs from a model."""

    @property
    def special_tokens(self) -> Mapping[int, str]:
        """Every token that means something to the model's format (control, end of answer, markers), with its text."""

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Tokens of `text`; with `special`, the text of a special token becomes that token."""


def _chatml(messages: Sequence[Message]) -> Iterable[Segment]:
    for message in messages:
        yield Segment(f"<|im_start|>{message.role}\n", trusted=True)
        yield Segment(message.text)
        yield Segment("<|im_end|>\n", trusted=True)
    yield Segment("<|im_start|>assistant\n", trusted=True)


_TEMPLATES: dict[str, Callable[[Sequence[Message]], Iterable[Segment]]] = {"chatml": _chatml}

NAMES = frozenset(_TEMPLATES)


def render(template: str, messages: Sequence[Message]) -> list[Segment]:
    """The prompt of a conversation, ending where the assistant begins to speak.

    Raises ModelConfigError for an unknown template and for a conversation without messages.
    """
    if template not in _TEMPLATES:
        known = ", ".join(sorted(_TEMPLATES))
        raise ModelConfigError(f"There is no chat template named {template!r}; choose one of: {known}.")
    if not messages:
        raise ModelConfigError("A prompt needs at least one message; hand in the question.")
    return list(_TEMPLATES[template](messages))


def tokens_of(segments: Iterable[Segment], vocabulary: Vocabulary) -> list[int]:
    """The tokens of a prompt; from an untrusted segment none of `vocabulary.special_tokens` ever comes."""
    tokens: list[int] = []
    for segment in segments:
        if segment.trusted:
            tokens += vocabulary.tokenize(segment.text, special=True)
        else:
            tokens += _untrusted(segment.text, vocabulary)
    return tokens


def _untrusted(text: str, vocabulary: Vocabulary) -> list[int]:
    special = vocabulary.special_tokens
    tokens = vocabulary.tokenize(text, special=False)
    if special.keys().isdisjoint(tokens):
        return tokens
    # Some files list role markers as ordinary added tokens, which a tokenizer matches in any text.
    # Such a marker is cut after its first character: the same text, but no longer the one token.
    markers = sorted((mark for mark in special.values() if len(mark) > 1), key=len, reverse=True)
    cuts = [match.start() + 1 for match in re.finditer("|".join(map(re.escape, markers)), text)] if markers else []
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    tokens = [token for part in parts for token in vocabulary.tokenize(part, special=False)]
    # What is left cannot be written otherwise: better a word lost than a role forged.
    return [token for token in tokens if token not in special]
