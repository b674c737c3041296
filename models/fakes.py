"""Stand-ins for models, for tests and for trying things out: no file, no thread, no randomness. Knows no real model."""

from __future__ import annotations

import re
import threading
import unicodedata
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import PrivateAttr

from models.embedders import unit
from models.engine import Cancel, Channel, EngineState, Finished, Generation, Request, Score, TokenUsage
from models.errors import ModelError
from models.structured import structured
from models.templates import Segment

WAIT_S = 30.0
"""A blocked fake gives up after this many seconds, so that a wrong test fails instead of hanging."""


class ScriptedEngine:
    """A `ChatEngine` that answers each request with the same pieces at once, and remembers what it was asked.

    With `ending` None an answer never ends by itself: a test goes on by hand in `channels`. With `fault` set, asking
    raises it. A token is a character; a continuation is the less probable the longer it is.
    """

    context_length = 100

    def __init__(
        self,
        pieces: Sequence[str] = ("hel", "lo"),
        *,
        ending: Finished | ModelError | None = Finished("length", TokenUsage(7, 3, 2)),  # noqa: B008 (it is frozen)
        fault: ModelError | None = None,
    ) -> None:
        self.pieces = pieces
        self.ending = ending
        self.fault = fault
        self.asked: list[Request] = []
        self.cancels: list[Cancel] = []
        self.channels: list[Channel] = []

    def load(self) -> None:
        """There is nothing to load."""

    def count_tokens(self, segments: Sequence[Segment]) -> int:
        return sum(len(segment.text) for segment in segments)

    def generate(self, request: Request, *, cancel: Cancel | None = None) -> Generation:
        if self.fault is not None:
            raise self.fault
        generation = Generation(cancel := cancel or Cancel())
        for piece in self.pieces:
            generation.channel.put(piece)
        if self.ending is not None:
            generation.channel.put(self.ending)
        self.asked.append(request)
        self.cancels.append(cancel)
        self.channels.append(generation.channel)
        return generation

    def score(
        self,
        segments: Sequence[Segment],
        continuations: Sequence[str],
        *,
        deadline_s: float,
        cancel: Cancel | None = None,
    ) -> list[Score]:
        if self.fault is not None:
            raise self.fault
        self.cancels.append(cancel or Cancel())
        return [Score(-float(len(text)), len(text)) for text in continuations]

    def state(self) -> EngineState:
        return EngineState(slots=1, requests=len(self.asked))

    def close(self) -> None:
        """There is nothing to give back."""


class ScriptedChat(BaseChatModel):
    """A chat model that gives the answers it was handed, in order, and remembers what it was asked.

    An answer that is an exception is raised. With `release` set to an event, every answer waits after its first piece
    until the event is set. Usage counts words. Asked more often than it has answers, it raises AssertionError.
    """

    answers: Sequence[str | Exception] = ()
    release: Any = None
    """A `threading.Event`, or None."""
    _left: deque[str | Exception] = PrivateAttr(default_factory=deque)
    _prompts: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _started: threading.Event = PrivateAttr(default_factory=threading.Event)

    def model_post_init(self, context: Any, /) -> None:
        self._left.extend(self.answers)

    @property
    def prompts(self) -> list[list[BaseMessage]]:
        """The messages of every call, oldest first."""
        return self._prompts

    @property
    def started(self) -> threading.Event:
        """Set as soon as a first piece has been given out."""
        return self._started

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """The answers, parsed as JSON: a fake is bound by nothing."""
        return structured(self, schema, include_raw=include_raw, method="json_schema", strict=None)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = "".join(self._pieces(messages))
        message = AIMessage(content=text, **_details(messages, text))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        text = ""
        for piece in self._pieces(messages):
            text += piece
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager is not None:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        last = AIMessageChunk(content="", chunk_position="last", **_details(messages, text))
        yield ChatGenerationChunk(message=last)

    def _pieces(self, messages: list[BaseMessage]) -> Iterator[str]:
        self._prompts.append(list(messages))
        if not self._left:
            raise AssertionError(f"ScriptedChat was asked {len(self._prompts)} times and has no answer left")
        answer = self._left.popleft()
        if isinstance(answer, Exception):
            raise answer
        for piece in re.findall(r"\S+\s*|\s+", answer):
            yield piece
            self._started.set()
            if self.release is not None and not self.release.wait(WAIT_S):
                raise AssertionError("ScriptedChat was never released")


def _details(messages: list[BaseMessage], text: str) -> dict[str, Any]:
    read, written = sum(len(message.text.split()) for message in messages), len(text.split())
    return {
        "usage_metadata": {"input_tokens": read, "output_tokens": written, "total_tokens": read + written},
        "response_metadata": {"finish_reason": "stop", "model_name": "scripted"},
    }


class HashingEmbeddings(Embeddings):
    """An `Embedder` without a model: texts that share words or pairs of characters get vectors near each other."""

    languages = frozenset({"en", "ja"})
    instant = False

    def __init__(self, dimensions: int = 64) -> None:
        self.dimensions = dimensions

    @property
    def fingerprint(self) -> str:
        return f"hashing-{self.dimensions}"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        vector = [0.0] * self.dimensions
        for feature in _features(text):
            code = zlib.crc32(feature.encode("utf-8", "replace"))
            vector[code % self.dimensions] += 1.0 if code & 0x80000000 else -1.0
        return unit(vector)


def _features(text: str) -> Iterator[str]:
    for word in re.findall(r"\w+", unicodedata.normalize("NFKC", text).lower()):
        yield word
        yield from (word[at : at + 2] for at in range(len(word) - 1))
