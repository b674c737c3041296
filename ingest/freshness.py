"""Whether the files that an answer quotes are still as they were read: one look at each, and only in doubt its bytes.

For sources that lie on this machine (folders and uploads, zip files in them); what comes from elsewhere is taken as it is
stored. Knows no search and no answer, changes nothing, and never hands out what it reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from ingest.errors import IngestError
from ingest.sources import SourceItem
from ingest.sources.folder import FolderSource
from retrieval import authority
from retrieval.checking import stored_content
from retrieval.database import reading
from retrieval.documents import Hit
from retrieval.index import Index

KINDS = frozenset({"folder", "upload"})
"""Kinds of source whose documents are files here."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a document: its item in its source, and the hash of the bytes it was read from."""

    item: str
    content_sha256: str


class Freshness:
    """Looks at files. `roots` tells the paths of all sources, `stored` what is known of a document by its id.

    Blocking; safe to use from several threads.
    """

    def __init__(self, roots: Callable[[], Collection[str]], stored: Callable[[str], Stored | None]) -> None:
        self._roots = roots
        self._stored = stored

    def standing(self, hits: Sequence[Hit]) -> list[Hit]:
        """The hits whose files are still there. If it is the source that is gone (a disk not mounted), they are kept.

        A copy stands in for a hit whose own file is gone.
        Uploads lie in the data folder, which is there: an empty folder of them means that the last one was taken away.
        """
        every = [one for hit in hits for one in (hit, *hit.also)]
        vanished = {address for address in _addresses(every) if _vanished(address)}
        if not vanished:
            return list(hits)
        roots = self._roots()
        uploads = {hit.address for hit in every if hit.source_kind == "upload"}
        gone = {address for address in vanished if address in uploads or not _root_is_gone(address, roots)}
        found = (_still_there(hit, gone) for hit in hits)
        return [hit for hit in found if hit is not None]

    def changed(self, hits: Sequence[Hit]) -> set[str]:
        """The documents (by id) whose files are not as they were read, or cannot be looked at now.

        Bytes are read only where a look at the file says that they may be others: hand in what is cited, no more.
        """
        seen: dict[str, bool] = {}
        for hit in hits:
            if hit.source_kind in KINDS and hit.document_id not in seen:
                seen[hit.document_id] = not self._as_read(hit)
        return {document for document, changed in seen.items() if changed}

    def _as_read(self, hit: Hit) -> bool:
        try:
            state = os.stat(hit.address)  # noqa: PTH116 - an address is text
        except OSError:
            return False
        # As `FolderSource` says it; should it say it otherwise one day, files are read, and nothing else happens.
        look = f"{state.st_size}-{state.st_mtime_ns}-{state.st_ctime_ns}-{state.st_ino}"
        if hit.source_version == look or hit.source_version.startswith(f"{look}-"):
            return True
        stored = self._stored(hit.document_id)
        return stored is not None and _hash_of(hit.address, stored.item) == stored.content_sha256


def freshness(index: Index) -> Freshness:
    """Looks at the files of an index's documents."""

    def roots() -> list[str]:
        with reading(index.engine) as connection:
            return [source.root for source in authority.sources(connection)]

    def stored(document_id: str) -> Stored | None:
        found = stored_content(index.engine, document_id)
        return None if found is None else Stored(*found)

    return Freshness(roots, stored)


def _still_there(hit: Hit, gone: Collection[str]) -> Hit | None:
    """The hit, or its best copy in its place, without the copies whose files are gone; None if none is left."""
    left = [one for one in (hit, *hit.also) if one.source_kind not in KINDS or one.address not in gone]
    return replace(left[0], score=hit.score, also=tuple(left[1:])) if left else None


def _addresses(hits: Sequence[Hit]) -> set[str]:
    return {hit.address for hit in hits if hit.source_kind in KINDS}


def _vanished(address: str) -> bool:
    try:
        os.stat(address)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # it may be there: no permission, a server that does not answer
        return False
    return False


def _root_is_gone(address: str, roots: Collection[str]) -> bool:
    """Whether the source of a file is gone with it: not there, or as empty as the place of a disk that is not mounted."""
    root = max((root for root in roots if Path(address).is_relative_to(root)), key=len, default="")
    try:
        with os.scandir(root or address) as entries:
            return next(entries, None) is None
    except OSError:
        return True


def _hash_of(address: str, item: str) -> str:
    """The hash of what stands at an address now, of a zip file's member `item` if it is one; "" if it cannot be read."""
    source = FolderSource(Path(address))
    name = Path(address).name
    _, inside, member = f"/{item}".partition(f"/{name}/")
    wanted = f"{name}/{member}" if inside else name
    try:
        source.list({})
        return sha256(source.read(SourceItem(wanted, "", address, wanted)).data).hexdigest()
    except (IngestError, OSError):
        return ""
    finally:
        source.close()
