from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from models.offline import forbid_telemetry

PROGRAM = """
import os, sys, time
attempts = []
def guard(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"}:
        attempts.append((event, arguments[1:]))
        raise OSError("no network in this test")
sys.addaudithook(guard)

from langchain_core.callbacks import CallbackManager
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import LangChainTracer
from langsmith.utils import tracing_is_enabled
from models.offline import forbid_telemetry

def tracers():
    return [each for each in CallbackManager.configure().handlers if isinstance(each, LangChainTracer)]

if sys.argv[1] == "forbid":
    assert tracing_is_enabled()  # and so the library has remembered it
    forbid_telemetry(os.environ)
    assert not tracing_is_enabled()
seen = []
answer = RunnableLambda(lambda text: seen.extend(tracers()) or text.upper()).invoke("secret")
assert answer == "SECRET"
if seen:  # its sender runs in a thread of its own
    for _ in range(200):
        if attempts:
            break
        time.sleep(0.1)
print(len(seen), len(attempts), flush=True)
os._exit(0)
"""

HOSTILE = {
    "LANGSMITH_TRACING": "true",
    "LANGSMITH_TRACING_V2": "true",
    "LANGCHAIN_TRACING": "true",
    "LANGCHAIN_TRACING_V2": "true",
    "LANGSMITH_API_KEY": "lsv2_not_a_key",
    "LANGSMITH_ENDPOINT": "http://127.0.0.1:9",
}


def run(mode: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode],
        env=os.environ | HOSTILE,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [int(number) for number in done.stdout.split()]


def test_with_tracing_in_the_environment_a_runnable_makes_no_tracer_and_no_connection() -> None:
    assert run("forbid") == [0, 0]


def test_the_same_program_would_trace_and_connect_otherwise() -> None:
    tracers, attempts = run("allow")
    assert tracers > 0
    assert attempts > 0


def test_downloads_and_telemetry_are_switched_off_whatever_was_set() -> None:
    environ = {"HF_HUB_OFFLINE": "0", "ANONYMIZED_TELEMETRY": "True", "LANGCHAIN_API_KEY": "key", "HOME": "/home/a"}
    forbid_telemetry(environ)

    assert environ["HF_HUB_OFFLINE"] == environ["TRANSFORMERS_OFFLINE"] == "1"
    assert environ["ANONYMIZED_TELEMETRY"] == "False"
    assert "LANGCHAIN_API_KEY" not in environ
    assert environ["HOME"] == "/home/a"
