"""How the command line finds the server that holds its data folder: a file only its owner can read, with a key in it.

The server writes it when it listens and removes it at its end; a file that a killed server left is passed over, because
the folder's lock is free then.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from bot.errors import SettingsError
from bot.settings import Settings
from retrieval.data_folder import DataFolder, make_private_folder
from retrieval.errors import DataFolderHeld

FILE = "server.json"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where the server that holds a data folder listens, the host name it answers to, and the key to it."""

    address: str
    port: int
    host: str
    key: str
    settings: str
    """What it was started with (`digest`): a job handed over is done by those settings."""

    @property
    def key_sha256(self) -> str:
        """What the server knows of the key."""
        return sha256(self.key.encode()).hexdigest()


def digest(settings: Settings) -> str:
    """Names what a job depends on in the settings."""
    told = (*settings.sources, settings.ingest, settings.embedder, settings.answer, settings.model)
    return sha256("\n".join(one.model_dump_json() for one in told).encode()).hexdigest()


def new_server(address: str, port: int, host: str, settings: Settings) -> RunningServer:
    """A server with a key of its own. One that listens on every address is reached on the loopback one."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - read, not listened on
    return RunningServer(reached, port, host, secrets.token_urlsafe(32), digest(settings))


@contextmanager
def announced(folder: Path, server: RunningServer) -> Iterator[None]:
    """Let the command line find a server as long as this lasts."""
    make_private_folder(folder)
    path = folder / FILE
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(server), file)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running_server(folder: Path) -> RunningServer | None:
    """The server that holds a data folder now; None if there is none, or it is no server that holds it."""
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        server = RunningServer(**told)
    except (OSError, ValueError, TypeError):
        return None
    try:
        DataFolder(folder, holder="the command line").release()
    except DataFolderHeld:
        return server
    return None


def check_settings(server: RunningServer, settings: Settings) -> None:
    """Raises SettingsError unless a job handed over is done as it would be done here."""
    if server.settings != digest(settings):
        raise SettingsError(
            "The server that holds the data folder was started with other settings: restart `kura serve`, or stop it and run"
            " this again."
        )
