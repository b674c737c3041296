"""What every test stands under: no network but loopback, no settings from outside, a data folder of its own.

The guard stands in Python's `socket`: a program that a test starts is not under it.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.offline import forbid_telemetry


def _stays_here(host: Any) -> bool:
    """True for this machine's own names: none at all, localhost, and the addresses of loopback."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name in (None, "localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _to_address(real: Callable[..., Any], place: Callable[[tuple[Any, ...]], Any]) -> Callable[..., Any]:
    """A method of a socket that refuses to go elsewhere; `place` finds the address among its arguments."""

    def guarded(self: socket.socket, *arguments: Any) -> Any:
        address = place(arguments)
        if self.family in (socket.AF_INET, socket.AF_INET6) and address is not None and not _stays_here(address[0]):
            raise AssertionError(f"a test tried to reach {address}")
        return real(self, *arguments)

    return guarded


def _by_name(real: Callable[..., Any]) -> Callable[..., Any]:
    """A function that looks up a name, refusing those a name server would have to be asked for."""

    def guarded(host: Any, *arguments: Any, **named: Any) -> Any:
        if not _stays_here(host):
            raise AssertionError(f"a test tried to look up {host!r}")
        return real(host, *arguments, **named)

    return guarded


@pytest.fixture(autouse=True, scope="session")
def no_telemetry() -> None:
    forbid_telemetry(os.environ)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails any connection, packet or look-up that would leave the machine."""
    places: dict[str, Callable[[tuple[Any, ...]], Any]] = {
        "connect": lambda arguments: arguments[0],
        "connect_ex": lambda arguments: arguments[0],
        "sendto": lambda arguments: arguments[-1],
        "sendmsg": lambda arguments: arguments[3] if len(arguments) > 3 else None,
    }
    for method, place in places.items():
        monkeypatch.setattr(socket.socket, method, _to_address(getattr(socket.socket, method), place))
    for function in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        monkeypatch.setattr(socket, function, _by_name(getattr(socket, function)))


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
