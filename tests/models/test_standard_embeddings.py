"""LangChain's own unit tests for embeddings, over all of ours that need no model file."""

from __future__ import annotations

from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_tests.unit_tests import EmbeddingsUnitTests

from models.fakes import HashingEmbeddings
from models.langchain_embeddings import NamedEmbeddings, WordLlamaEmbeddings
from models.served import EmbeddingsServed


class TestWordLlama(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return WordLlamaEmbeddings


class TestNamed(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return NamedEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"embeddings": HashingEmbeddings(), "name": "hashing"}


class TestHashing(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return HashingEmbeddings


class TestServed(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return EmbeddingsServed

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"base_urls": ["http://127.0.0.1:9/v1"], "model": "served"}
