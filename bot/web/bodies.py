"""The bodies requests may have. Unknown fields are refused, nothing is converted: a typo gets a sentence, no guess."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bot.feedback import MAX_NOTE, Verdict
from retrieval.filters import Filters

MAX_ID = 200
"""Characters of an id that a client chooses."""

MAX_PASSAGES = 100
MAX_SOURCES = 1000
MAX_PATH = 4096
"""Linux's own limit, in bytes."""


def _encodable(text: str) -> str:
    """JSON can spell half a surrogate pair, which no database and no answer can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the character at {error.start} is half a surrogate pair") from error
    return text


_ENCODABLE = AfterValidator(_encodable)

Text = Annotated[str, _ENCODABLE]
Id = Annotated[str, Field(min_length=1, max_length=MAX_ID, description="Comes back with the result."), _ENCODABLE]
Note = Annotated[str, Field(max_length=MAX_NOTE), _ENCODABLE]
Source = Annotated[str, Field(min_length=1, max_length=MAX_ID), _ENCODABLE]
Word = Annotated[str, Field(max_length=MAX_ID), _ENCODABLE]
PathText = Annotated[str, Field(pattern=r"^/[^\x00]*$", max_length=MAX_PATH), _ENCODABLE]
Thread = Annotated[
    str,
    Field(
        max_length=MAX_ID,
        description="Names a conversation, so that a follow-up is understood. Without a token, any name begins one, and the"
        " answer's `thread` is the name to go on with.",
    ),
    _ENCODABLE,
]


class FilterBody(BaseModel):
    """Which documents to search, beside what the question itself says (`source:`, `lang:`, `after:`, `before:`)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sources: list[Source] = Field([], max_length=MAX_SOURCES, description="Names of sources, any of them.")
    languages: list[Word] = Field([], max_length=MAX_SOURCES, description="Codes of languages (en, ja), any of them.")
    after: Word | None = Field(None, description="The first day that counts: 2025-01-31, 2025-01 or 2025.")
    before: Word | None = Field(None, description="The first day that does not, in the same forms.")

    def filters(self) -> Filters:
        """What they say. Raises BadFilter for what no document can fit."""
        return Filters.read(self.sources, self.languages, self.after, self.before)


class AskRequest(BaseModel):
    """A question, with an id of the client's own choice and the conversation it belongs to."""

    model_config = ConfigDict(extra="forbid", strict=True)

    question: Text = Field(examples=["How many days of remote work are allowed?"])
    id: Id | None = None
    thread: Thread = ""
    shared: bool = Field(
        False,
        description="Whether the answer is shown to others: whoever may read all that it is made from may judge it then.",
    )
    filters: FilterBody = FilterBody()


class SearchRequest(BaseModel):
    """What to search for, and how many passages are wanted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    question: Text = Field(examples=["remote work"])
    k: int = Field(10, ge=1, le=MAX_PASSAGES, description="Passages wanted, best first.")
    id: Id | None = None
    filters: FilterBody = FilterBody()


class FeedbackBody(BaseModel):
    """A verdict on an answer, and what was wrong with it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    verdict: Verdict
    wrong: Note = Field("", description="What was wrong.")
    right: Note = Field("", description="What is right.")


class IngestBody(BaseModel):
    """Which sources to bring up to date, and whether it is known that much of them is gone."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sources: list[Source] = Field([], max_length=MAX_SOURCES, description="Names of configured sources; none: all.")
    paths: list[PathText] = Field([], max_length=MAX_SOURCES, description="Only from the command line of this machine.")
    readers: list[Source] = Field([], max_length=MAX_SOURCES, description="Groups that may read what lies at `paths`.")
    confirm_removal: bool = Field(False, description="Whether more of a source may go than goes unasked.")
    dry_run: bool = Field(False, description="Only find out what would be done.")
