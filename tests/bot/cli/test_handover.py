"""`kura ingest` beside a server: one process owns the index, and the other's job is done all the same."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from bot.cli.handover import HandoverFailed, hand_over
from bot.cli.ingest import progress_bars
from bot.ingesting import IngestRequest
from bot.settings import load
from bot.wiring.handover import FILE, RunningServer, announced, new_server, running_server
from retrieval.data_folder import DataFolder
from tests.bot.cli.test_serve import KURA, environment, post, server

__all__ = ["server"]  # a fixture


def ingest(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*KURA, "ingest", *arguments], env=environment(data), capture_output=True, text=True, check=False
    )


@pytest.mark.real
def test_an_ingest_is_handed_to_the_server_that_holds_the_folder(
    server: tuple[str, subprocess.Popen[str], Path],
    docs: Path,
) -> None:
    base, _, data = server
    (docs / "travel.md").write_text("# Travel\n\nThe hotel limit per night in Europe is 245 EUR.\n")
    ended = ingest(data, str(docs), "--json")
    assert ended.returncode == 0, ended.stderr
    reports = {report["source"]: report for report in json.loads(ended.stdout)["sources"]}
    assert reports["docs"]["replaced"] == 1
    assert "245 EUR" in post(f"{base}/v1/ask", {"question": "What is the hotel limit per night in Europe?"})["answer"]
    missing = ingest(data, str(docs / "nowhere"))
    assert missing.returncode == 1
    assert "does not exist" in missing.stderr
    # what the key may, a client's token may not: paths are the command line's alone
    assert stat.S_IMODE((data / FILE).stat().st_mode) == 0o600
    request = urllib.request.Request(  # noqa: S310
        f"{base}/v1/ingest",
        json.dumps({"paths": ["/etc"]}).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer right"},
    )
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)  # noqa: S310


@pytest.mark.real
def test_a_watched_folder_answers_from_what_was_just_saved(tmp_path: Path, docs: Path) -> None:
    data = tmp_path / "watched"
    with subprocess.Popen(
        [*KURA, "ingest", "--watch", str(docs)],
        env=environment(data) | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert "3 added" in process.stdout.readline()
        assert "Watching" in process.stderr.readline()
        time.sleep(1)
        (docs / "new.md").write_text("# Parking\n\nSpaces are in the yard.\n")
        assert "1 added" in process.stdout.readline()
        process.terminate()
        process.communicate(timeout=20)


def test_what_a_killed_server_left_behind_is_passed_over(tmp_path: Path) -> None:
    told = new_server("127.0.0.1", 1, "localhost", load())
    with announced(tmp_path, told):
        assert running_server(tmp_path) is None  # nobody holds the folder
        with DataFolder(tmp_path, holder="kura serve"):
            pid = os.fork()
            if pid == 0:  # another process asks
                os._exit(0 if running_server(tmp_path) == told else 1)
            assert os.waitpid(pid, 0)[1] == 0
    assert running_server(tmp_path) is None
    (tmp_path / FILE).write_text("{broken")
    assert running_server(tmp_path) is None


def test_a_server_that_does_not_answer_is_a_sentence() -> None:
    gone: Any = RunningServer("127.0.0.1", 9, "localhost", "key", "")
    with pytest.raises(HandoverFailed, match="does not answer"):
        hand_over(gone, IngestRequest(), show=progress_bars)
