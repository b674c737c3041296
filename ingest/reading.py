"""Reads the documents of a source: bytes out of it, through a parser, into batches that the index takes; keeps the tally.

Knows no kind of source, no format, and nothing of what is to be read or why (`ingest/sync.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256

from ingest.errors import DocumentError
from ingest.feeds import Feed, made_by_recipe
from ingest.parsing import Parsed, Parser, ParseRequest
from ingest.reports import Progress, Stages
from ingest.sources import Content, SourceItem
from retrieval.access import Readers
from retrieval.authority import Known
from retrieval.index import Index
from retrieval.prepared import Prepared
from retrieval.unread import Unread

BATCH_CHUNKS = 512
"""Chunks written in one go: enough to embed and store them at full speed, few enough that memory stays flat."""


@dataclass(slots=True)
class Tally:
    """What has happened so far."""

    failed: dict[str, str]
    stages: Stages = field(default_factory=Stages)
    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)
    """Items that are there and say something else than what is stored, which cannot be read."""
    unread: dict[str, Unread] = field(default_factory=dict)
    """What cannot be read, and of which bytes that is true."""
    chunks: int = 0
    embedded: int = 0
    fault: str = ""


class Reader:
    """Reads and parses for an index: by its recipe, and giving way to whoever searches it."""

    def __init__(self, index: Index, parser: Parser, on_progress: Callable[[Progress], None]) -> None:
        self._index = index
        self._parser = parser
        self._on_progress = on_progress

    @staticmethod
    def read(feed: Feed, item: SourceItem, tally: Tally) -> Content | None:
        """An item's bytes; None, and a sentence in the tally, if they cannot be had."""
        try:
            return feed.source.read(item)
        except DocumentError as error:
            tally.failed[item.item] = str(error)
            tally.outdated.append(item.item)
        except OSError as error:
            tally.failed[item.item] = (
                f"{item.item} cannot be read now ({error.strerror or error}); what is stored of it is kept until it can."
            )
        return None

    def batches(
        self, feed: Feed, pending: list[SourceItem], tally: Tally, known: Mapping[str, Known] | None = None
    ) -> Iterator[list[Prepared]]:
        """Documents read and parsed, in batches; what cannot be is told in the tally, and not answered from any more."""
        items = {one.item: one for one in pending}
        contents: dict[str, Content] = {}  # of the few requests that are on their way
        batch: list[Prepared] = []
        size = done = 0
        made_by = made_by_recipe(self._index.recipe, feed)
        progress = self._progress(feed, tally, len(pending))
        progress(0, pending[0].item if pending else "")
        for request, outcome in self._parser.parse_all(self._requests(feed, pending, contents, tally)):
            self._index.courtesy.give_way()
            content = contents.pop(request.item)
            done += 1
            progress(done, request.item)
            if isinstance(outcome, DocumentError):
                tally.failed[request.item] = str(outcome)
                digest = sha256(content.data).hexdigest()
                tally.unread[request.item] = Unread(content.version, digest, made_by, str(outcome))
                before = known.get(request.item) if known else None
                if before is not None and before.content_sha256 != digest:
                    tally.outdated.append(request.item)
                continue
            tally.stages.parsing += outcome.seconds
            batch.append(_prepared(items[request.item], content, outcome, feed.readers, made_by))
            size += len(outcome.chunks)
            if size >= BATCH_CHUNKS:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch
        progress(len(pending), "")

    def _requests(
        self, feed: Feed, pending: list[SourceItem], contents: dict[str, Content], tally: Tally
    ) -> Iterator[ParseRequest]:
        for item in pending:
            with timed(tally.stages, "reading"):
                content = self.read(feed, item, tally)
            if content is not None:
                contents[item.item] = content
                yield ParseRequest(item.item, item.name, content.data, content.title, feed.language)

    def _progress(self, feed: Feed, tally: Tally, total: int) -> Callable[[int, str], None]:
        def tell(done: int, item: str) -> None:
            self._on_progress(Progress(feed.name, done, total, item, tally.chunks, tally.failed))

        return tell


def _prepared(item: SourceItem, content: Content, parsed: Parsed, readers: Readers, made_by: str) -> Prepared:
    document = replace(parsed.document, dated=parsed.document.dated or content.dated)
    return Prepared(
        item=item.item,
        address=item.address,
        readers=readers,
        document=document,
        chunks=parsed.chunks,
        words=parsed.words,
        content_sha256=sha256(content.data).hexdigest(),
        recipe=made_by,
        source_version=content.version,
    )


@contextmanager
def timed(stages: Stages, stage: str) -> Iterator[None]:
    """Adds what happens inside to the seconds of a stage."""
    started = time.perf_counter()
    try:
        yield
    finally:
        setattr(stages, stage, getattr(stages, stage) + time.perf_counter() - started)
