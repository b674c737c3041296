"""Lists what a folder (or a single file) holds. Knows nothing of formats beyond their suffixes."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from ingest.errors import DocumentError, SourceError

MAX_BYTES = 100 * 2**20
"""A larger file is no document people read; it is refused by name."""


@dataclass(frozen=True, slots=True)
class SourceItem:
    """One file of a source. `item` is its path below the source's root, with `/`."""

    item: str
    path: Path


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds: `items` to read, and files passed over because Kura does not know their kind."""

    items: tuple[SourceItem, ...]
    skipped: tuple[str, ...] = ()
    unreadable: dict[str, str] = field(default_factory=dict)
    """Items that stand there but cannot be listed or named, with a sentence for each."""


def resolve(path: Path) -> Path:
    """The absolute path of a source; raises SourceError if there is nothing."""
    if not os.path.lexists(path):
        raise SourceError(f"{path} does not exist: check the spelling, or name another folder or file.")
    return path.resolve()


def list_items(root: Path, suffixes: Collection[str], apart: Collection[Path] = ()) -> Listing:
    """List `root`, sorted. Hidden files are passed over, and so are the trees in `apart` (sources of their own).

    Links are followed only to files that are listed themselves: not out of `root`, into `apart`, or to hidden ones.
    Raises SourceError if `root`, or any folder below it, cannot be listed:
    a listing with holes must never be mistaken for documents having been deleted.
    """
    if root.is_file():
        known = root.suffix.lower() in suffixes
        return Listing((SourceItem(root.name, root),)) if known else Listing((), (root.name,))
    items: list[SourceItem] = []
    skipped: list[str] = []
    unreadable: dict[str, str] = {}
    for folder, names, files in os.walk(root, onerror=_stop):
        here = Path(folder)
        names[:] = sorted(name for name in names if not name.startswith(".") and here / name not in apart)
        for name in sorted(files):
            path = here / name
            if name.startswith(".") or path in apart:
                continue
            item = path.relative_to(root).as_posix()
            if not _is_utf8(item):
                shown = os.fsencode(item).decode("utf-8", "replace")
                unreadable[shown] = f"{shown}: its name is not valid UTF-8; rename the file."
            elif path.is_symlink() and not _stays(path.resolve(), root, apart):
                skipped.append(item)
            elif path.suffix.lower() in suffixes:
                items.append(SourceItem(item, path))
            else:
                skipped.append(item)
    return Listing(tuple(items), tuple(skipped), unreadable)


def read(item: SourceItem) -> bytes:
    """The bytes of an item; raises DocumentError, or OSError if the file cannot be read."""
    descriptor = os.open(item.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe named .md must not block
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise DocumentError(f"{item.item} is not a regular file: leave it out of the folder.")
        if found.st_size > MAX_BYTES:
            raise DocumentError(
                f"{item.item} has {found.st_size / 2**20:.0f} MiB, more than the {MAX_BYTES // 2**20} MiB a document may have:"
                " split it, or leave it out of the folder."
            )
        return file.read(MAX_BYTES + 1)


def _stays(target: Path, root: Path, apart: Collection[Path]) -> bool:
    """Whether a link's target is one of the source's own files: through a link, nobody may read more than by the file."""
    if not target.is_relative_to(root) or any(target.is_relative_to(other) for other in apart):
        return False
    return not any(part.startswith(".") for part in target.relative_to(root).parts)


def _stop(error: OSError) -> None:
    raise SourceError(
        f"{error.filename} cannot be listed ({error.strerror}): check its permissions. Nothing was changed."
    ) from error


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
