"""Chat models and embedders on servers that speak OpenAI's protocol (llama-server, vLLM, Ollama), as LangChain's.

Knows neither the protocol nor HTTP: `models/served_client.py` asks, `models/served_protocol.py` reads.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict, Field, PrivateAttr

from models.chat import Call, KuraChatModel
from models.engine import Generation
from models.errors import ModelConfigError
from models.served_client import ServedClient, ServerHealth
from models.served_protocol import chat_body, vectors
from models.templates import Message

EMBED_BATCH = 64
"""Texts in one request."""
EMBED_DEADLINE_S = 120.0
"""For one request."""


class ChatServed(KuraChatModel):
    """Chat with `model` on one or several servers that all serve it.

    The least busy server is asked; calls with the same `conversation` go to the same one, whose memory holds their
    prompts, unless it is much busier. One that fails is left out until it answers again, and another is tried as long
    as no token has come. `base_urls`, `api_key_file` and `ca_file` mean what they mean in `ServedClient`.

    A server takes what it knows: `grammar`, `repeat_penalty` and `penalty_window` are llama-server's, `top_k` and `min_p`
    also vLLM's; others may pass over them. The server's own template, queue and memory stand in place of ours:
    `priority`, `on_waiting` and `principal_key` change nothing, and an `adapter` is refused.
    """

    model_config = ConfigDict(populate_by_name=True)

    base_urls: tuple[str, ...]
    model_name: str = Field(alias="model")
    api_key_file: Path | None = None
    ca_file: Path | None = None
    _client: ServedClient = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        self._client = ServedClient(self.base_urls, api_key_file=self.api_key_file, ca_file=self.ca_file)

    @property
    def _llm_type(self) -> str:
        return "kura-served"

    def get_num_tokens(self, text: str) -> int:
        """An estimate on the safe side, one token for three bytes: the tokenizer is on the server."""
        return len(text.encode("utf-8", "replace")) // 3 + 1

    def check(self) -> list[ServerHealth]:
        """How each server is; asks them, which takes some seconds if one does not answer."""
        return self._client.check()

    def close(self) -> None:
        """Close all connections. May be called again."""
        self._client.close()

    def _begin(self, messages: list[Message], call: Call) -> Generation:
        if call.adapter:
            raise ModelConfigError(
                "A model server chooses adapters by the model's name; set model in place of adapter."
            )
        return self._client.generate(
            chat_body(self.model_name, messages, call),
            conversation=call.conversation,
            deadline_s=call.deadline_s,
            cancel=call.cancel,
        )


class EmbeddingsServed(Embeddings):
    """Embeddings by `model` on one or several servers; each request goes to the least busy one that is well.

    `query_prefix` and `passage_prefix` are put before the texts as the model's authors say. Close it after use.
    """

    def __init__(
        self,
        base_urls: Sequence[str],
        model: str,
        *,
        api_key_file: Path | str | None = None,
        ca_file: Path | str | None = None,
        query_prefix: str = "",
        passage_prefix: str = "",
    ) -> None:
        self._model = model
        self._query_prefix = query_prefix
        self._passage_prefix = passage_prefix
        self._client = ServedClient(base_urls, api_key_file=api_key_file, ca_file=ca_file)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text. Raises EngineBusy, EngineFailed, PromptTooLong, ModelConfigError."""
        prefixed = [self._passage_prefix + text for text in texts]
        batches = [prefixed[start : start + EMBED_BATCH] for start in range(0, len(prefixed), EMBED_BATCH)]
        return [vector for batch in batches for vector in self._embed(batch)]

    def embed_query(self, text: str) -> list[float]:
        return self._embed([self._query_prefix + text])[0]

    def check(self) -> list[ServerHealth]:
        """As `ChatServed.check`."""
        return self._client.check()

    def close(self) -> None:
        """Close all connections. May be called again."""
        self._client.close()

    def _embed(self, texts: list[str]) -> list[list[float]]:
        body = {"model": self._model, "input": texts, "encoding_format": "float"}
        read = functools.partial(_vectors, expected=len(texts))
        return self._client.ask("/embeddings", body, read, deadline_s=EMBED_DEADLINE_S)


def _vectors(body: bytes, url: str, *, expected: int) -> list[list[float]]:
    return vectors(body, expected, url)
