"""Questions, answers and the events between them: what every front end sends and shows. Knows no front end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from retrieval.access import Principal
from retrieval.filters import NO_FILTERS, Filters

Origin = Literal["cli", "http", "discord"]
"""The front end that a question came through."""

Style = Literal["quote", "generate", "refusal", "courtesy"]
"""How an answer came about; "courtesy" is a word of Kura's own to what asks nothing, such as thanks: nothing was searched."""


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asks. `thread` names a conversation (empty: none); `origin` says which front end it came through."""

    id: str
    text: str
    principal: Principal
    thread: str = ""
    origin: Origin = "cli"
    filters: Filters = NO_FILTERS
    """Which documents are searched; those that stand in the text are added to these."""
    shared: bool = False
    """Its answer is shown to others than the asker, who may read all that it is made from and may say what they think of it."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Another document that says the same in the same words."""

    document_id: str
    title: str
    address: str
    source_kind: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A span of a document. `quote` is the document's text from `start` to `end` (characters), to the character."""

    n: int
    document_id: str
    chunk_id: str
    title: str
    heading: tuple[str, ...]
    address: str
    line: int
    page: int | None
    quote: str
    start: int
    end: int
    changed: bool = False
    """The file has changed since it was read, or cannot be looked at now."""
    dated: date | None = None
    """The day its document is of, if that is known."""
    source_kind: str = ""
    """Of the source it came from: "folder", "upload", ..."""
    also: tuple[Copy, ...] = ()
    """Where the quote stands too."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """A document that came near without answering."""

    document_id: str
    title: str
    address: str
    source_kind: str = ""
    owner: str = ""
    """Whom to ask about it: what the settings say of its source."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens the model read and wrote; both 0 when no model was run (quote style)."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds since the question was taken up."""

    search_ms: float
    first_token_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The final answer. `text` carries `[n]` marks that name `citations`; a refusal has none, and names `nearest` instead."""

    id: str
    question: str
    text: str
    style: Style
    citations: tuple[Citation, ...]
    nearest: tuple[Nearest, ...]
    model: str
    usage: Usage
    timings: Timings
    trace_id: str
    thread: str = ""
    prompt: str = ""
    """The version of the prompt, if the model was asked to write (`bot/prompt_files.py`)."""

    @property
    def refused(self) -> bool:
        return self.style == "refusal"


@dataclass(frozen=True, slots=True)
class Searching:
    """The question was taken up; `query` is what is searched for (a follow-up made to stand alone). Again, where another way to
    take the question gave the evidence."""

    query: str
    filters: Filters = NO_FILTERS
    """Only among the documents that fit these."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The passages the answer will be drawn from, best first.

    `searched_for` is the query with its misspelt words as they were taken; empty where none was.
    """

    documents: tuple[Nearest, ...]
    searched_for: str = ""


@dataclass(frozen=True, slots=True)
class Queued:
    """The model is busy with others: the place in its queue (1 is the next) and an estimate of the wait."""

    position: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer's text, in order; all pieces joined are the text of `Done.answer`."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The answer, whole and final."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Refused:
    """The documents do not hold the answer; `answer` has the style "refusal" and says so."""

    answer: Answer


Event = Searching | Sources | Queued | Delta | Done | Refused
