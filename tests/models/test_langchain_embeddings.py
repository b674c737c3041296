from __future__ import annotations

import asyncio

import pytest
from langchain_core.embeddings import Embeddings

from models.embedders import Embedder
from models.errors import ModelConfigError
from models.langchain_embeddings import NamedEmbeddings


class Doubling(Embeddings):
    """Vectors that are not of unit norm."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[2.0 * len(text), 0.0, 0.0] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [0.0, 2.0, 2.0]


def test_any_langchain_embeddings_become_an_embedder_under_a_name() -> None:
    embedder: Embedder = NamedEmbeddings(Doubling(), name="doubling v1", languages=["en", "ja"])

    assert embedder.dimensions == 3
    assert embedder.languages == {"en", "ja"}
    assert embedder.embed_documents(["ab", ""]) == [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    assert embedder.embed_query("ab") == pytest.approx([0.0, 0.5**0.5, 0.5**0.5])
    assert asyncio.run(embedder.aembed_documents(["ab"])) == [[1.0, 0.0, 0.0]]
    assert asyncio.run(embedder.aembed_query("ab")) == embedder.embed_query("ab")


def test_fingerprints_of_two_names_differ_and_one_name_keeps_its_own() -> None:
    one, same, other = (NamedEmbeddings(Doubling(), name=name).fingerprint for name in ("a", "a", "b"))

    assert one == same
    assert one != other


def test_an_embedder_without_a_name_is_refused() -> None:
    with pytest.raises(ModelConfigError, match="name"):
        NamedEmbeddings(Doubling(), name="")
