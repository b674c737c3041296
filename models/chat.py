"""A chat engine as a LangChain chat model. Knows templates and messages; knows no llama.cpp and no documents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import (
    BaseChatModel,
    agenerate_from_stream,
    generate_from_stream,
)
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import SkipValidation

from models.engine import ChatEngine, Finished, Generation
from models.errors import ModelConfigError
from models.templates import Message, Role, Segment, render

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

PER_CALL = frozenset({"principal_key", "max_tokens", "deadline_s", "temperature", "seed", "cancel"})
"""Arguments that `invoke`, `stream` and `bind` take besides `stop`; their meaning stands in `ChatEngine.generate`."""

_ROLES: tuple[tuple[type[BaseMessage], Role], ...] = (
    (SystemMessage, "system"),
    (HumanMessage, "user"),
    (AIMessage, "assistant"),
)


class ChatKura(BaseChatModel):
    """Chat with a local model.

    Give `principal_key=` with each call: only then may the model's memory of the same person's earlier prompt be used
    again. `usage_metadata` counts tokens, `response_metadata["finish_reason"]` is one of stop, length, deadline,
    cancelled. Closing a stream, or cancelling its task, frees the engine. The content of a message is never trusted.
    """

    engine: Annotated[ChatEngine, SkipValidation]
    model_name: str
    template: str = "chatml"
    max_tokens: int = 512
    deadline_s: float = 120.0
    temperature: float = 0.0
    seed: int = 0

    @property
    def _llm_type(self) -> str:
        return "kura"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "temperature": self.temperature, "max_tokens": self.max_tokens}

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
        with self._start(messages, stop, kwargs) as generation:
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
        # in a thread: tokenising a long prompt, and loading the model the first time
        with await asyncio.to_thread(self._start, messages, stop, kwargs) as generation:
            async for piece in generation:
                chunk = _piece(piece)
                if run_manager is not None:
                    await run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
            yield self._last(generation.finished)

    def _start(self, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any]) -> Generation:
        unknown = given.keys() - PER_CALL
        if unknown:
            raise ModelConfigError(
                f"The model {self.model_name} does not take {', '.join(sorted(unknown))}; it takes stop, "
                f"{', '.join(sorted(PER_CALL))}."
            )
        asked: dict[str, Any] = {
            "principal_key": "",
            "max_tokens": self.max_tokens,
            "deadline_s": self.deadline_s,
            "temperature": self.temperature,
            "seed": self.seed,
        } | given
        return self.engine.generate(render(self.template, _turns(messages)), stop=tuple(stop or ()), **asked)

    def _last(self, finished: Finished) -> ChatGenerationChunk:
        usage = finished.usage
        message = AIMessageChunk(
            content="",
            usage_metadata={
                "input_tokens": usage.prompt,
                "output_tokens": usage.completion,
                "total_tokens": usage.prompt + usage.completion,
                "input_token_details": {"cache_read": usage.cached},
            },
            response_metadata={"finish_reason": finished.reason, "model_name": self.model_name},
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message, generation_info={"finish_reason": finished.reason})


def _piece(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text))


def _turns(messages: Sequence[BaseMessage]) -> list[Message]:
    return [Message(_role(message), message.text) for message in messages]


def _role(message: BaseMessage) -> Role:
    for kind, role in _ROLES:
        if isinstance(message, kind):
            return role
    raise ModelConfigError(
        f"Messages of the type {message.type!r} cannot be put to this model; use system, human or ai."
    )
