"""An index in a folder of its own, with the shipped fake embedder, and documents made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from models.fakes import HashingEmbeddings
from retrieval import authority
from retrieval.access import Principal, Readers
from retrieval.database import writing
from retrieval.documents import Chunk, Document
from retrieval.index import Index
from retrieval.prepared import Prepared
from retrieval.search import Searcher
from retrieval.terms import chunk_words

ALL = Readers(frozenset({"all"}))
HR = Readers(frozenset({"hr"}))
SOMEBODY = Principal("somebody", frozenset({"all"}))
IN_HR = Principal("mori", frozenset({"all", "hr"}))


class CountingEmbeddings(HashingEmbeddings):
    """Counts the texts it embeds."""

    def __init__(self, dimensions: int = 64) -> None:
        super().__init__(dimensions)
        self.embedded = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.embedded += len(texts)
        return super().embed_documents(texts)


def prepared(item: str, text: str, readers: Readers = ALL) -> Prepared:
    """A document of one chunk for each paragraph."""
    chunks, at = [], 0
    for paragraph in text.split("\n\n"):
        line = text.count("\n", 0, at) + 1
        chunks.append(Chunk(at, at + len(paragraph), ("Part",), line))
        at += len(paragraph) + 2
    document = Document(item.removesuffix(".md"), text, "en")
    return Prepared(
        item,
        f"/docs/{item}",
        readers,
        document,
        tuple(chunks),
        chunk_words(document, chunks),
        sha256(text.encode()).hexdigest(),
        "1",
    )


@pytest.fixture
def embedder() -> CountingEmbeddings:
    return CountingEmbeddings()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "index"
    made.mkdir()
    return made


@pytest.fixture
def index(folder: Path, embedder: CountingEmbeddings) -> Iterator[Index]:
    opened = Index(folder, embedder)
    with writing(opened.engine) as connection:
        authority.put_source(connection, "docs", "/docs", ALL)
    yield opened
    opened.close()


@pytest.fixture
def put(index: Index) -> Callable[..., None]:
    """Put documents of the source `docs`: name=text, each with the same readers."""

    def put(readers: Readers = ALL, **texts: str) -> None:
        index.put(1, [prepared(f"{name}.md", text, readers) for name, text in texts.items()])

    return put


@pytest.fixture
def searcher(index: Index) -> Searcher:
    return Searcher(index)
