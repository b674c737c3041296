"""A git repository as a source: the files of one branch, read out of a bare copy of its newest commit. Knows no format.

The copy is shallow and never checked out. Each sync fetches the branch; whatever the newest commit does not hold any more
is dropped from the copy at once, because deleted text must be gone from the machine. An item's version is its blob's id,
so that a file is read only when its content changed: the listing of a commit says as much as a comparison of two would,
and says it of what is stored, whichever commit that came from.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

from ingest.dates import day_of
from ingest.errors import DocumentError, SourceError
from ingest.loaders import SUFFIXES
from ingest.sources import UNKNOWN_KIND, Content, Listing, SourceItem
from ingest.sources.folder import MAX_BYTES
from ingest.sources.git_address import Links, check_branch, check_folder, parse_repository
from ingest.sources.git_command import Blobs, GitCommand, GitFault
from ingest.sources.globs import Globs, shown

MOST_BYTES = 4 * 2**30
"""Of the copy of a repository's newest commit; documents people read are far less."""
TIMEOUT_S = 900.0
"""For one command of git; the first fetch of a large repository over a slow line takes minutes."""
READ_TIMEOUT_S = 60.0
WAIT_S = 5.0
"""For another process to be done with the copy."""
_REF = "refs/kura/newest"
_DONE = "kura-clean"
"""A file of the copy: the commit that all others were dropped for."""
_ORIGIN = "kura-origin"
"""A file of the copy: the repository it is of, so that another one's text is never taken for this one's."""
_FILE_MODES = {b"100644", b"100755", b"100664"}
_POINTER = b"version https://git-lfs.github.com/spec/"
_MOST_POINTER_BYTES = 1024
"""By the specification of Git LFS a pointer is shorter."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file in the tree of a commit."""

    path: str
    blob: str
    size: int


class _TooLarge(Exception):
    """The copy has grown beyond what a source may have."""


class GitSource:
    """A `Source` over the git command line. `cache` is a folder of this source alone: remove it with the source.

    `folder` is the part of the repository to list; `include` and `exclude` are patterns as in .gitignore, below `folder`.
    `link` is the address of a file, with {commit}, {path} and {branch}; github.com and gitlab.com need none.
    Raises SourceError if a setting cannot be.
    """

    def __init__(
        self,
        repository: str,
        *,
        branch: str = "",
        folder: str = "",
        link: str = "",
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        suffixes: Collection[str] = SUFFIXES,
        cache: Path,
        timeout_s: float = TIMEOUT_S,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._repository = parse_repository(repository)
        self._branch = check_branch(branch)
        self._folder = check_folder(folder)
        self._links = Links(self._repository, branch, link)
        self._patterns = (tuple(include), tuple(exclude))
        self._globs = Globs(*self._patterns)
        self._suffixes = suffixes
        self._mirror = cache / "mirror.git"
        self._most_bytes = most_bytes
        self._sizes: dict[str, int] = {}
        self._dated: date | None = None
        self._git = GitCommand(
            self._mirror,
            protocol=self._repository.protocol,
            secret=self._repository.secret,
            timeout_s=timeout_s,
        )
        self._blobs = Blobs(self._git, READ_TIMEOUT_S)

    @property
    def root(self) -> str:
        """The repository's address without credentials, and `#branch:folder` and patterns where they are set."""
        part = f"{self._branch}:{self._folder}" if self._folder else self._branch
        return self._repository.url + (f"#{part}" if part else "") + shown(self._patterns)

    def list(self, known: Mapping[str, str]) -> Listing:
        """The files of the newest commit, fetched now."""
        self.close()
        try:
            return self._list(known)
        except SourceError:
            self.close()
            raise

    def _list(self, known: Mapping[str, str]) -> Listing:
        commit, lines = self._fetch()
        items: list[SourceItem] = []
        skipped: dict[str, str] = {}
        unreadable: dict[str, str] = {}
        above = f"{self._folder}/" if self._folder else ""
        for entry in self._entries(lines, above, unreadable):
            path = PurePosixPath(entry.path)
            if any(part.startswith(".") for part in path.parts) or not self._globs.takes_below(entry.path):
                continue
            if path.suffix.lower() not in self._suffixes:
                skipped[entry.path] = UNKNOWN_KIND
                continue
            if self._is_pointer(entry, known):
                skipped[entry.path] = "its content is in Git LFS"
                continue
            self._sizes[entry.blob] = entry.size
            items.append(SourceItem(entry.path, entry.blob, self._links.to(commit, above + entry.path), path.name))
        return Listing(tuple(items), skipped, unreadable)

    def read(self, item: SourceItem) -> Content:
        """The bytes of the blob that was listed."""
        size = self._sizes.get(item.version, 0)
        if size > MAX_BYTES:
            raise DocumentError(
                f"{item.item} has {size / 2**20:.0f} MiB, more than the {MAX_BYTES // 2**20} MiB a document may have:"
                " split it, or exclude it from the source."
            )
        if not re.fullmatch("[0-9a-f]{40,64}", item.version):
            raise DocumentError(f"{item.item} was not listed by a git source: run the sync again.")
        try:
            return Content(self._blobs.read(item.version), item.version, dated=self._dated)
        except OSError:
            (self._mirror / _ORIGIN).unlink(missing_ok=True)  # damaged: the next sync makes it anew
            raise

    def close(self) -> None:
        """End the child and let others have the copy; it stays, for the next sync to go on from."""
        self._blobs.close()
        self._sizes.clear()
        if self._git.held:
            self._git.held.close()
            self._git.held = None

    def _is_pointer(self, entry: _Entry, known: Mapping[str, str]) -> bool:
        """Whether the file's text is elsewhere, in Git LFS, which is not asked for it."""
        if entry.size > _MOST_POINTER_BYTES or known.get(entry.path) == entry.blob:
            return False
        try:
            return self._blobs.read(entry.blob).startswith(_POINTER)
        except OSError:
            return False  # reading it as an item will say why

    def _fetch(self) -> tuple[str, Sequence[bytes]]:
        """The newest commit and its files, in a copy without anything older; a broken copy is made anew."""
        try:
            self._take()
            fresh = self._open()
            try:
                return self._update()
            except GitFault:
                if fresh or self._is_sound():
                    raise
            shutil.rmtree(self._mirror)
            self._open()
            return self._update()
        except _TooLarge as error:
            shutil.rmtree(self._mirror)
            raise SourceError(
                f"{self._repository.url} is larger than the {self._most_bytes / 2**30:.1f} GiB a source may have: name a"
                " smaller repository. Nothing was changed."
            ) from error
        except GitFault as fault:
            raise SourceError(self._sentence(str(fault))) from fault
        except OSError as error:
            raise SourceError(
                f"The copy of {self._repository.url} cannot be written to {self._mirror} ({error.strerror}): free some space"
                " or check its permissions."
            ) from error

    def _take(self) -> None:
        """Hold the copy for this process and the git it starts: one that outlives a killed process still holds it."""
        self._mirror.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = self._git.held = (self._mirror.parent / "lock").open("wb")
        for wait_s in (*[WAIT_S / 10] * 10, 0.0):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(wait_s)
        raise SourceError(f"{self._repository.url} is being fetched by another process: wait until it is done.")

    def _open(self) -> bool:
        """Make the copy, unless it is there; what a killed git left behind is removed. True if it is new."""
        origin = self._mirror / _ORIGIN
        if origin.is_file() and origin.read_text(encoding="utf-8") == self.root:
            for pattern in ("**/*.lock", "objects/**/tmp_*", "objects/**/.tmp-*", "objects/incoming-*"):
                for left in list(self._mirror.glob(pattern)):
                    shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
            return False
        if self._mirror.exists():
            shutil.rmtree(self._mirror)
        self._git.run("init", "--bare", "--quiet", "--template=", "--initial-branch=none")
        origin.write_text(self.root, encoding="utf-8")
        return True

    def _update(self) -> tuple[str, Sequence[bytes]]:
        wanted = f"refs/heads/{self._branch}" if self._branch else "HEAD"
        self._git.run(
            *(
                "fetch",
                "--quiet",
                "--depth=1",
                "--no-tags",
                "--no-recurse-submodules",
                "--no-write-fetch-head",
                "--force",
            ),
            *("--no-auto-maintenance", "--end-of-options", self._repository.url, f"+{wanted}:{_REF}"),
            check=self._check_size,
        )
        told = self._git.run("rev-list", "--max-count=1", "--timestamp", _REF).decode("ascii")
        committed_at, commit = told.split()
        # a copy without the commits before cannot say when each file changed: none changed later
        self._dated = day_of(float(committed_at))
        done = self._mirror / _DONE
        if not done.is_file() or done.read_text(encoding="ascii") != commit:
            # Packs are written anew with what the commit holds, and the rest is dropped.
            self._git.run("repack", "-a", "-d", "-q")
            self._git.run("prune", "--expire=now")
            done.write_text(commit, encoding="ascii")
        self._check_size()
        # The whole tree, because only a missing object may fail here; git has no empty folders.
        lines = self._git.run("ls-tree", "-r", "-z", "--long", "--full-tree", commit).split(b"\0")[:-1]
        if any(line.partition(b"\t")[0].endswith(b" BAD") for line in lines):
            raise GitFault("its copy is damaged")
        return commit, lines

    def _entries(self, lines: Sequence[bytes], above: str, unreadable: dict[str, str]) -> Iterable[_Entry]:
        """The files below the folder; links and submodules are passed over, and names that are no UTF-8 reported."""
        below = [line for line in lines if line.partition(b"\t")[2].startswith(above.encode())]
        if above and not below:
            raise SourceError(
                f"{self._repository.url} has no folder {self._folder!r}: check the source's settings. Nothing was changed."
            )
        for line in below:
            head, _, name = line.partition(b"\t")
            mode, _, blob, size = head.split()
            if mode not in _FILE_MODES:
                continue
            shown = name.decode("utf-8", "replace").removeprefix(above)
            if shown.encode() != name.removeprefix(above.encode()):
                unreadable[shown] = f"{shown}: its name is not valid UTF-8; rename the file."
                continue
            yield _Entry(shown, blob.decode("ascii"), int(size))

    def _is_sound(self) -> bool:
        try:
            self._git.run("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
            return (self._mirror / "HEAD").is_file()
        except GitFault:
            return False

    def _check_size(self) -> None:
        if (
            sum(_size(Path(folder, name)) for folder, _, names in os.walk(self._mirror) for name in names)
            > self._most_bytes
        ):
            raise _TooLarge

    def _sentence(self, said: str) -> str:
        url = self._repository.url
        if "find remote ref" in said:
            missing = f"no branch {self._branch}" if self._branch else "no commit yet"
            return f"{url} has {missing}: check the source's settings. Nothing was changed."
        if "dubious ownership" in said:
            return (
                f"{url} belongs to another user: give it to the user that Kura runs as, or read it over ssh or https."
                " Nothing was changed."
            )
        return (
            f"{url} cannot be fetched ({said.rstrip('.')}): check its address, network and access. Nothing was changed."
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # git renames while it works
        return 0
