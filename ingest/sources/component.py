"""Any LangChain `BaseLoader` as a source. Knows nothing of what it loads.

Its documents are kept in a nameless temporary file for as long as one sync takes, so that memory stays flat.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote

from ingest.dates import latest
from ingest.errors import DocumentError, SourceError
from ingest.sources import Content, Listing, SourceItem
from ingest.sources.folder import MAX_BYTES

if TYPE_CHECKING:
    from langchain_core.document_loaders import BaseLoader
    from langchain_core.documents import Document

MAX_TOTAL = 4 * 2**30
"""Bytes of text from one loader, and..."""
MAX_DOCUMENTS = 1_000_000
"""...how many documents: a loader that never ends must not fill the disk."""

_ITEM_LENGTH = 1000
"""Characters of an item; a longer source (a `data:` address) is cut and told by its hash."""
_NAME_LENGTH = 150
_MARK = 8
"""Hexadecimal digits: enough to tell the few loaders of an installation apart, too few to guess what they stand for."""
_MIME_KEYS = ("mime_type", "mimetype", "content_type", "Content-Type")
_DATE_KEYS = (
    "date",
    "updated",
    "updated_at",
    "modified",
    "modified_at",
    "last_modified",
    "lastmod",
    "last_edited_time",
)
"""Where the loaders people use say when a text was written or changed."""
_SUFFIX_OF = {"text/markdown": ".md", "text/x-markdown": ".md", "text/html": ".html", "application/xhtml+xml": ".html"}
_HARMLESS = re.compile(
    r"(?!(?:javascript|vbscript|data):)(?:[a-z][a-z0-9+.-]+://|[a-z]:\\|[^:]*\Z|[^:]*/)", re.IGNORECASE
)
"""An address with a host, a drive, or no scheme: `https://`, `s3://`, `C:\\`, `a/b.pdf`, `a/b:c`."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """Where a document's text stands in the temporary file."""

    start: int
    length: int
    title: str
    dated: date | None


def loader_address(component: str, arguments: Mapping[str, Any]) -> str:
    """What a loader is called where a source's address is shown: `module:Class`, with a mark that its arguments make.

    The mark tells two sources by the same loader apart and shows no argument: one may be a secret.
    """
    module, _, name = component.rpartition(".")
    told = json.dumps(arguments, sort_keys=True, default=str)
    return f"{module}:{name}" + (f"#{sha256(told.encode()).hexdigest()[:_MARK]}" if arguments else "")


class ComponentSource:
    """What a loader yields. `root` tells this source from every other one: see `loader_address`.

    A document is named by its `source` in the metadata; the second one of the same source is `source#2`, and so on in the
    order in which the loader yields them. Whether one has changed, only its text can tell.
    """

    def __init__(self, loader: BaseLoader, *, root: str) -> None:
        self._loader = loader
        self._root = root
        self._spool: IO[bytes] | None = None
        self._kept: dict[str, _Kept] = {}

    @property
    def root(self) -> str:
        return self._root

    def list(self, known: Mapping[str, str]) -> Listing:
        """Load everything. Raises SourceError if the loader fails at any moment: what it held back is not deleted."""
        self.close()
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115  # readable by us alone, and gone with the process at the latest
        try:
            listing = self._load(self._spool)
            self._spool.flush()
        except BaseException as error:
            self.close()
            if not isinstance(error, OSError):
                raise
            raise SourceError(
                f"{self._root}: its texts cannot be kept in {tempfile.gettempdir()} ({error.strerror}): make room there."
                " Nothing was changed."
            ) from error
        return listing

    def read(self, item: SourceItem) -> Content:
        """A document's text as UTF-8. Raises DocumentError for what was not listed."""
        kept = self._kept.get(item.item)
        if kept is None or self._spool is None:
            raise DocumentError(f"{item.item} was not among what the loader gave: ingest the source anew.")
        self._spool.seek(kept.start)
        return Content(self._spool.read(kept.length), "", kept.title, kept.dated)

    def close(self) -> None:
        """Forget the texts."""
        self._kept = {}
        if self._spool is not None:
            with suppress(OSError):  # of bytes that found no room, and are thrown away anyway
                self._spool.close()
            self._spool = None

    def _load(self, spool: IO[bytes]) -> Listing:
        items: dict[str, SourceItem] = {}
        damaged: dict[str, str] = {}
        numbers: dict[str, int] = {}
        taken: set[str] = set()
        total = 0
        for document in self._documents():
            source = _source(document.metadata)
            item = _numbered(source, numbers, taken)
            data = document.page_content.encode("utf-8", "replace")
            total += len(data)
            if total > MAX_TOTAL or len(taken) > MAX_DOCUMENTS:
                raise SourceError(
                    f"{self._root}: the loader gives more than {MAX_TOTAL // 2**30} GiB or {MAX_DOCUMENTS:,} documents:"
                    " give it less to load. Nothing was changed."
                )
            if len(data) > MAX_BYTES:
                damaged[item] = f"{item} has more than {MAX_BYTES // 2**20} MiB: let the loader split it."
                continue
            told = document.metadata
            dated = latest(_line(told.get(key)) for key in _DATE_KEYS)
            self._kept[item] = _Kept(spool.tell(), len(data), _line(told.get("title")), dated)
            spool.write(data)
            items[item] = SourceItem(item, "", _address(source, told), _name(source, told))
        return Listing(tuple(items[item] for item in sorted(items)), damaged=damaged)

    def _documents(self) -> Iterator[Document]:
        from langchain_core.documents import Document

        try:
            for document in self._loader.lazy_load():
                if not isinstance(document, Document):
                    raise SourceError(
                        f"{self._root}: the loader {type(self._loader).__name__} gave a {type(document).__name__}, which is no"
                        " Document: name another. Nothing was changed."
                    )
                yield document
        except SourceError:
            raise
        except Exception as error:
            # other people's code fails in ways no list names; each of them means that the listing has holes
            # (what it says may hold a password: it is not passed on to reports, which programs read)
            raise SourceError(
                f"{self._root}: the loader {type(self._loader).__name__} failed ({type(error).__name__}): run it by itself to"
                " see why, and correct its arguments or what it loads from. Nothing was changed."
            ) from error


def _address(source: str, metadata: Mapping[str, Any]) -> str:
    """What people open. Nothing that a browser could take for a script: links are made of addresses."""
    for value in (_line(metadata.get("url")), source):
        if value and _HARMLESS.match(value):
            return value
    return source.replace(":", "_")


def _line(value: object) -> str:
    """A value of the metadata as one line of valid text; "" if it is nothing."""
    text = "" if value is None else str(value)
    return " ".join(text.encode("utf-8", "backslashreplace").decode().replace("\0", " ").split())


def _source(metadata: Mapping[str, Any]) -> str:
    source = _line(metadata.get("source")) or "document"
    if len(source) <= _ITEM_LENGTH:
        return source
    return f"{source[:_ITEM_LENGTH]}…{sha256(source.encode()).hexdigest()}"


def _name(source: str, metadata: Mapping[str, Any]) -> str:
    """The last part of the source, with the ending of what the loader says the text is: plain text, if it does not."""
    path = unquote(re.split(r"[?#]", source, maxsplit=1)[0]) if "://" in source else source
    stem = PurePosixPath(path.replace("\\", "/")).stem[:_NAME_LENGTH] or "document"
    kinds = (_line(metadata.get(key)).split(";")[0].strip().lower() for key in _MIME_KEYS)
    return stem + next((_SUFFIX_OF[kind] for kind in kinds if kind in _SUFFIX_OF), ".txt")


def _numbered(source: str, numbers: dict[str, int], taken: set[str]) -> str:
    """`source`, or the first of `source#2`, `source#3`... that is free; it is taken then."""
    item = source
    number = numbers.get(source, 1)
    while item in taken:
        number += 1
        item = f"{source}#{number}"
    numbers[source] = number
    taken.add(item)
    return item
