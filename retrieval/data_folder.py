"""The data folder, and the lock that lets one process own it. Knows nothing of what lies inside."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from retrieval.errors import DataFolderError, DataFolderHeld

PATIENCE_S = 1.0
"""How long to wait for the folder: a question on the command line is over in less, a server never is."""


class DataFolder:
    """A folder that at most one process holds at a time; use it as a context manager, or call `release`.

    Embedded Chroma is not safe with two processes on the same files: whoever opens the index holds the folder first.
    Raises DataFolderHeld if another process has it, DataFolderError if it cannot be made or written.
    """

    def __init__(self, path: Path, *, holder: str) -> None:
        self.path = path
        make_private_folder(path)
        try:
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataFolderError(
                f"The data folder {path} cannot be written ({error.strerror}): check permissions, or choose another --data-dir."
            ) from error
        if not self._take():
            who = os.pread(self._lock, 200, 0).decode("utf-8", "replace").strip() or "another process"
            os.close(self._lock)
            raise DataFolderHeld(path, who)
        try:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{holder} (process {os.getpid()})\n".encode(), 0)
        except OSError as error:
            os.close(self._lock)
            raise DataFolderError(f"The data folder {path} cannot be written ({error.strerror}).") from error

    def _take(self) -> bool:
        """Take the lock, or give up after PATIENCE_S."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() >= until:
                    return False
                time.sleep(0.05)

    def release(self) -> None:
        """Let go of the folder. Harmless when done twice."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> DataFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def make_private_folder(path: Path) -> None:
    """Create `path` readable by its owner alone, or leave it as it is; raises DataFolderError."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (FileExistsError, NotADirectoryError) as error:
        raise DataFolderError(f"{path} is not a folder: choose another data folder with --data-dir.") from error
    except OSError as error:
        raise DataFolderError(
            f"The data folder {path} cannot be made ({error.strerror}): check permissions, or choose another --data-dir."
        ) from error
