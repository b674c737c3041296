"""What an ingest hands to the index: documents in chunks with their words, and the vectors of their texts. Knows no store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from retrieval.access import Readers
from retrieval.documents import Chunk, Document
from retrieval.terms import ChunkWords
from retrieval.vectors import Vectors


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document read, split, and ready to be written. `item` is its name in its source."""

    item: str
    address: str
    readers: Readers
    document: Document
    chunks: tuple[Chunk, ...]
    words: tuple[ChunkWords, ...]
    """The terms of each chunk (`retrieval/terms.py`)."""
    content_sha256: str
    """Of the source's bytes."""
    recipe: str
    """The versions of loader and splitter that made it."""
    source_version: str = ""
    """What the source said of the bytes; see `ingest/sources`."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vectors of embedded texts, by the texts' hashes."""

    fingerprint: str
    """Of the embedder."""
    vectors: Mapping[str, Vectors]
    new: int
    """How many were not stored before."""
    seconds: float


def embedded_text(document: Document, chunk: Chunk) -> str:
    """What the embedder reads of a chunk: title and heading path, then the text."""
    return "\n".join((" › ".join((document.title, *chunk.heading)), document.text[chunk.start : chunk.end]))


def digest(whole: str) -> str:
    """Names an embedded text, so that it is embedded once however often it comes."""
    return sha256(whole.encode()).hexdigest()


def texts_of(prepared: Iterable[Prepared]) -> dict[str, str]:
    """The embedded text of every chunk, by its hash."""
    wholes = (embedded_text(one.document, chunk) for one in prepared for chunk in one.chunks)
    return {digest(whole): whole for whole in wholes}
