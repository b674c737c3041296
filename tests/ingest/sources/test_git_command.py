from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ingest.sources.git_command import Blobs, GitCommand, GitFault


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def fake_git(folder: Path, script: str) -> None:
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)


def command(tmp_path: Path, timeout_s: float = 30, secret: str = "") -> GitCommand:
    return GitCommand(tmp_path / "mirror.git", protocol="https", secret=secret, timeout_s=timeout_s)


def ended(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().split()[2] == "Z"


def test_a_command_that_hangs_is_ended_with_its_children(path: Path, tmp_path: Path) -> None:
    fake_git(path, f"sleep 300 & echo $! > {tmp_path}/child; wait")
    with pytest.raises(GitFault, match="git fetch was stopped"):
        command(tmp_path, timeout_s=1).run("fetch")
    child = int((tmp_path / "child").read_text())
    subprocess.run(["sleep", "0.2"], check=True)
    assert ended(child)


def test_what_looks_on_can_end_a_command(path: Path, tmp_path: Path) -> None:
    fake_git(path, f"echo $$ > {tmp_path}/pid; exec sleep 300")

    def check() -> None:
        raise GitFault("enough")

    with pytest.raises(GitFault, match="enough"):
        command(tmp_path).run("fetch", check=check)
    assert ended(int((tmp_path / "pid").read_text()))


def test_a_blob_that_does_not_come_ends_the_child(path: Path, tmp_path: Path) -> None:
    fake_git(path, "exec sleep 300")
    with pytest.raises(OSError, match="lacks"):
        Blobs(command(tmp_path), timeout_s=0.2).read("0" * 40)


def test_git_runs_with_nothing_of_the_machine_but_what_it_needs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "evil")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "evil")
    monkeypatch.setenv("GIT_TRACE", f"{tmp_path}/trace")
    monkeypatch.setenv("KURA_SECRET", "evil")
    fake_git(path, 'env; echo "arguments: $*"')
    told = command(tmp_path, secret="Basic c2VjcmV0").run("fetch", "x").decode()
    assert "evil" not in told
    assert "GIT_TRACE" not in told
    for line in ("GIT_ALLOW_PROTOCOL=https", "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "arguments: fetch x"):
        assert line in told.splitlines()
    assert "BatchMode=yes" in told
    assert "c2VjcmV0" not in told.partition("arguments:")[2]


def test_settings_reach_the_real_git(tmp_path: Path) -> None:
    git = command(tmp_path, secret="Basic c2VjcmV0")
    git.run("init", "--bare", "--quiet")
    for key, value in (
        ("core.hooksPath", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("http.extraHeader", "Authorization: Basic c2VjcmV0"),
        ("http.followRedirects", "false"),
    ):
        assert git.run("config", "--get", key).decode().strip() == value


@pytest.mark.parametrize("address", ["ext::true", "http://127.0.0.1:9/x", "file:///srv/x", "git://127.0.0.1:9/x"])
def test_git_itself_refuses_every_other_protocol(tmp_path: Path, address: str) -> None:
    git = command(tmp_path)
    git.run("init", "--bare", "--quiet")
    with pytest.raises(GitFault, match=r"transport '.*' not allowed"):
        git.run("fetch", "--end-of-options", address)


def test_a_fault_says_one_printable_line(path: Path, tmp_path: Path) -> None:
    fake_git(path, "printf 'remote: \\033[31mhello\\nfatal: no \\033]0;way\\nand more\\n' >&2; exit 128")
    with pytest.raises(GitFault) as caught:
        command(tmp_path).run("fetch")
    assert str(caught.value) == "no ?]0;way"
