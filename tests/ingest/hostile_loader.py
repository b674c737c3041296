"""A loader that does to its process what the bytes say; anything else is parsed as it should be."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ingest.loaders import parse as parse_honestly
from retrieval.documents import Document

LOADER = "tests.ingest.hostile_loader:parse"
ORDER = b"do: "


def order(what: str) -> bytes:
    return ORDER + what.encode()


def parse(name: str, data: bytes) -> Document:
    if not data.startswith(ORDER):
        return parse_honestly(name, data)
    what, _, argument = data.removeprefix(ORDER).decode().partition(" ")
    said = _DEEDS[what](argument)
    return Document("done", str(said) or "nothing", "en")


def _loop(_: str) -> object:
    while True:
        pass


def _allocate(_: str) -> object:
    kept = []
    while True:
        kept.append(bytearray(2**28))  # few and large: it must not be the time that runs out


def _crash(_: str) -> object:
    return ctypes.string_at(0)


def _flood(_: str) -> object:
    for _ in range(500):
        sys.stdout.write("secret " * 2_000)
        sys.stderr.write("secret " * 2_000)
        os.write(1, b"x" * 10_000)
    return "flooded"


def _libc(call: Callable[[ctypes.CDLL], int]) -> object:
    """What native code gets, which no audit hook sees."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = call(libc)
    return f"{result} {os.strerror(ctypes.get_errno())}"


def _answers() -> int:
    return int(json.loads(sys.argv[1])["answers"])


def _write_raw(raw: bytes) -> object:
    return os.write(_answers(), raw)


def _forge(argument: str) -> object:
    """An answer to order 0, the first of a child, with the given structure in JSON."""
    head = argument.encode()
    os.write(_answers(), struct.pack("!III", len(head), 5, 0) + head + b"hello")
    time.sleep(60)
    return None


def _thread(_: str) -> object:
    done: list[str] = []
    thread = threading.Thread(target=lambda: done.append("done"))
    thread.start()
    thread.join()
    return done


def _raise(argument: str) -> object:
    raise {"exit": SystemExit, "interrupt": KeyboardInterrupt, "memory": MemoryError, "bug": ZeroDivisionError}[
        argument
    ]("secret")


_DEEDS: dict[str, Callable[[str], object]] = {
    "loop": _loop,
    "sleep": lambda seconds: time.sleep(float(seconds)),
    "allocate": _allocate,
    "crash": _crash,
    "abort": lambda _: os.abort(),
    "exit": lambda status: os._exit(int(status)),
    "raise": _raise,
    "flood": _flood,
    "thread": _thread,
    "large": lambda size: "word " * int(size),
    "surrogates": lambda _: "half \ud83d\ude00 done",
    "environment": lambda _: sorted(os.environ),
    "pid": lambda _: os.getpid(),
    "input": lambda _: repr(sys.stdin.read()),
    "eat": lambda _: _libc(lambda libc: libc.read(0, ctypes.create_string_buffer(9), 9)),
    "interrupted": lambda _: os.kill(os.getpid(), signal.SIGINT),
    # what Python may not
    "connect": lambda _: socket.create_connection(("127.0.0.1", 9), 1),
    "resolve": lambda _: socket.getaddrinfo("example.com", 80),
    "run": lambda _: subprocess.run(["/bin/true"], check=True),
    "system": lambda _: os.system("true"),  # noqa: S605
    "fork": lambda _: os.fork(),
    "read": lambda path: Path(path).read_text("latin-1"),
    "write": lambda path: Path(path).write_text("x"),
    "remove": lambda path: Path(path).unlink(),
    "kill": lambda pid: os.kill(int(pid), signal.SIGKILL),
    # what native code may not
    "native-socket": lambda _: _libc(lambda libc: libc.socket(2, 1, 0)),
    "native-fork": lambda _: _libc(lambda libc: libc.fork()),
    "native-exec": lambda _: _libc(lambda libc: libc.execv(b"/bin/true", (ctypes.c_char_p * 2)(b"true", None))),
    "native-system": lambda _: _libc(lambda libc: libc.system(b"true")),
    "native-write": lambda path: _libc(lambda libc: libc.open(path.encode(), os.O_WRONLY | os.O_CREAT, 0o600)),
    "native-remove": lambda path: _libc(lambda libc: libc.unlink(path.encode())),
    "native-kill": lambda pid: _libc(lambda libc: libc.kill(int(pid), 0)),
    "native-trace": lambda pid: _libc(lambda libc: libc.ptrace(16, int(pid), None, None)),
    # what no parent may believe
    "garbage": lambda _: _write_raw(b"\xff" * 5_000),
    "forge": _forge,
    "close": lambda _: (os.close(_answers()), time.sleep(60)),
    "silence": lambda _: time.sleep(3600),
}
