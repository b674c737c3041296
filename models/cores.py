"""Keeps two llama.cpp processes of one user from working on the same processor cores by accident. Knows no model.

Two processes that each start a thread on every core do not halve their speed: threads of one wait, spinning, for threads
that the other keeps from running (seen: 101 tokens a second became 12). So a process takes a lock for each thread it
means to run, and who comes later runs as many threads as cores are left, at least one, and says so.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Cores:
    """Cores that this process has taken: `threads` is how many threads to run on them. Given back by `close`."""

    threads: int
    _locks: list[TextIO] = field(default_factory=list)

    def close(self) -> None:
        while self._locks:
            self._locks.pop().close()  # the lock goes with the file


def available_cores(quota: Path = _QUOTA) -> int:
    """Cores this process may run on, or as much of their time as its container has."""
    cores = len(_numbers())
    try:
        share, period = quota.read_text(encoding="ascii").split()
        return max(1, min(cores, math.ceil(int(share) / int(period))))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return cores


def _numbers() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def take(threads: int = 0, *, folder: Path | None = None, cores: int = 0) -> Cores:
    """Take cores for `threads` threads (0: one for each core). Logs a warning if other processes leave fewer than that.

    Engines of one process share their cores. Where locks cannot be had (no writable folder), the cores are taken on trust.
    """
    numbers = list(range(cores)) if cores else _numbers()
    wanted = threads or cores or available_cores()
    cores = len(numbers)
    try:
        place = _own_folder(folder or _usual_folder())
    except OSError as error:
        _log.warning("Cores are taken without a lock (%s): do not start a second model on this machine.", error)
        return Cores(wanted)
    locks: list[TextIO] = []
    ours, others = 0, set[str]()
    for number in numbers:
        if len(locks) + ours == wanted:
            break
        lock, holder = _try(place / f"{number}.lock")
        if lock is not None:
            locks.append(lock)
        elif holder == str(os.getpid()):
            ours += 1
        else:
            others.add(holder)
    got = len(locks) + ours
    if others and got < min(wanted, cores):
        _log.warning(
            "Process %s runs a model on %d of the %d cores: this one runs %d thread%s and is slower for it. Stop the other,"
            " or set model.threads for both.",
            ", ".join(sorted(others)),
            cores - got,
            cores,
            max(1, got),
            "" if got <= 1 else "s",
        )
        return Cores(max(1, got), locks)
    return Cores(wanted, locks)  # more threads than cores, if somebody asks for it


def _try(path: Path) -> tuple[TextIO | None, str]:
    """The lock, if nobody has it; and who had it last."""
    file = path.open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read(20).strip()
        file.close()
        return None, holder
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file, ""


def _usual_folder() -> Path:
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"kura-cores-{os.getuid()}"


def _own_folder(path: Path) -> Path:
    """The folder, made if need be; raises OSError if it is not this user's alone (another could hold the locks for ever)."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(f"{path} is not a folder of this user alone")
    return path
