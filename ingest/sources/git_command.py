"""Runs git: argument lists only, no prompts, hooks, helpers or settings of the machine, and an end to everything.

Knows nothing of sources or items. A fault of git becomes a `GitFault` that holds the last line git said.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from ingest.errors import SourceError

_PASSED_ON = (
    # what finds programs, keys and certificates, and the company's way out
    "PATH HOME USER LOGNAME TMPDIR SSH_AUTH_SOCK SSL_CERT_FILE GIT_SSL_CAINFO GIT_SSL_CAPATH"
    " HTTPS_PROXY https_proxy ALL_PROXY all_proxy NO_PROXY no_proxy"
).split()
_SSH = "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=30"
"""Asks nobody anything: a host must be in known_hosts and a key in reach."""
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "core.logAllRefUpdates=false",  # a reflog would keep what was deleted
    "credential.helper=",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.unpackLimit=1",
    "gc.auto=0",
    "maintenance.auto=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
)
_LOOK_S = 0.5
"""Between two looks at what a running command has written."""
_SAID = 300
"""Characters of git's own words that a message may hold."""
_STDERR_KEPT = 8192


class GitFault(Exception):
    """git ended badly; says in git's own words why."""


class GitCommand:
    """git, working in one bare repository. `timeout_s` ends a command with all its children."""

    def __init__(self, folder: Path, *, protocol: str, secret: str = "", timeout_s: float) -> None:
        self.held: IO[bytes] | None = None
        """A lock file to hold for as long as any git that was started lives."""
        self._folder = folder
        self._timeout_s = timeout_s
        self._environ = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._environ |= {
            "LC_ALL": "C",
            "GIT_DIR": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_SSH_COMMAND": _SSH,
            "GIT_ALLOW_PROTOCOL": protocol,  # and no other, not even after a redirect
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }
        settings = [setting.split("=", 1) for setting in _SETTINGS]
        if secret:
            # in the environment, which only this user can read, and never handed to where a redirect points
            settings += [["http.extraHeader", f"Authorization: {secret}"], ["http.followRedirects", "false"]]
        self._environ["GIT_CONFIG_COUNT"] = str(len(settings))
        for number, (key, value) in enumerate(settings):
            self._environ[f"GIT_CONFIG_KEY_{number}"] = key
            self._environ[f"GIT_CONFIG_VALUE_{number}"] = value

    def run(self, *arguments: str, check: Callable[[], None] = lambda: None) -> bytes:
        """What git writes. Raises GitFault, and SourceError if there is no git; `check` looks on and may raise too."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with self.started(arguments, out, err) as process:
                self._wait(process, arguments[0], check)
            if process.returncode != 0:
                raise GitFault(_last_words(err) or f"git {arguments[0]} ended with {process.returncode}")
            out.seek(0)
            return out.read()

    def _wait(self, process: subprocess.Popen[bytes], name: str, check: Callable[[], None]) -> None:
        waited = 0.0
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_S)
                return
            check()
            waited += _LOOK_S
            if waited >= self._timeout_s:
                raise GitFault(f"git {name} was stopped after {self._timeout_s:.0f} s")

    @contextlib.contextmanager
    def started(
        self, arguments: Sequence[str], out: IO[bytes] | int, err: IO[bytes] | int
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A running git, which ends with the block if it has not by then."""
        process = self.start(arguments, out, err)
        try:
            yield process
        finally:
            kill(process)

    def start(self, arguments: Sequence[str], out: IO[bytes] | int, err: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """A running git with a process group of its own, for `kill`."""
        stdin = subprocess.PIPE if out == subprocess.PIPE else subprocess.DEVNULL
        try:
            return subprocess.Popen(  # noqa: S603 - git with checked arguments, no shell
                ["git", *arguments],  # noqa: S607 - the git of this machine
                stdin=stdin,
                stdout=out,
                stderr=err,
                env=self._environ,
                cwd=self._folder.parent,
                start_new_session=True,
                pass_fds=(self.held.fileno(),) if self.held else (),
            )
        except FileNotFoundError as error:
            raise SourceError("git is not installed, and a source needs it: install git on this machine.") from error


class Blobs:
    """Hands out blobs through one `git cat-file --batch`, which starts with the first and ends with `close`."""

    def __init__(self, git: GitCommand, timeout_s: float) -> None:
        self._git = git
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, blob: str) -> bytes:
        """The bytes of a blob; OSError if it is not there, or git does not answer."""
        process = self._process or self._git.start(["cat-file", "--batch"], subprocess.PIPE, subprocess.DEVNULL)
        self._process = process
        if process.stdin is None or process.stdout is None:
            raise OSError(errno.EIO, "git has no pipes")
        watchdog = threading.Timer(self._timeout_s, kill, [process])
        watchdog.start()
        try:
            process.stdin.write(blob.encode("ascii") + b"\n")
            process.stdin.flush()
            head = process.stdout.readline().split()
            if len(head) != 3 or head[1] != b"blob":
                raise OSError(errno.EIO, "the copy of the repository lacks it")
            size = int(head[2])
            data = process.stdout.read(size)
            if len(data) != size or process.stdout.read(1) != b"\n":
                raise OSError(errno.EIO, "git ended midway")
            return data
        except OSError:
            self.close()  # what else is in the pipe belongs to nobody
            raise
        finally:
            watchdog.cancel()

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            kill(self._process)
            self._process = None


def kill(process: subprocess.Popen[bytes]) -> None:
    """End git and whatever it started (ssh, helpers), and wait for it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was not sent to it is lost with it
                pipe.close()


def _last_words(err: IO[bytes]) -> str:
    """The last line that states a fault, in printable characters."""
    err.seek(0, os.SEEK_END)
    err.seek(max(0, err.tell() - _STDERR_KEPT))
    said = re.sub(r"[^\n\x20-\x7e]", "?", err.read().decode("utf-8", "replace"))
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    faults = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
    return faults[0].partition(": ")[2][:_SAID] or faults[0][:_SAID] if faults else ""
