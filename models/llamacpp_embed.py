"""Embeddings from any GGUF model through llama.cpp, many texts at a time. Knows no index and no native call."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from langchain_core.embeddings import Embeddings

from models import gguf
from models.embedders import unit
from models.llamacpp_pooled import PooledContext, PooledModel

EmbeddingPooling = Literal["file", "mean", "cls", "last"]


class LlamaEmbeddings(Embeddings):
    """An `Embedder` over a GGUF file, encoder or decoder. The model is loaded at first use.

    `pooling` "file" is the one that the file names. `query_prefix` and `passage_prefix` are put before the texts as the
    model's authors say. A text longer than `context_length` tokens is embedded by its beginning. A query goes before the
    passages that wait. Close it after use.
    """

    def __init__(
        self,
        path: Path,
        *,
        sha256: str = "",
        pooling: EmbeddingPooling = "file",
        query_prefix: str = "",
        passage_prefix: str = "",
        context_length: int = 512,
        threads: int = 0,
        n_gpu_layers: int = 0,
        languages: Iterable[str] = (),
    ) -> None:
        self._path = path
        self._sha256 = sha256
        self._query_prefix = query_prefix
        self._passage_prefix = passage_prefix
        self._settings = f"{pooling}\0{passage_prefix}\0{query_prefix}\0{context_length}"
        self.languages = frozenset(languages)
        self.instant = False
        self._model = PooledModel(
            path,
            sha256=sha256,
            pooling=pooling,
            context_length=context_length,
            threads=threads,
            n_gpu_layers=n_gpu_layers,
        )

    @property
    def dimensions(self) -> int:
        """Length of a vector; loads the model."""
        return self._model.opened().dimensions

    @functools.cached_property
    def fingerprint(self) -> str:
        weights = self._sha256 or gguf.checksum(self._path)
        digest = hashlib.sha256(f"{weights}\0{self._settings}".encode()).hexdigest()[:12]
        return f"gguf-{self.dimensions}-{digest}"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One unit vector for each text.

        Raises ModelFileError, ModelConfigError (no pooling), EngineBusy (too many wait), EngineFailed.
        """
        return self._embed([self._passage_prefix + text for text in texts], urgent=False)

    def embed_query(self, text: str) -> list[float]:
        """The unit vector of a question; raises as `embed_documents` does."""
        return self._embed([self._query_prefix + text], urgent=True)[0]

    def close(self) -> None:
        """Give the memory back. May be called again."""
        self._model.close()

    def _embed(self, texts: list[str], *, urgent: bool) -> list[list[float]]:
        context = self._model.opened()
        sequences = (_tokens(text, context) for text in texts)
        return [unit(vector) for vector in self._model.run(sequences, urgent=urgent)]


def _tokens(text: str, context: PooledContext) -> list[int]:
    tokens = context.vocabulary.tokenize_whole(text) + context.ending
    if len(tokens) > context.length:
        tokens = [*tokens[: context.length - 1], tokens[-1]]  # the last may be the mark of the end
    return tokens
