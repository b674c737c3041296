"""The bodies requests may have. Unknown fields are refused, nothing is converted: a typo gets a sentence, no guess."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_ID = 200
"""Characters of an id that a client chooses."""

MAX_PASSAGES = 100


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
Thread = Annotated[
    str,
    Field(
        max_length=MAX_ID,
        description="Names a conversation, so that a follow-up is understood. Without a token, any name begins one, and the"
        " answer's `thread` is the name to go on with.",
    ),
    _ENCODABLE,
]


class AskRequest(BaseModel):
    """A question, with an id of the client's own choice and the conversation it belongs to."""

    model_config = ConfigDict(extra="forbid", strict=True)

    question: Text = Field(examples=["How many days of remote work are allowed?"])
    id: Id | None = None
    thread: Thread = ""


class SearchRequest(BaseModel):
    """What to search for, and how many passages are wanted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    question: Text = Field(examples=["remote work"])
    k: int = Field(10, ge=1, le=MAX_PASSAGES, description="Passages wanted, best first.")
    id: Id | None = None
