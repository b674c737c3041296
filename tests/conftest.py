"""What every test stands under: no network but loopback, no settings from outside, a data folder of its own."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from models.offline import forbid_telemetry

LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(autouse=True, scope="session")
def no_telemetry() -> None:
    forbid_telemetry(os.environ)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails any connection that would leave the machine."""

    def guarded(real: Any) -> Any:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(LOOPBACK):
                raise AssertionError(f"a test tried to reach {address}")
            return real(self, address)

        return connect

    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No KURA_ variable of the machine and no kura.toml of the working folder reach a test."""
    for name in [name for name in os.environ if name.startswith("KURA_")]:
        monkeypatch.delenv(name)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("KURA_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
