"""The guard every test stands under: nothing leaves the machine."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

ELSEWHERE = ("192.0.2.1", 9)  # an address for documentation: nobody has it


@pytest.mark.parametrize("host", ["192.0.2.1", "127.evil.example", "localhost.evil.example", "example.org"])
def test_no_connection_leaves_the_machine(host: str) -> None:
    with socket.socket() as one:
        for connect in (one.connect, one.connect_ex):
            with pytest.raises(AssertionError, match="tried to reach"):
                connect((host, 9))


@pytest.mark.parametrize(
    "send",
    [
        lambda one: one.sendto(b"x", ELSEWHERE),
        lambda one: one.sendto(b"x", 0, ELSEWHERE),
        lambda one: one.sendmsg([b"x"], [], 0, ELSEWHERE),
    ],
)
def test_no_packet_leaves_the_machine(send: Callable[[socket.socket], Any]) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        pytest.raises(AssertionError, match="tried to reach"),
    ):
        send(one)


@pytest.mark.parametrize("host", ["example.org", b"example.org", "127.evil.example", "192.0.2.1"])
def test_no_name_is_looked_up_elsewhere(host: str | bytes) -> None:
    for look_up in (lambda: socket.getaddrinfo(host, 80), lambda: socket.gethostbyname(host)):  # type: ignore[arg-type]
        with pytest.raises(AssertionError, match="tried to look up"):
            look_up()


def test_this_machine_is_reached() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        other.bind(("127.0.0.1", 0))
        one.sendto(b"x", other.getsockname())
        one.sendmsg([b"y"], [], 0, other.getsockname())
        assert (other.recv(1), other.recv(1)) == (b"x", b"y")
    assert socket.getaddrinfo("localhost", 80)
    assert socket.getaddrinfo(None, 80)
    assert socket.getaddrinfo("::1", 80, flags=socket.AI_NUMERICHOST)
