"""Embedders that are LangChain's `Embeddings`: the starter for its components, and any other under a name. Knows no index."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable

from langchain_core.embeddings import Embeddings

from models.embedders import StarterEmbedder, unit
from models.errors import ModelConfigError


class WordLlamaEmbeddings(StarterEmbedder, Embeddings):
    """The starter, for LangChain's components."""


class NamedEmbeddings(Embeddings):
    """Any LangChain `Embeddings` as an `Embedder`. The name must change whenever its vectors would."""

    instant = False

    def __init__(self, embeddings: Embeddings, *, name: str, languages: Iterable[str] = ()) -> None:
        if not name:
            raise ModelConfigError("An embedder needs a name that tells its vectors from others; set one.")
        self._embeddings = embeddings
        self._name = name
        self.languages = frozenset(languages)

    @functools.cached_property
    def dimensions(self) -> int:
        """Found by embedding one word."""
        return len(self._embeddings.embed_query("dimensions"))

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self._name.encode()).hexdigest()[:12]
        return f"{type(self._embeddings).__name__}-{self.dimensions}-{digest}"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [unit(vector) for vector in self._embeddings.embed_documents(texts)]

    def embed_query(self, text: str) -> list[float]:
        return unit(self._embeddings.embed_query(text))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return [unit(vector) for vector in await self._embeddings.aembed_documents(texts)]

    async def aembed_query(self, text: str) -> list[float]:
        return unit(await self._embeddings.aembed_query(text))
