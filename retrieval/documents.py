"""Documents, their chunks, and the hits of a search. Plain values; offsets are in characters (code points)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Mark:
    """From offset `start` on, the text stands under `heading` (outermost first) and on `page` (1-based, if paged)."""

    start: int
    heading: tuple[str, ...] = ()
    page: int | None = None
    whole: bool = False
    """Up to the next heading the text says one thing (a function, an API operation) and is cut only when it is very long."""


@dataclass(frozen=True, slots=True)
class Document:
    """Parsed text. `marks` ascend by `start`; text before the first mark has no heading and no page."""

    title: str
    text: str
    language: str
    """"ja", "en", or "" when it cannot be told."""
    marks: tuple[Mark, ...] = ()
    dated: date | None = None
    """The day it is of, as it says itself, else as its source says of its last change; `after:` and recency go by it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document: `document.text[start:end]`, under `heading`, beginning on `line` (1-based) of the text."""

    start: int
    end: int
    heading: tuple[str, ...]
    line: int
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a chunk: the document's text from `start` on, and the chunks that begin there, ascending."""

    start: int
    text: str
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk found by a search, with its scores and where they came from.

    `score` orders hits of one search, higher is better, and means nothing across searches.
    `words` is the BM25 score (≥ 0; 0: no word in common); `similarity` the cosine of the vectors (-1..1; None: not measured).
    """

    document_id: str
    chunk_id: str
    title: str
    heading: tuple[str, ...]
    address: str
    """The path (or link) of the source document."""
    language: str
    line: int
    page: int | None
    start: int
    end: int
    text: str
    """`text == document.text[start:end]`."""
    score: float
    words: float
    similarity: float | None
    source_kind: str = ""
    """Of the source it came from: "folder", "git", ..."""
    source_version: str = ""
    """What the source said of the document's bytes when they were read; see `ingest/sources`."""
    changed: bool = False
    """The file has changed since it was read, or cannot be looked at now. A search does not look: who shows the hit does."""
    source: str = ""
    """The name of the source it came from."""
    also: tuple[Hit, ...] = ()
    """Copies in other documents that the asker may read, one for each document; see `retrieval/folding.py`."""
    core: tuple[int, int] | None = None
    """The chunk that was found, where the hit was widened around it; see `retrieval/widening.py`."""
    rerank: float | None = None
    """What a reranker says of it (0..1, comparable within one search only); None: none was asked."""
    dated: date | None = None
    """The day its document is of, if that is known."""
