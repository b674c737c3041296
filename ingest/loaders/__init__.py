"""A file's bytes into a `Document`, by the ending of its name. Knows no path, no database and no reader.

The parsers' libraries are imported only when a file of their kind comes.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING

from ingest.errors import DocumentError, EmptyDocument, IngestError, UnknownFormat

if TYPE_CHECKING:
    from retrieval.documents import Document

LOADER_VERSION = "4"
"""Changes whenever the same bytes would give another document."""

_CODE = (
    ".py .pyi .js .mjs .cjs .jsx .ts .mts .cts .tsx .go .rs .java .c .h .cc .cpp .cxx .hh .hpp .hxx .cs .rb .sh .bash .sql "
    ".kt .kts .swift .scala .groovy .gradle .php .lua .pl .pm .r .jl .dart .ex .exs .hs .clj .fs .vb .ps1 .bat .zsh "
    ".proto .graphql .tf .css .scss .toml .ini .cfg .conf"
).split()

_LOADERS = {
    ".txt": "text",
    ".text": "text",
    ".log": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdx": "markdown",
    **dict.fromkeys((".rst", ".rest"), "rst"),
    **dict.fromkeys((".adoc", ".asciidoc", ".asc"), "asciidoc"),
    **dict.fromkeys(_CODE, "code"),
    ".html": "html",
    ".htm": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".pptx": "pptx",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".csv": "delimited",
    ".tsv": "delimited",
    ".ipynb": "ipynb",
    ".eml": "eml",
    ".json": "openapi",
    ".yaml": "openapi",
    ".yml": "openapi",
}

SUFFIXES = frozenset(_LOADERS)
"""Endings of the files that can be read, in lower case, with their dot."""

_WITH_SUFFIX = {"code", "markdown"}
"""Loaders of several languages: they are told the ending too."""

_WORDS = re.compile(r"\w")


def parse(name: str, data: bytes) -> Document:
    """The document in `data`; `name` is the file's name or path.

    Raises UnknownFormat, UndecodableText, EmptyDocument, or DocumentError for a damaged or protected file.
    """
    path = PurePath(name)
    loader = _LOADERS.get(path.suffix.lower())
    if loader is None:
        known = " ".join(sorted(SUFFIXES))
        raise UnknownFormat(f"{name}: no loader for this kind of file; known are {known}.")
    if not data:
        raise EmptyDocument(f"{name}: the file is empty; write something into it or remove it.")
    try:
        told = (path.suffix.lower(),) if loader in _WITH_SUFFIX else ()
        document: Document = import_module(f"ingest.loaders.{loader}").load(path.stem, data, *told)
    except IngestError as error:
        raise type(error)(f"{name}: {error}") from error.__cause__
    except Exception as error:
        # parsers of other people's files fail in ways no list names; each of them means the same to us
        raise DocumentError(
            f"{name}: the file is damaged or not a {path.suffix} file ({type(error).__name__}); save it anew."
        ) from error
    if not _WORDS.search(document.text):
        raise EmptyDocument(f"{name}: the document holds no text; write something into it or remove it.")
    return document
