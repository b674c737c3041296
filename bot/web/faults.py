"""Whatever goes wrong becomes one JSON shape: a sentence, and the id under which the log has the rest.

Knows no route. `bot.errors.explain` decides what may be said; here it gets its HTTP form.
"""

from __future__ import annotations

import math
from traceback import format_exception
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from bot.errors import explain

RETRY_AFTER_S = 5
"""What a client is told to wait when nobody knows better: about one answer of a small model."""

_SHOWN_NAME = 60
"""Characters of a field's name that are repeated in a sentence; names come from the client."""

_SENTENCES = {
    400: "The body cannot be read: send a JSON object in UTF-8.",
    404: "There is nothing at this address: /docs lists what there is.",
    405: "This address does not take this method: /docs says which it takes.",
}


class NotThere(HTTPException):
    """404 with a sentence of our own, which the client sees; any other 404 only says that there is nothing."""

    def __init__(self, sentence: str) -> None:
        super().__init__(404, sentence)


class Fault(BaseModel):
    """What went wrong, in one sentence for people, and the id of the request in the log.

    `retry_after_s` is there when the server is busy: the seconds after which asking again makes sense.
    """

    sentence: str
    request_id: str
    retry_after_s: int | None = None


class FaultPayload(BaseModel):
    """The body of every answer that is not a success."""

    error: Fault


FAULTS: dict[int | str, dict[str, Any]] = {
    status: {"model": FaultPayload, "description": description}
    for status, description in (
        (401, "The credentials are missing or wrong."),
        (413, "The body is too large."),
        (415, "The body is not declared as JSON."),
        (422, "The request cannot be taken as it is; the sentence says why."),
        (503, "Busy or not ready; try again after the seconds in Retry-After."),
    )
}
"""For the `responses=` of a route that takes a body."""


def log_fault(event: str, error: BaseException, **fields: str) -> None:
    """Log `error` with its traceback as text: no renderer gets a chance to show locals, which hold questions."""
    structlog.get_logger(__name__).error(event, exception="".join(format_exception(error)), **fields)


def fault_payload(error: Exception, *, request_id: str) -> tuple[FaultPayload, int]:
    """What to say about `error`, and its HTTP status. An unforeseen one goes to the log with its traceback."""
    retry_after_s: float | None = None
    if isinstance(error, RequestValidationError):
        sentence, status = _validation_sentence(error), 422
    elif isinstance(error, NotThere):
        sentence, status = error.detail, error.status_code
    elif isinstance(error, HTTPException):
        sentence, status = _SENTENCES.get(error.status_code, error.detail), error.status_code
    else:
        explained = explain(error)
        sentence, status, retry_after_s = explained.public, explained.status, explained.retry_after_s
        if not explained.known:
            log_fault("unforeseen fault", error)
        elif explained.names_insides:
            structlog.get_logger(__name__).error("fault of the installation", reason=explained.sentence)
    # names may hold half a surrogate pair (smuggled in by JSON, or a file's undecodable name), which no answer can
    encodable = sentence.encode("utf-8", "replace").decode()
    if status == 503:
        retry_after_s = math.ceil(retry_after_s or RETRY_AFTER_S)
    return FaultPayload(error=Fault(sentence=encodable, request_id=request_id, retry_after_s=retry_after_s)), status


def fault_response(request: Request, error: Exception) -> JSONResponse:
    """The whole HTTP answer for `error`."""
    payload, status = fault_payload(error, request_id=request.state.request_id)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        headers["Retry-After"] = str(payload.error.retry_after_s)
    return JSONResponse(payload.model_dump(exclude_none=True), status, headers)


def _validation_sentence(error: RequestValidationError) -> str:
    """One sentence about the first thing that is wrong, naming the field."""
    first = error.errors()[0]
    kind, where = first["type"], first["loc"][1:]
    if kind == "json_invalid":
        return f"The body is not JSON: {first['ctx']['error']} at character {where[0]}."
    if not where:
        return "The body must be a JSON object in UTF-8, and must not be empty."
    name = ".".join(str(part) for part in where)
    name = f'"{name[:_SHOWN_NAME]}"'
    if kind == "missing":
        return f"The field {name} is missing."
    if kind == "extra_forbidden":
        return f"The field {name} is not known here: leave it out, or look for its right name in /docs."
    reason = first["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    return f"The field {name} cannot be used: {reason}."
