"""Which paths of a source count, by patterns as in a `.gitignore`. Knows no file system: it is asked about names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ingest.errors import SourceError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


class Globs:
    """`include` (empty: everything) and `exclude`, which wins. Later patterns override earlier ones, `!` takes back.

    As in git, nothing comes back from a folder that is excluded itself. Raises SourceError for what is no pattern.
    """

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        self._include = _spec(include)
        self._exclude = _spec(exclude)

    def takes(self, path: str) -> bool:
        """Whether a file counts; `path` is relative, with `/`. Asks nothing about the folders above it."""
        if _matches(self._exclude, path):
            return False
        return self._include is None or _matches(self._include, path)

    def enters(self, folder: str) -> bool:
        """Whether anything below a folder may count."""
        return not _matches(self._exclude, folder + "/")

    def enters_all(self, folder: str) -> bool:
        """Whether a folder and all those above it may be entered."""
        end = folder.find("/")
        while end > 0:
            if not self.enters(folder[:end]):
                return False
            end = folder.find("/", end + 1)
        return self.enters(folder)

    def takes_below(self, path: str) -> bool:
        """Whether a file counts, and each folder above it may be entered."""
        folder = path.rpartition("/")[0]
        return self.takes(path) and (not folder or self.enters_all(folder))


def _matches(spec: GitIgnoreSpec | None, path: str) -> bool:
    # no pattern holds a line break, and the library's `.` does not match one: a name with one must not get round a pattern
    return spec is not None and spec.match_file(path.replace("\n", "\r"))


def _spec(patterns: Iterable[str]) -> GitIgnoreSpec | None:
    lines = [pattern for pattern in patterns if pattern.strip() and not pattern.startswith("#")]
    if not lines:
        return None
    from pathspec import GitIgnoreSpec

    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError as error:
            raise SourceError(f"{line!r} is no pattern as in a .gitignore file: correct or remove it.") from error
    return GitIgnoreSpec.from_lines(lines)


def shown(patterns: tuple[Iterable[str], Iterable[str]]) -> str:
    """Patterns as part of what tells two sources apart: " [+include -exclude]", or "" without any."""
    include, exclude = patterns
    parts = [f"+{one}" for one in include] + [f"-{one}" for one in exclude]
    return f" [{' '.join(parts)}]" if parts else ""
