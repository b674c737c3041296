"""A chat engine as a LangChain chat model, and what all chat models of Kura share. Knows no llama.cpp and no documents.

Every model of the family takes the same arguments with a call, streams the same way and reports the same metadata;
what differs is where a `Generation` comes from.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import (
    BaseChatModel,
    agenerate_from_stream,
    generate_from_stream,
)
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import SkipValidation

from models.engine import (
    Cancel,
    ChatEngine,
    Finished,
    Generation,
    Priority,
    Request,
    Sampling,
    Score,
    TokenLogprob,
    Waiting,
)
from models.errors import ModelConfigError
from models.structured import json_schema_of, structured
from models.templates import Message, Role, Segment, render

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

SAMPLING = frozenset(each.name for each in fields(Sampling)) - {"json_schema"}
"""Arguments of a call that say how tokens are chosen; they mean what they mean in `Sampling`."""
PRIVATE = frozenset({"principal_key", "conversation", "cancel", "on_waiting"})
"""Arguments of a call that no trace gets to see."""
PER_CALL = SAMPLING | PRIVATE | {"max_tokens", "deadline_s", "response_format", "priority", "adapter"}
"""Arguments that `invoke`, `stream` and `bind` take besides `stop`."""

WAITING_POLL_S = 0.5
"""How often the place in the queue is looked at for `on_waiting`."""

_ROLES: tuple[tuple[type[BaseMessage], Role], ...] = (
    (SystemMessage, "system"),
    (HumanMessage, "user"),
    (AIMessage, "assistant"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The arguments of one call, those of the model filled in. `sampling` has only what somebody set."""

    max_tokens: int
    deadline_s: float
    stop: tuple[str, ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)
    response_format: Mapping[str, Any] | None = None
    principal_key: str = ""
    conversation: str = ""
    priority: Priority = "interactive"
    adapter: str = ""
    cancel: Cancel | None = None
    on_waiting: Callable[[Waiting], object] | None = None


class KuraChatModel(BaseChatModel):
    """What the chat models of Kura have in common.

    With each call, or by `bind`: `stop`, `max_tokens`, `deadline_s` (seconds of wall-clock time), every field of
    `Sampling` (`temperature`, `top_k`, `grammar`, `logprobs`, ...), `response_format` in OpenAI's forms, `principal_key`,
    `conversation`, `priority`, `adapter`, `cancel` (a `Cancel`), and `on_waiting`, which is called with a `Waiting` when
    the place in the queue changes, as long as no piece of the answer has come. None stands for not given; another
    argument is refused with ModelConfigError.

    `usage_metadata` counts tokens (missing if nobody counted them), `response_metadata["finish_reason"]` is one of stop,
    length, deadline, cancelled, and `["logprobs"]` has OpenAI's form. Closing a stream, or cancelling its task, frees the
    engine. The content of a message is never trusted; only text is taken.
    """

    model_name: str
    max_tokens: int = 512
    deadline_s: float = 120.0
    temperature: float = 0.0
    seed: int | None = None
    stop: list[str] | None = None

    @abstractmethod
    def _begin(self, messages: list[Message], call: Call) -> Generation:
        """Ask for an answer and return its stream at once; called in a thread where waiting would do harm."""

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "temperature": self.temperature, "max_tokens": self.max_tokens}

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: str = "json_schema",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answers as `schema` says (a pydantic model, a TypedDict or a JSON schema); see `models.structured`."""
        if kwargs:
            raise ModelConfigError(f"Structured output does not take {', '.join(sorted(kwargs))}; leave it out.")
        return structured(self, schema, include_raw=include_raw, method=method, strict=strict)

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        shown = {name: value for name, value in kwargs.items() if name not in PRIVATE}
        return super()._get_invocation_params(stop=stop, **shown)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = self._call(stop, kwargs)
        with self._begin(_turns(messages), call) as generation:
            if call.on_waiting is not None:
                _tell_waiting(generation, call.on_waiting)
            for piece in generation:
                chunk = _piece(piece)
                if run_manager is not None:
                    run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
            yield self._last(generation.finished)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        call = self._call(stop, kwargs)
        # in a thread: tokenising a long prompt, and loading the model the first time
        with await asyncio.to_thread(self._begin, _turns(messages), call) as generation:
            if call.on_waiting is not None:
                await _atell_waiting(generation, call.on_waiting)
            async for piece in generation:
                chunk = _piece(piece)
                if run_manager is not None:
                    await run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
            yield self._last(generation.finished)

    def _call(self, stop: list[str] | str | None, given: dict[str, Any]) -> Call:
        unknown = given.keys() - PER_CALL
        if unknown:
            raise ModelConfigError(
                f"The model {self.model_name} does not take {', '.join(sorted(unknown))}; it takes stop, "
                f"{', '.join(sorted(PER_CALL))}."
            )
        own = {name: getattr(self, name) for name in ("max_tokens", "deadline_s", "temperature", "seed")}
        asked = _without_none(own) | _without_none(given)
        sampling = {name: asked.pop(name) for name in SAMPLING & asked.keys()}
        stop = self.stop if stop is None else stop
        call = Call(stop=(stop,) if isinstance(stop, str) else tuple(stop or ()), sampling=sampling, **asked)
        if call.max_tokens < 1 or not 0 < call.deadline_s < float("inf"):
            raise ModelConfigError(
                f"An answer needs at least one token and a time to end; max_tokens is {call.max_tokens}, "
                f"deadline_s is {call.deadline_s}: set them higher than 0."
            )
        if json_schema_of(call.response_format) and sampling.get("grammar"):
            raise ModelConfigError(
                "An answer cannot be bound by grammar and response_format at once; give one of them."
            )
        return call

    def _last(self, finished: Finished) -> ChatGenerationChunk:
        usage = finished.usage
        metadata: dict[str, Any] = {"finish_reason": finished.reason, "model_name": self.model_name}
        if finished.logprobs:
            metadata["logprobs"] = {"content": [_logprob(each) for each in finished.logprobs]}
        message = AIMessageChunk(content="", response_metadata=metadata, chunk_position="last")
        if usage.prompt:
            message.usage_metadata = {
                "input_tokens": usage.prompt,
                "output_tokens": usage.completion,
                "total_tokens": usage.prompt + usage.completion,
                "input_token_details": {"cache_read": usage.cached},
            }
        return ChatGenerationChunk(message=message, generation_info={"finish_reason": finished.reason})


class ChatKura(KuraChatModel):
    """Chat with a local model.

    Give `principal_key=` with each call: only then may the model's memory of the same person's earlier prompt be used
    again; `conversation` is found by the prompt itself and changes nothing here.
    """

    engine: Annotated[ChatEngine, SkipValidation]
    template: str = "chatml"

    @property
    def _llm_type(self) -> str:
        return "kura"

    def get_num_tokens(self, text: str) -> int:
        """Tokens of a plain text in this model's vocabulary."""
        return self.engine.count_tokens([Segment(text)])

    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        """Tokens of the whole prompt, with the template's own."""
        return self.engine.count_tokens(render(self.template, _turns(messages)))

    def score(
        self,
        messages: LanguageModelInput,
        continuations: Sequence[str],
        *,
        deadline_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> list[Score]:
        """How probable each continuation is as the answer to `messages`; raises as `ChatEngine.score` does."""
        prompt = render(self.template, _turns(self._convert_input(messages).to_messages()))
        seconds = self.deadline_s if deadline_s is None else deadline_s
        return self.engine.score(prompt, continuations, deadline_s=seconds, cancel=cancel)

    async def ascore(
        self, messages: LanguageModelInput, continuations: Sequence[str], *, deadline_s: float | None = None
    ) -> list[Score]:
        """As `score`, in a thread; cancelling the task cancels the scoring."""
        cancel = Cancel()
        try:
            return await asyncio.to_thread(self.score, messages, continuations, deadline_s=deadline_s, cancel=cancel)
        except asyncio.CancelledError:
            cancel.set()
            raise

    def _begin(self, messages: list[Message], call: Call) -> Generation:
        request = Request(
            segments=tuple(render(self.template, messages)),
            principal_key=call.principal_key,
            max_tokens=call.max_tokens,
            deadline_s=call.deadline_s,
            sampling=Sampling(**call.sampling, json_schema=json_schema_of(call.response_format)),
            stop=call.stop,
            priority=call.priority,
            adapter=call.adapter,
        )
        return self.engine.generate(request, cancel=call.cancel)


def _tell_waiting(generation: Generation, tell: Callable[[Waiting], object]) -> None:
    """Report places in the queue until something has come."""
    arrived = threading.Event()
    generation.channel.wake = arrived.set
    told: int | None = None
    while generation.channel.items.empty():
        told = _tell(generation.waiting, told, tell)
        arrived.wait(WAITING_POLL_S)


async def _atell_waiting(generation: Generation, tell: Callable[[Waiting], object]) -> None:
    """As `_tell_waiting`, without a thread that waits."""
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()
    generation.channel.wake = lambda: loop.call_soon_threadsafe(arrived.set)
    told: int | None = None
    while generation.channel.items.empty():
        told = _tell(generation.waiting, told, tell)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAITING_POLL_S):
                await arrived.wait()


def _tell(place: Waiting | None, told: int | None, tell: Callable[[Waiting], object]) -> int | None:
    if place is None or place.position == told:
        return told
    tell(place)
    return place.position


def _piece(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text))


def _without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _logprob(each: TokenLogprob) -> dict[str, Any]:
    return _token(each.token, each.logprob) | {"top_logprobs": [_token(token, value) for token, value in each.top]}


def _token(token: bytes, logprob: float) -> dict[str, Any]:
    return {"token": token.decode("utf-8", "replace"), "bytes": list(token), "logprob": logprob}


def _turns(messages: Sequence[BaseMessage]) -> list[Message]:
    return [Message(_role(message), _text(message)) for message in messages]


def _text(message: BaseMessage) -> str:
    parts = message.content if isinstance(message.content, list) else []
    for part in parts:
        if not isinstance(part, str) and part.get("type") != "text":
            raise ModelConfigError(
                f"This model reads text only, and a message has a part of the type {part.get('type')!r}: leave it out."
            )
    return message.text


def _role(message: BaseMessage) -> Role:
    for kind, role in _ROLES:
        if isinstance(message, kind):
            return role
    raise ModelConfigError(
        f"Messages of the type {message.type!r} cannot be put to this model; use system, human or ai."
    )
