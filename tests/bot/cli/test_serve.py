"""`kura serve` as a process of its own, over loopback, with the real starter models."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real
KURA = [sys.executable, "-c", "from bot.cli import main; main()"]
HOTEL = "What is the hotel limit per night in Europe?"
BAND = "What is the top of the G4 engineer band?"
ROOT = Path(__file__).parents[3]


def environment(data: Path) -> dict[str, str]:
    # what would make libraries call home, were it not switched off
    loud = {"LANGSMITH_TRACING": "true", "LANGCHAIN_TRACING_V2": "true", "LANGSMITH_API_KEY": "x"}
    return os.environ | loud | {"KURA_DATA_DIR": str(data), "PYTHONPATH": str(ROOT)}


@pytest.fixture
def server(tmp_path: Path, docs: Path) -> Iterator[tuple[str, subprocess.Popen[str], Path]]:
    data = tmp_path / "served"
    for arguments in ([str(docs / "people"), "--readers", "hr"], [str(docs)]):
        subprocess.run([*KURA, "ingest", *arguments], env=environment(data), check=True, capture_output=True)
    config = tmp_path / "kura.toml"
    config.write_text(
        f'[[server.clients]]\nname = "portal"\ngroups = ["hr"]\ntoken_sha256 = "{sha256(b"right").hexdigest()}"\n'
    )
    with subprocess.Popen(
        [*KURA, "--config", str(config), "serve", "--port", "0"],
        env=environment(data),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.search(r"http://[\d.]+:\d+", said)
        assert found, said
        yield found[0], process, data
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def post(url: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        answer: dict[str, Any] = json.load(response)
    return answer


def test_it_answers_over_http_to_each_what_they_may_read(server: tuple[str, subprocess.Popen[str], Path]) -> None:
    base, process, data = server
    with urllib.request.urlopen(f"{base}/readyz", timeout=30) as ready:  # noqa: S310
        assert ready.status == 200
    answer = post(f"{base}/v1/ask", {"question": HOTEL, "id": "7"})
    assert (answer["id"], answer["refused"]) == ("7", False)
    assert "180 EUR" in answer["answer"]
    citation = answer["citations"][0]
    with urllib.request.urlopen(f"{base}/v1/documents/{citation['document_id']}", timeout=30) as document:  # noqa: S310
        assert json.load(document)["text"][citation["start"] : citation["end"]] == citation["quote"]
    # who may not read it, who may, and who is nobody
    assert post(f"{base}/v1/ask", {"question": BAND})["refused"]
    assert "9,800,000" in post(f"{base}/v1/ask", {"question": BAND}, "right")["answer"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        post(f"{base}/v1/ask", {"question": BAND}, "wrong")
    # the command line is told that the folder is in use
    held = subprocess.run([*KURA, "ask", HOTEL], env=environment(data), capture_output=True, text=True, check=False)
    assert held.returncode == 1
    assert f"in use by kura serve (process {process.pid})" in held.stderr
    # and an interrupt ends it
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) in {0, 130}


def test_a_port_in_use_is_said(server: tuple[str, subprocess.Popen[str], Path], tmp_path: Path) -> None:
    port = server[0].rsplit(":", 1)[1]
    ended = subprocess.run(
        [*KURA, "serve", "--port", port],
        env=environment(tmp_path / "other"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert f"Port {port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_answers_on_the_loopback_of_ipv6(tmp_path: Path) -> None:
    command = [*KURA, "serve", "--host", "::1", "--port", "0"]
    with subprocess.Popen(command, env=environment(tmp_path / "six"), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://\[::1\]:\d+", process.stderr.readline())
        try:
            assert found
            with urllib.request.urlopen(f"{found[0]}/healthz", timeout=30) as health:  # noqa: S310
                assert health.status == 200
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
