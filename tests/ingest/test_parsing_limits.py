"""What a parser may not do, tried from Python and from native code, in a real child."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.parsing import ChildParser, Parsed, ParseLimits, ParseRequest
from ingest.parsing_limits import _AARCH64, _X86_64, _instructions
from ingest.parsing_process import _environment
from tests.ingest.hostile_loader import LOADER, order

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="system calls are filtered on Linux")


@pytest.fixture(scope="module")
def parser() -> Iterator[ChildParser]:
    made = ChildParser(loader=LOADER)
    yield made
    made.close()


def said(parser: ChildParser, what: str) -> str:
    """What the deed came to; "PermissionError" and the like if it failed."""
    [(_, outcome)] = parser.parse_all([ParseRequest("a.md", "a.md", order(what))])
    return outcome.document.text if isinstance(outcome, Parsed) else str(outcome)


@pytest.mark.parametrize(
    "deed", ["connect", "resolve", "run", "system", "fork", "read /etc/passwd", "read /proc/self/environ", "input-file"]
)
def test_python_may_not(parser: ChildParser, deed: str, tmp_path: Path) -> None:
    if deed == "input-file":
        (tmp_path / "secret").write_text("secret")
        deed = f"read {tmp_path / 'secret'}"
    assert "(PermissionError)" in said(parser, deed)


def test_python_may_not_follow_a_link_out_of_its_own_folders(parser: ChildParser) -> None:
    assert "(PermissionError)" in said(parser, f"read {Path(sys.prefix) / '..' / '..' / '..' / 'etc' / 'passwd'}")


def test_python_may_read_its_own_modules(parser: ChildParser) -> None:
    assert said(parser, f"read {os.__file__}") == Path(os.__file__).read_text("latin-1")


def test_files_are_neither_written_nor_removed(parser: ChildParser, tmp_path: Path) -> None:
    kept, new = tmp_path / "kept", tmp_path / "new"
    kept.write_text("kept")
    for deed in ("write", "remove"):
        assert "(PermissionError)" in said(parser, f"{deed} {kept}")
    assert "(PermissionError)" in said(parser, f"write {new}")
    assert "(PermissionError)" in said(parser, f"write {Path(__file__).with_suffix('.new')}")
    assert kept.read_text() == "kept"
    assert list(tmp_path.glob("*e*")) == [kept]


def test_nobody_else_is_killed(parser: ChildParser) -> None:
    assert "(PermissionError)" in said(parser, f"kill {os.getpid()}")


@LINUX
@pytest.mark.parametrize("deed", ["native-socket", "native-fork", "native-exec", "native-kill", "native-trace"])
def test_native_code_may_not(parser: ChildParser, deed: str) -> None:
    argument = os.getppid() if deed in ("native-kill", "native-trace") else ""
    assert said(parser, f"{deed} {argument}") == "-1 Operation not permitted"


@LINUX
def test_native_code_starts_no_shell(parser: ChildParser) -> None:
    assert not said(parser, "native-system").startswith("0 ")


@LINUX
def test_native_code_changes_no_file(parser: ChildParser, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    for deed in (f"native-write {kept}", f"native-write {tmp_path / 'new'}", f"native-remove {kept}"):
        assert said(parser, deed) == "-1 Operation not permitted"
    assert kept.read_text() == "kept"
    assert not (tmp_path / "new").exists()


def test_threads_are_allowed(parser: ChildParser) -> None:
    assert said(parser, "thread") == "['done']"


def test_the_child_s_orders_cannot_be_read_from_standard_input(parser: ChildParser) -> None:
    assert said(parser, "input") == "''"
    assert said(parser, "eat").startswith("0 ")


def test_an_interrupt_of_the_terminal_is_not_the_child_s_affair(parser: ChildParser) -> None:
    assert os.getpgid(int(said(parser, "pid"))) != os.getpgid(0)


def test_no_secret_of_the_parent_s_environment_reaches_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KURA_DISCORD_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    parser = ChildParser(loader=LOADER)
    names = said(parser, "environment")
    parser.close()
    assert "PYTHONPATH" in names
    assert "KURA" not in names
    assert "SECRET" not in names


def test_the_working_folder_is_no_place_to_import_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "relative", "/lib/x"])
    entries = _environment()["PYTHONPATH"].split(os.pathsep)
    assert all(Path(entry).is_absolute() for entry in entries)
    assert (Path(entries[0]) / "ingest" / "parsing_process.py").is_file()


@pytest.mark.parametrize(
    "wrong", [{"seconds": 0}, {"seconds": float("inf")}, {"memory_bytes": 0}, {"files": 0}, {"output_bytes": -1}]
)
def test_limits_limit(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        ParseLimits(**wrong)  # type: ignore[arg-type]


def test_limits_are_lowered_only_and_hold_for_native_code() -> None:
    program = (
        "import resource\n"
        "from ingest.parsing_limits import ParseLimits, limit_processor, limit_resources\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))\n"
        "limit_resources(ParseLimits(memory_bytes=10**9))\n"
        "limit_processor(0.5)\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_FSIZE), flush=True)\n"
        "while True: pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.stdout == "(30, 30) (0, 0)\n"
    assert done.returncode == -signal.SIGXCPU


def test_this_machine_has_a_network_to_be_kept_from() -> None:
    """Without it the tests above would say nothing."""
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())


def ruling(architecture: int, number: int, *arguments: int, claimed: int | None = None) -> str:
    """What the filter for an architecture says of a system call, as the kernel would run it."""
    data = {0: number, 4: claimed or architecture, **{16 + 8 * n: value for n, value in enumerate(arguments)}}
    program = list(_instructions(architecture, own_pid=77))
    tests = {0x15: int.__eq__, 0x35: int.__ge__, 0x45: lambda loaded, operand: bool(loaded & operand)}
    at = loaded = 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        if code == 0x06:
            return {0x7FFF0000: "allow", 0x80000000: "kill"}.get(operand) or errno.errorcode[operand & 0xFFFF]
        if code == 0x20:
            loaded = data[operand]
        else:
            at += if_true if tests[code](loaded, operand) else if_false


@pytest.mark.parametrize(
    ("architecture", "read", "openat", "clone", "kill", "socket_", "execve"),
    [(_X86_64, 0, 257, 56, 62, 41, 59), (_AARCH64, 63, 56, 220, 129, 198, 221)],
)
def test_the_filter_of_either_architecture_lets_through_what_reading_needs_and_no_more(
    architecture: int, read: int, openat: int, clone: int, kill: int, socket_: int, execve: int
) -> None:
    other = {_X86_64: _AARCH64, _AARCH64: _X86_64}[architecture]
    assert ruling(architecture, read, 0) == "allow"
    assert ruling(architecture, read, 0, claimed=other) == "kill"
    assert ruling(architecture, openat, 0, 0, os.O_RDONLY) == "allow"
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC):
        assert ruling(architecture, openat, 0, 0, flags) == "EPERM"
    assert ruling(architecture, clone, 0x3D0F00) == "allow"  # a thread, as pthread_create asks for it
    assert ruling(architecture, clone, signal.SIGCHLD) == "EPERM"
    assert [ruling(architecture, kill, pid) for pid in (77, 78, 2**32 - 1)] == ["allow", "EPERM", "EPERM"]
    assert [ruling(architecture, number) for number in (socket_, execve)] == ["EPERM", "EPERM"]
    assert [ruling(architecture, number) for number in (435, 437)] == ["ENOSYS", "ENOSYS"]
