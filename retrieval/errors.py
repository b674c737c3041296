"""What can go wrong with the index.

RetrievalError
├── BadFilter           a filter of a search that no document can fit: a day or language that is none
├── DataFolderError     the data folder cannot be used: permissions, disk full, not a folder
├── DataFolderHeld      another process holds the data folder
├── GlossaryError       the glossary cannot be read, or says what cannot be
├── IndexDamaged        the stored index does not read back; it can be rebuilt
├── IndexMismatch       the index was built with another embedder than the one given
└── NotFound            no such document for this principal
"""

from __future__ import annotations

from pathlib import Path


class RetrievalError(Exception):
    """Any fault of the index; its message is one sentence for people, naming the thing and the next step."""


class BadFilter(RetrievalError):
    """A filter says something that cannot be."""


class DataFolderError(RetrievalError):
    """The data folder cannot be read or written."""


class DataFolderHeld(RetrievalError):
    """Another process holds the data folder; `holder` says which."""

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(
            f"The data folder {folder} is in use by {holder}: stop that first (a server answers over HTTP, and takes `kura"
            " ingest`, `verify`, `repair`, `remove` and `index` over), or choose another folder with --data-dir."
        )
        self.holder = holder


class GlossaryError(RetrievalError):
    """The glossary is wrong."""


class IndexDamaged(RetrievalError):
    """The index on disk is damaged."""


class IndexMismatch(RetrievalError):
    """The index belongs to another embedder."""


class NotFound(RetrievalError):
    """There is no such document, or the principal may not see it: the two look the same."""
