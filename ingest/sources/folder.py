"""A source that lies on the machine: a folder, or a single file; zip files count as folders.

Knows no format beyond suffixes. Whoever may write into the folder may not make it read anything outside: links lead to
files that are listed themselves, and a file is opened part by part of its path, following none.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingest.dates import day_of
from ingest.errors import DocumentError, SourceError
from ingest.loaders import SUFFIXES
from ingest.sources import UNKNOWN_KIND, Content, Listing, SourceItem
from ingest.sources.archives import Archive
from ingest.sources.files import being_written, is_utf8, open_below, unchanged
from ingest.sources.globs import Globs
from ingest.sources.safezip import hidden

MAX_BYTES = 100 * 2**20
"""A larger file is no document people read; it is refused by name."""

IGNORE_FILE = ".kuraignore"
"""In the folder's root: patterns of what is no document, as in a `.gitignore`."""

_IGNORE_FILE_BYTES = 2**20
_RACY_NS = 2 * 10**9
"""A file changed so shortly ago may change again without its times showing it: two seconds is the coarsest clock of a
file system (FAT); git has the same rule for the same reason."""


@dataclass(slots=True)
class _Found:
    """What a listing has come upon so far; `closed` are the archives that cannot be opened now."""

    items: list[SourceItem] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    zips: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _OpenArchive:
    """The archive that was read last, and what its file was like when it was opened."""

    item: str
    archive: Archive
    descriptor: int
    state: os.stat_result
    token: str


class FolderSource:
    """The documents below a path. An item is a path below it; a member of a zip file stands below the zip file's path.

    `include` and `exclude` are patterns as in a `.gitignore`, to which the folder's own `.kuraignore` is added; hidden
    files and the trees in `apart` (sources of their own) are passed over. `now` is the time in nanoseconds.
    Raises SourceError for a pattern that is none.
    """

    def __init__(
        self,
        path: Path,
        *,
        suffixes: Collection[str] = SUFFIXES,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        apart: Collection[Path] = (),
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._path = path
        self._root = os.path.realpath(path)
        self._folder = self._root  # the parent of a single file
        self._suffixes = suffixes
        self._include, self._exclude = tuple(include), tuple(exclude)
        self._globs = Globs(self._include, self._exclude)
        inside = (os.path.realpath(tree) for tree in apart)
        self._apart = frozenset(
            tree for tree in inside if Path(tree) != Path(self._root) and Path(tree).is_relative_to(self._root)
        )
        self._now = now
        self._zips: frozenset[str] = frozenset()
        self._open: _OpenArchive | None = None

    @property
    def root(self) -> str:
        """The absolute path, without links."""
        return self._root

    def list(self, known: Mapping[str, str]) -> Listing:
        """Every document, sorted by item.

        An archive that cannot be opened now is one entry of `unreadable`, and what `known` has of it is listed as it was;
        one that is no archive any more is one of `damaged`, and its members are not listed.
        Raises SourceError if the path, a folder below it, or its `.kuraignore` cannot be read.
        """
        self.close()
        found = _Found()
        if stat.S_ISDIR(self._look_at_root().st_mode):
            self._folder = self._root
            self._globs = Globs(self._include, self._ignored() + self._exclude)
            self._walk(found)
        else:
            self._folder = str(Path(self._root).parent)
            self._take(Path(self._root).name, self._root, found)
        self._zips = frozenset(found.zips)
        for item in found.zips:
            self._list_archive(item, found)
        for item in found.closed:
            self._keep(item, known, found)
        items = tuple(sorted(found.items, key=lambda one: one.item))
        return Listing(items, dict(sorted(found.skipped.items())), found.unreadable, found.damaged)

    def read(self, item: SourceItem) -> Content:
        """An item's bytes. A file that is being written is tried twice.

        Raises DocumentError for what is too large, damaged, or no file; OSError for what is gone, may not be read, or
        is still being written: what is stored of it is kept until the next run.
        """
        archive = self._archive_of(item.item)
        if archive:
            return self._read_member(archive, item.item)
        for _ in range(2):
            with os.fdopen(self._descriptor(item.item), "rb") as file:
                before = os.fstat(file.fileno())
                _check_size(item.item, before.st_size)
                data = file.read(before.st_size + 1)
                after = os.fstat(file.fileno())
            if unchanged(before, after) and len(data) == before.st_size:
                return Content(data, self._token(after), dated=day_of(after.st_mtime))
        raise being_written(item.item)

    def close(self) -> None:
        """Close the archive that was read last."""
        if self._open:
            self._open.archive.close()
            self._open = None

    # -- listing

    def _look_at_root(self) -> os.stat_result:
        if not is_utf8(self._root):
            shown = os.fsencode(self._root).decode("utf-8", "replace")
            raise SourceError(f"{shown}: its path is not valid UTF-8; rename the folder.")
        try:
            return Path(self._root).stat()
        except FileNotFoundError as error:
            raise SourceError(
                f"{self._path} does not exist: check the spelling, or name another folder or file."
            ) from error
        except OSError as error:
            raise _not_listed(self._root, error) from error

    def _ignored(self) -> tuple[str, ...]:
        path = f"{self._root}/{IGNORE_FILE}"
        try:
            with os.fdopen(open_below(self._root, IGNORE_FILE), "rb") as file:
                data = file.read(_IGNORE_FILE_BYTES + 1)
        except FileNotFoundError:
            return ()
        except (OSError, DocumentError) as error:
            raise SourceError(
                f"{path} cannot be read: make it a plain file, or remove it. Nothing was changed."
            ) from error
        try:
            lines = tuple(data.decode("utf-8-sig").splitlines())
        except UnicodeDecodeError as error:
            raise SourceError(f"{path} is not UTF-8: save it anew. Nothing was changed.") from error
        if len(data) > _IGNORE_FILE_BYTES:
            raise SourceError(f"{path} has more than a MiB: it cannot be a list of patterns. Nothing was changed.")
        return lines

    def _walk(self, found: _Found) -> None:
        stack = [("", self._root)]
        while stack:
            above, folder = stack.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if self._is_folder(entry, above + entry.name, found):
                            stack.append((f"{above}{entry.name}/", entry.path))
            except OSError as error:
                raise _not_listed(folder, error) from error

    def _is_folder(self, entry: os.DirEntry[str], item: str, found: _Found) -> bool:
        """Whether an entry is a folder to enter; if it is a file, it is taken."""
        if hidden(entry.name) or entry.path in self._apart:
            return False
        if not entry.name.isascii() and not is_utf8(entry.name):
            shown = os.fsencode(item).decode("utf-8", "replace")
            found.unreadable[shown] = f"{shown}: its name is not valid UTF-8; rename it."
            return False
        try:
            if entry.is_dir(follow_symlinks=False):
                return self._globs.enters(item)
            self._take(item, entry.path, found, entry)
        except FileNotFoundError:
            pass  # deleted since its folder was listed
        except OSError as error:
            found.unreadable[item] = _sentence(item, error)
        return False

    def _take(self, item: str, path: str, found: _Found, entry: os.DirEntry[str] | None = None) -> None:
        suffix = _suffix(item)
        is_zip = suffix == ".zip"
        if not (self._globs.enters(item) if is_zip else self._globs.takes(item)):
            return
        is_link = entry is not None and entry.is_symlink()
        if is_link and not self._stays(os.path.realpath(path)):
            found.skipped[item] = "a link to something that is not in the source"
            return
        if not (is_zip or suffix in self._suffixes):
            found.skipped[item] = UNKNOWN_KIND
            return
        try:
            state = entry.stat() if entry is not None else Path(path).stat()
        except FileNotFoundError:
            if is_link:
                found.skipped[item] = "a link that leads nowhere"
            return
        if not stat.S_ISREG(state.st_mode):
            found.skipped[item] = "not a file"
        elif is_zip:
            found.zips.append(item)
        else:
            found.items.append(SourceItem(item, self._token(state), path, item))

    def _list_archive(self, item: str, found: _Found) -> None:
        try:
            opened = self._archive(item)
        except DocumentError as error:
            found.damaged[item] = str(error)
            return
        except OSError as error:
            found.unreadable[item] = _sentence(item, error)
            found.closed.append(item)
            return
        archive, address = opened.archive, f"{self._folder}/{item}"
        for path, entry in archive.entries.items():
            version = opened.token and f"{opened.token}-{entry.mark}"
            found.items.append(SourceItem(f"{item}/{path}", version, address, f"{item}/{entry.name}"))
        found.skipped |= {f"{item}/{path}": why for path, why in archive.skipped.items()}
        found.damaged |= {f"{item}/{path}": why for path, why in archive.damaged.items()}

    def _keep(self, closed: str, known: Mapping[str, str], found: _Found) -> None:
        address = f"{self._folder}/{closed}"
        for item, version in known.items():
            if item.startswith(closed + "/") and self._globs.takes_below(item):
                found.items.append(SourceItem(item, version, address, item))

    # -- reading

    def _archive_of(self, item: str) -> str:
        """The zip file that an item is a member of; "" if it is a file."""
        end = item.find("/") if self._zips else -1
        while end > 0:
            if item[:end] in self._zips:
                return item[:end]
            end = item.find("/", end + 1)
        return ""

    def _archive(self, item: str) -> _OpenArchive:
        """The open archive of this item; one at a time is kept."""
        if self._open and self._open.item == item:
            return self._open
        self.close()
        descriptor = self._descriptor(item)
        file = os.fdopen(descriptor, "rb")  # the archive owns it
        state = os.fstat(descriptor)
        try:
            archive = Archive(
                file,
                item,
                suffixes=self._suffixes,
                wanted=lambda path: self._globs.takes_below(f"{item}/{path}"),
                most=MAX_BYTES,
            )
        except DocumentError as error:
            if not unchanged(state, Path(self._folder, item).stat()):
                raise being_written(item) from error
            raise
        self._open = _OpenArchive(item, archive, descriptor, state, self._token(state))
        return self._open

    def _read_member(self, zip_item: str, item: str) -> Content:
        path = item[len(zip_item) + 1 :]
        for _ in range(2):
            try:
                opened = self._archive(zip_item)
            except DocumentError as error:
                raise OSError(errno.EIO, f"its archive cannot be read: {error}", item) from error
            data = b""
            fault: DocumentError | OSError | None = None
            if path in opened.archive.entries:
                try:
                    data = opened.archive.read(path)
                except DocumentError as error:
                    fault = error
            else:
                fault = FileNotFoundError(errno.ENOENT, "it is not in its archive now", item)
            if unchanged(opened.state, os.fstat(opened.descriptor)):
                if fault:
                    raise fault
                entry = opened.archive.entries[path]
                return Content(data, opened.token and f"{opened.token}-{entry.mark}", dated=entry.dated)
            self.close()
        raise being_written(item)

    def _descriptor(self, item: str) -> int:
        """An open file of this source. Raises DocumentError if the item leads anywhere else, OSError if not openable."""
        target = os.path.realpath(f"{self._folder}/{item}")
        if not self._stays(target):
            raise DocumentError(f"{item} leads out of the folder: remove the link, or put the file itself there.")
        return open_below(self._folder, target[len(self._folder.rstrip("/")) + 1 :])

    def _stays(self, target: str) -> bool:
        """Whether a path without links is one of the source's own files: a link opens nothing the file would not."""
        if self._folder != self._root:
            return target == self._root
        above = self._root.rstrip("/") + "/"
        if not target.startswith(above) or any(target == tree or target.startswith(tree + "/") for tree in self._apart):
            return False
        item = target[len(above) :]
        wanted = self._globs.enters_all(item) if _suffix(item) == ".zip" else self._globs.takes_below(item)
        return wanted and not any(hidden(part) for part in item.split("/"))

    def _token(self, state: os.stat_result) -> str:
        """A version by what one look at a file says. Not the device: its number changes with a restart."""
        if max(state.st_mtime_ns, state.st_ctime_ns) > self._now() - _RACY_NS:
            return ""
        return f"{state.st_size}-{state.st_mtime_ns}-{state.st_ctime_ns}-{state.st_ino}"


def _suffix(item: str) -> str:
    dot = item.rfind(".")
    return item[dot:].lower() if dot > item.rfind("/") else ""


def _check_size(item: str, size: int) -> None:
    if size > MAX_BYTES:
        raise DocumentError(
            f"{item} has {size / 2**20:.0f} MiB, more than the {MAX_BYTES // 2**20} MiB a document may have:"
            " split it, or leave it out of the folder."
        )


def _sentence(item: str, error: OSError) -> str:
    return f"{item} cannot be read ({error.strerror}): check its permissions; what was stored of it is kept."


def _not_listed(path: str, error: OSError) -> SourceError:
    return SourceError(f"{path} cannot be listed ({error.strerror}): check its permissions. Nothing was changed.")
