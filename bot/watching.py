"""Folders under watch: who is told of a change, soon after it was saved. Knows no source, index or job.

One thread for each folder. A folder that vanishes is looked for again, and watched from when it is back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog

from bot.errors import Overloaded
from ingest.sources.safezip import hidden

DEBOUNCE_MS = 250
"""Changes are gathered for at most this long..."""
QUIET_MS = 50
"""...or until nothing more came for this long. An answer is to be new one second after saving."""
LOOK_MS = 1000
"""How often it is checked that the folder is still the one that is watched: its going away makes no sound everywhere."""
POLL_MS = 2000
"""How often every file is looked at where the system can watch no more."""
PAUSE_S = 1.0
"""Between attempts at a folder that is not there, and at a queue that is full."""
_RULES = ".kuraignore"
"""A hidden file whose change does change what is listed."""

Changed = Callable[[str], None]
"""Told the name of a folder in which something changed. Called from the folder's thread; may raise Overloaded."""


@contextmanager
def watched(folders: Mapping[str, Path], changed: Changed) -> Iterator[None]:
    """Call `changed` for each folder (or single file) once at the beginning, and whenever something in it changed."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=_Watch(name, path, changed, stop).run, name=f"kura-watch-{name}", daemon=True)
        for name, path in folders.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


async def watch(folders: Mapping[str, Path], changed: Changed) -> None:
    """`watched`, until cancelled: the form a server runs beside its requests."""
    with watched(folders, changed):
        await asyncio.Event().wait()


class _Watch:
    """One folder's thread."""

    def __init__(self, name: str, path: Path, changed: Changed, stop: threading.Event) -> None:
        self._name = name
        self._path = path
        self._changed = changed
        self._stop = stop
        self._log = structlog.get_logger(__name__).bind(source=name)

    def run(self) -> None:
        polling = gone = False
        while not self._stop.is_set():
            try:
                self._while_it_is_there(polling=polling)
                gone = False
            except FileNotFoundError:
                if not gone:
                    self._log.warning("a watched folder is not there: it is watched again once it is back")
                gone = True
            except OSError as error:
                self._log.warning(
                    "the system cannot watch this folder: its files are looked at instead", reason=str(error)
                )
                polling = True
            except Exception as error:  # noqa: BLE001 - a thread has nobody above it, and the folder must stay watched
                self._log.error("watching failed and is begun again", reason=repr(error))
            self._stop.wait(PAUSE_S)

    def _while_it_is_there(self, *, polling: bool) -> None:
        """Returns when it is another one than it was; raises FileNotFoundError when it is gone."""
        from watchfiles import watch as watch_files

        identity = self._identity()
        alone = not self._path.is_dir()  # editors put a new file in place of the old: its folder hears of that
        told = False
        for changes in watch_files(
            self._path.parent if alone else self._path,
            watch_filter=None,  # a round in which nothing counts is one in which to look at the folder
            debounce=DEBOUNCE_MS,
            step=QUIET_MS,
            stop_event=self._stop,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            force_polling=polling or None,  # None: as the environment says
            poll_delay_ms=POLL_MS,
            recursive=not alone,
            ignore_permission_denied=True,
        ):
            if not told or any(self._counts(Path(path), alone=alone) for _, path in changes):
                told = self._tell()  # if not, the next round does
            if self._identity() != identity:
                return

    def _tell(self) -> bool:
        try:
            self._changed(self._name)
        except Overloaded:
            self._stop.wait(PAUSE_S)
            return False
        return True

    def _identity(self) -> tuple[int, int]:
        state = self._path.stat()
        return (state.st_dev, 0) if not self._path.is_dir() else (state.st_dev, state.st_ino)

    def _counts(self, path: Path, *, alone: bool) -> bool:
        """Whether a changed path can be a document, or say which are."""
        if alone:
            return path.name == self._path.name
        try:
            parts = path.relative_to(self._path).parts
        except ValueError:  # told under another name of the same folder
            return True
        return parts[-1:] == (_RULES,) or not any(hidden(part) for part in parts)
