"""Reviewed chat templates, and the splice that keeps control tokens out of untrusted text. Knows no model file.

A prompt is a list of segments. Control tokens stand in trusted segments, which hold nothing but constants of this module;
what people and documents say stands in untrusted ones and is tokenised as plain text. The Jinja template inside a GGUF
never runs. BOS is not written here: the engine knows whether the model wants one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

from models.errors import ModelConfigError

Role = Literal["system", "user", "assistant"]

LONGEST_PIECE = 2_048
"""Characters of untrusted text tokenised at once. Some of llama.cpp's tokenizers go one call deeper for each character of
an unbroken run (GPT-4o's, Mistral's): 50,000 letters without a blank overflow the stack and end the process."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """How a family writes a conversation: what stands before and after the text of each role.

    `start` begins the prompt and `answer` is where the assistant begins to speak. With `trims`, texts lose the blanks
    around them. `strict`: at most one system message, first; then user and assistant in turn, the user last. Others write
    turns in any order, as their own templates do. Without a system role of its own (`system_in_user`), the system
    message stands in front of the first question, inside its turn. `plain_marks` finds role marks that are ordinary text.
    """

    system: tuple[str, str]
    user: tuple[str, str]
    assistant: tuple[str, str]
    answer: str
    start: str = ""
    trims: bool = False
    strict: bool = False
    system_in_user: bool = False
    plain_marks: re.Pattern[str] | None = None

    def around(self, role: Role) -> tuple[str, str]:
        return {"system": self.system, "user": self.user, "assistant": self.assistant}[role]

    def clean(self, text: str) -> str:
        if self.trims:
            text = text.strip()
        return self.plain_marks.sub(lambda mark: "＃" * len(mark[0]), text) if self.plain_marks else text


def _chatml(answer: str) -> _Family:
    end = "<|im_end|>\n"
    return _Family(
        system=("<|im_start|>system\n", end),
        user=("<|im_start|>user\n", end),
        assistant=("<|im_start|>assistant\n", end),
        answer=answer,
    )


# Each was compared with the family's own template, named here. A default system message (with today's date) that some
# write when there is none is left out: Kura always says what it wants, and a prompt that changes daily is computed anew.
_FAMILIES = {
    # HuggingFaceTB/SmolLM2-135M-Instruct, Qwen/Qwen2.5-7B-Instruct, Qwen/Qwen3-4B-Instruct-2507, LiquidAI/LFM2-8B-A1B
    "chatml": _chatml("<|im_start|>assistant\n"),
    # Qwen/Qwen3-0.6B and Qwen/Qwen3.5-4B with enable_thinking=false: the empty thought is part of the prompt
    "qwen3": _chatml("<|im_start|>assistant\n<think>\n\n</think>\n\n"),
    # meta-llama/Meta-Llama-3-8B-Instruct; 3.1 to 3.3 differ by two lines of dates in the system message
    "llama3": _Family(
        system=("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"),
        user=("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
        assistant=("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
        answer="<|start_header_id|>assistant<|end_header_id|>\n\n",
        trims=True,
    ),
    # google/gemma-2-2b-it and google/gemma-3-4b-it; the latter says where a system message goes
    "gemma": _Family(
        system=("<start_of_turn>user\n", "\n\n"),
        user=("<start_of_turn>user\n", "<end_of_turn>\n"),
        assistant=("<start_of_turn>model\n", "<end_of_turn>\n"),
        answer="<start_of_turn>model\n",
        trims=True,
        strict=True,
        system_in_user=True,
    ),
    # google/gemma-4-31B-it with enable_thinking=false
    "gemma4": _Family(
        system=("<|turn>system\n", "<turn|>\n"),
        user=("<|turn>user\n", "<turn|>\n"),
        assistant=("<|turn>model\n", "<turn|>\n"),
        answer="<|turn>model\n<|channel>thought\n<channel|>",
        trims=True,
    ),
    # mistralai/Mistral-Small-3.2-24B-Instruct-2506 and Ministral-3-14B (tokenizer v7-tekken and later). Not for Nemo and
    # the 7B, which have no [SYSTEM_PROMPT]
    "mistral": _Family(
        system=("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
        user=("[INST]", "[/INST]"),
        assistant=("", "</s>"),
        answer="",
        strict=True,
    ),
    # microsoft/phi-4
    "phi4": _Family(
        system=("<|im_start|>system<|im_sep|>", "<|im_end|>"),
        user=("<|im_start|>user<|im_sep|>", "<|im_end|>"),
        assistant=("<|im_start|>assistant<|im_sep|>", "<|im_end|>"),
        answer="<|im_start|>assistant<|im_sep|>",
    ),
    # microsoft/Phi-4-mini-instruct; it would drop a later system message
    "phi4-mini": _Family(
        system=("<|system|>", "<|end|>"),
        user=("<|user|>", "<|end|>"),
        assistant=("<|assistant|>", "<|end|>"),
        answer="<|assistant|>",
        strict=True,
    ),
    # ibm-granite/granite-3.3-2b-instruct, granite-4.0 and granite-4.1
    "granite": _Family(
        system=("<|start_of_role|>system<|end_of_role|>", "<|end_of_text|>\n"),
        user=("<|start_of_role|>user<|end_of_role|>", "<|end_of_text|>\n"),
        assistant=("<|start_of_role|>assistant<|end_of_role|>", "<|end_of_text|>\n"),
        answer="<|start_of_role|>assistant<|end_of_role|>",
    ),
    # openai/gpt-oss-20b (harmony) without the date, at low effort, with an empty analysis: the answer is the final channel
    "gpt-oss": _Family(
        start="<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
        "Knowledge cutoff: 2024-06\n\nReasoning: low\n\n"
        "# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>",
        system=("<|start|>developer<|message|># Instructions\n\n", "\n\n<|end|>"),
        user=("<|start|>user<|message|>", "<|end|>"),
        assistant=("<|start|>assistant<|channel|>final<|message|>", "<|end|>"),
        answer="<|start|>assistant<|channel|>analysis<|message|><|end|><|start|>assistant<|channel|>final<|message|>",
        strict=True,
    ),
    # llm-jp/llm-jp-3-13b-instruct and llm-jp-3.1. It knows one system message, a sentence that always stands first; ours
    # follows it. Its role marks are ordinary text: in what people write, their number signs become full-width
    "llm-jp": _Family(
        start="以下は、タスクを説明する指示です。要求を適切に満たす応答を書きなさい。",
        system=("\n\n", ""),
        user=("\n\n### 指示:\n", ""),
        assistant=("\n\n### 応答:\n", "</s>"),
        answer="\n\n### 応答:\n",
        strict=True,
        plain_marks=re.compile(r"(?<!#)#++(?=[ \t　]*+(?:指示|応答|入力))"),
    ),
}

NAMES = frozenset(_FAMILIES)

_FORGED = re.compile(
    r"<\|[^\s<>]{1,40}>|<[^\s<>|]{1,40}\|>"  # <|im_end|>, <|turn>, <channel|>
    r"|</?(?:s|bos|eos|unk|pad|mask|think|tool_\w+|(?:start|end|begin)_?of_\w+|unused\d+)>|<</?SYS>>"
    r"|\[/?[A-Z]{3,}(?:_[A-Z]+)*\]"  # [INST], [/SYSTEM_PROMPT]
    r"|(?<!#)#{2,}(?=[ \t　]*(?:指示|応答|入力))"
)
"""What is, or in a family that Kura does not know may be, a control token or a role's mark."""

_MARK = re.compile(r"<[^<>\s]+>|\[/?[A-Z_]+\]")
"""A control token in a constant of this module."""


def render(template: str, messages: Sequence[Message]) -> list[Segment]:
    """The prompt of a conversation, ending where the assistant begins to speak.

    An empty text is a turn without words. Raises ModelConfigError for an unknown template, for a conversation without
    messages, and for an order of roles that the family does not know (see `_Family`).
    """
    family = _family(template)
    if not messages:
        raise ModelConfigError("A prompt needs at least one message; hand in the question.")
    if family.strict:
        _check_order(template, [message.role for message in messages])
    segments = [*_turns(family, messages)]
    if family.answer:
        segments.append(Segment(family.answer, trusted=True))
    return segments


def prefix(template: str, system: str) -> tuple[Segment, ...]:
    """The segments that every prompt begins with whose first message is this system message, for keeping in memory.

    Segments are tokenised one by one, so the tokens of these begin the tokens of any such prompt. Raises ModelConfigError
    for an unknown template.
    """
    return tuple(_turns(_family(template), [Message("system", system)]))


def harmless(text: str) -> str:
    """Text for a server that renders and tokenises prompts itself: a blank parts each mark that a known family writes.

    There nobody keeps text from becoming control tokens, and what people and documents say must not end its own turn.
    """
    return _FORGED.sub(lambda mark: f"{mark[0][0]} {mark[0][1:]}" if mark[0][0] != "#" else "＃" * len(mark[0]), text)


def check(template: str, vocabulary: Vocabulary) -> None:
    """Make sure that each mark the template writes is one special token of the model.

    Otherwise roles would be written in ordinary tokens, which any text could also write. Raises ModelConfigError.
    """
    family = _family(template)
    constants = (family.start, *family.system, *family.user, *family.assistant, family.answer)
    for mark in sorted({mark for constant in constants for mark in _MARK.findall(constant)}):
        tokens = vocabulary.tokenize(mark, special=True)
        if len(tokens) != 1 or tokens[0] not in vocabulary.special_tokens:
            raise ModelConfigError(
                f"The model has no special token {mark}, which the chat template {template} writes; set the template "
                f"that the model was trained with, one of: {_known()}."
            )


def tokens_of(segments: Iterable[Segment], vocabulary: Vocabulary) -> list[int]:
    """The tokens of a prompt; from an untrusted segment none of `vocabulary.special_tokens` ever comes."""
    tokens: list[int] = []
    for segment in segments:
        if segment.trusted:
            tokens += vocabulary.tokenize(segment.text, special=True)
        else:
            tokens += _untrusted(segment.text, vocabulary)
    return tokens


def _known() -> str:
    return ", ".join(sorted(NAMES))


def _family(template: str) -> _Family:
    if template not in _FAMILIES:
        raise ModelConfigError(f"There is no chat template named {template!r}; choose one of: {_known()}.")
    return _FAMILIES[template]


def _check_order(template: str, roles: Sequence[Role]) -> None:
    turns = roles[1:] if roles[0] == "system" else roles
    if len(turns) % 2 and all(role == ("assistant" if place % 2 else "user") for place, role in enumerate(turns)):
        return
    raise ModelConfigError(
        f"The chat template {template} takes one system message or none, then user and assistant in turn, the user last; "
        f"put the messages into this order instead of: {', '.join(roles)}."
    )


def _turns(family: _Family, messages: Sequence[Message]) -> Iterator[Segment]:
    """What stands before, in and after each message; an empty constant is no segment."""
    if family.start:
        yield Segment(family.start, trusted=True)
    opened = False
    for message in messages:
        text = family.clean(message.text)
        before, after = family.around(message.role)
        if family.system_in_user and message.role == "system" and not text:
            continue
        if before and not opened:
            yield Segment(before, trusted=True)
        yield Segment(text)
        if after:
            yield Segment(after, trusted=True)
        opened = family.system_in_user and message.role == "system"


def _untrusted(text: str, vocabulary: Vocabulary) -> Iterator[int]:
    for piece in _pieces(text):
        tokens = vocabulary.tokenize(piece, special=False)
        if vocabulary.special_tokens.keys().isdisjoint(tokens):
            yield from tokens
            continue
        # A tokenizer may still find a mark in plain text: where the file lists it as an ordinary added token, or where
        # merges lead to it. Such a mark is cut after its first character: the same text, but no longer the one token.
        cuts = [0, *_marks(piece, vocabulary), len(piece)]
        for start, end in pairwise(cuts):
            yield from _halved(piece[start:end], vocabulary)


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces of at most LONGEST_PIECE characters, cut after a line or before a word where there is one."""
    start = 0
    while len(text) - start > LONGEST_PIECE:
        end = start + LONGEST_PIECE
        line, word = text.rfind("\n", start, end) + 1, text.rfind(" ", start + 1, end)
        cut = line or (word if word > 0 else end)
        yield text[start:cut]
        start = cut
    yield text[start:]


def _marks(text: str, vocabulary: Vocabulary) -> list[int]:
    """The places just after the first character of each mark in the text, also of those that overlap."""
    marks = {mark for mark in vocabulary.special_tokens.values() if len(mark) > 1}
    first, lengths = {mark[0] for mark in marks}, sorted({len(mark) for mark in marks})
    return [
        place + 1
        for place, character in enumerate(text)
        if character in first and any(text[place : place + length] in marks for length in lengths)
    ]


def _halved(text: str, vocabulary: Vocabulary) -> list[int]:
    """Tokens of a text, halved where the tokenizer still makes a special token of it, say after normalising letters."""
    tokens = vocabulary.tokenize(text, special=False)
    if vocabulary.special_tokens.keys().isdisjoint(tokens):
        return tokens
    if len(text) > 1:
        middle = len(text) // 2
        return _halved(text[:middle], vocabulary) + _halved(text[middle:], vocabulary)
    # One character that is itself a special token: better a sign lost than a role forged.
    return [token for token in tokens if token not in vocabulary.special_tokens]
