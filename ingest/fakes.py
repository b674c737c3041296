"""A parser without a child process, for tests and for text that is trusted: same values, no limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ingest.errors import DocumentError
from ingest.loaders import parse
from ingest.parsing import Parsed, ParseRequest
from ingest.splitting import PASSAGE, split
from retrieval.documents import Document
from retrieval.terms import chunk_words


class InlineParser:
    """Parses in this process. `load` takes a file's name and bytes."""

    def __init__(self, load: Callable[[str, bytes], Document] = parse, *, passage: int = PASSAGE) -> None:
        self._load = load
        self._passage = passage

    def parse_all(self, requests: Iterable[ParseRequest]) -> Iterator[tuple[ParseRequest, Parsed | DocumentError]]:
        for request in requests:
            started = time.perf_counter()
            try:
                document = self._load(request.name, request.data)
            except DocumentError as error:
                yield request, error
                continue
            document = replace(
                document, title=request.title or document.title, language=request.language or document.language
            )
            chunks = tuple(split(document, size=self._passage))
            yield request, Parsed(document, chunks, chunk_words(document, chunks), time.perf_counter() - started)

    def close(self) -> None:
        """Nothing is held."""
