"""The OpenAI-compatible protocol: what a request says, what an answer means. Sends nothing.

llama-server, vLLM and Ollama speak it, each with fields of its own. No message here quotes what a server says: it may
repeat the prompt.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from models.chat import Call
from models.engine import Finished, FinishReason, TokenLogprob, TokenUsage
from models.errors import EngineBusy, EngineFailed, ModelConfigError, ModelError, PromptTooLong, WrongServer
from models.templates import Message, harmless

NAMES = {"penalty_window": "repeat_last_n"}
"""Where our word for an argument is not the servers'; `repeat_penalty` and `min_p` are llama-server's own."""
RETRY_AFTER_S = 2.0
"""For a busy server that does not say."""
LONGEST_RETRY_AFTER_S = 300.0
"""A busy server is asked again after so many seconds at the latest, whatever it says."""

_TOO_LONG = re.compile(
    r"context.?(length|size|window)|maximum (model|context) length|exceed_context|too large to process", re.IGNORECASE
)
_DONE = "[DONE]"


def chat_body(model: str, messages: Sequence[Message], call: Call) -> dict[str, Any]:
    """A request for a streamed answer. Only arguments that somebody set are in it: servers differ in what they take.

    No text in it but the system message holds a mark that the server's template could take for a role.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": one.role, "content": one.text if one.role == "system" else harmless(one.text)} for one in messages
        ],
        "max_tokens": call.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    sampling = {NAMES.get(name, name): value for name, value in call.sampling.items()}
    if alternatives := int(sampling.pop("logprobs", 0)):
        sampling |= {"logprobs": True, "top_logprobs": alternatives}
    if call.stop:
        body["stop"] = list(call.stop)
    if call.response_format:
        body["response_format"] = dict(call.response_format)
    return body | sampling


class _Delta(BaseModel):
    content: str | None = None
    reasoning_content: str | None = None


class _TopLogprob(BaseModel):
    token: str = ""
    bytes_: list[int] | None = Field(None, alias="bytes")
    logprob: float = 0.0

    def raw(self) -> bytes:
        """The token's bytes, from its text where the server does not give them."""
        numbers = self.bytes_
        if numbers is not None and all(0 <= number < 256 for number in numbers):
            return bytes(numbers)
        return self.token.encode("utf-8", "replace")


class _Logprob(_TopLogprob):
    top_logprobs: list[_TopLogprob] = []


class _Logprobs(BaseModel):
    content: list[_Logprob] | None = None


class _Choice(BaseModel):
    delta: _Delta = _Delta()
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Cached(BaseModel):
    cached_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Cached | None = None

    def counted(self) -> TokenUsage:
        cached = self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens
        return TokenUsage(self.prompt_tokens or 0, cached or 0, self.completion_tokens or 0)


class _Event(BaseModel):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


class _Vector(BaseModel):
    index: int
    embedding: list[float]


class _Vectors(BaseModel):
    data: list[_Vector]


class AnswerReader:
    """Reads the events of one streamed answer; `put` gets the pieces of text."""

    def __init__(self, model: str, put: Callable[[str], object]) -> None:
        self._model = model
        self._put = put
        self._reason: FinishReason | None = None
        self._usage = TokenUsage()
        self._logprobs: list[TokenLogprob] = []
        self.begun = False
        """Whether a token has come: from then on nothing may be asked again."""
        self.complete = False
        """Whether the answer came to an end that the server told of."""

    def take(self, data: str, url: str) -> bool:
        """Read one event's data; True for the last one.

        Raises EngineFailed for what cannot be read, and whatever the server says went wrong.
        """
        if data == _DONE:
            self.complete = True
            return True
        try:
            event = _Event.model_validate_json(data)
        except ValidationError as error:
            raise EngineFailed(
                f"The model server {url} sent what is no part of an answer; check that base_urls names such a server."
            ) from error
        if event.error is not None:
            refused = refusal(url, self._model, _code(event.error), {"error": event.error})
            raise EngineFailed(str(refused)) if self.begun else refused
        if event.usage is not None:
            self._usage = event.usage.counted()
        for choice in event.choices or ():
            self._choice(choice)
        return False

    def finished(self, reason: FinishReason | None = None) -> Finished:
        """How it ended; `reason` if it was not the server that ended it."""
        return Finished(reason or self._reason or "stop", self._usage, tuple(self._logprobs))

    def _choice(self, choice: _Choice) -> None:
        if choice.logprobs is not None:
            self._logprobs += [
                TokenLogprob(each.raw(), each.logprob, tuple((top.raw(), top.logprob) for top in each.top_logprobs))
                for each in choice.logprobs.content or ()
            ]
        if choice.delta.content or choice.delta.reasoning_content:
            self.begun = True
        if choice.delta.content:
            self._put(choice.delta.content)
        if choice.finish_reason is not None:
            self._reason = "length" if choice.finish_reason == "length" else "stop"
            self.complete = True


def vectors(body: bytes, expected: int, url: str) -> list[list[float]]:
    """The vectors of an embedding answer in the order of the texts; raises EngineFailed unless there are `expected`."""
    try:
        given = {each.index: each.embedding for each in _Vectors.model_validate_json(body).data}
        return [given[index] for index in range(expected)]
    except (ValidationError, KeyError) as error:
        raise EngineFailed(
            f"The model server {url} did not send a vector for each text; check that it serves an embedding model."
        ) from error


def refusal(url: str, model: str, status: int, body: object, retry_after: str | None = None) -> ModelError:
    """The error that a server's refusal means; `body` is its parsed JSON, `retry_after` the header of that name."""
    told = body.get("error", body) if isinstance(body, dict) else body
    words = [str(told.get(key, "")) for key in ("type", "code", "message", "detail")] if isinstance(told, dict) else []
    kind = next((word for word in words[:2] if re.fullmatch(r"[A-Za-z_]{1,40}", word)), "")
    said = f"{status} {kind}".strip()
    said_all = " ".join([*words, told if isinstance(told, str) else ""])
    if status == 413 or (status >= 400 and _TOO_LONG.search(said_all)):
        return PromptTooLong(
            f"The text does not fit the context of {model}; send something shorter, or give its server a longer context."
        )
    match status:
        case 429 | 503:
            seconds = _seconds(retry_after)
            return EngineBusy(f"The model server {url} is busy ({said}): try again in {seconds:.0f} seconds.", seconds)
        case 401 | 403:
            return WrongServer(f"The model server {url} does not accept the key ({said}); check api_key_file.")
        case 404:
            return WrongServer(f"The model server {url} has no model {model} ({said}); check model and base_urls.")
        case _ if 400 <= status < 500 and status != 408:
            return ModelConfigError(f"The model server {url} does not take this request ({said}); check its arguments.")
    return EngineFailed(f"The model server {url} did not answer ({said}); see its log, and try again.")


def _code(error: object) -> int:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _seconds(retry_after: str | None) -> float:
    """Seconds from a Retry-After header, which is a number or a date."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after or "") - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            seconds = RETRY_AFTER_S
    return min(max(seconds, 1.0), LONGEST_RETRY_AFTER_S) if math.isfinite(seconds) else RETRY_AFTER_S
