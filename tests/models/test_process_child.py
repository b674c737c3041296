from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.cards import local_chat
from models.errors import EngineFailed, ModelFileError
from models.process import ProcessEngine
from tests.models.scripted_child import COMMAND, WAIT_S, request, until

ROOT = Path(__file__).parent.parent.parent


def runs(pid: int) -> bool:
    """Whether a process is there and not just remains that nobody has collected."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(shown.strip()) and not shown.strip().startswith("Z")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ProcessEngine]:
    engine = ProcessEngine(local_chat(tmp_path / "good.gguf"), command=COMMAND)
    yield engine
    engine.close()


def test_what_the_engine_prints_never_reaches_the_messages(engine: ProcessEngine) -> None:
    assert engine.generate(request("print")).text() == "clean"
    assert engine.state().restarts == 0


def test_an_interrupt_from_the_terminal_does_not_end_it(engine: ProcessEngine) -> None:
    engine.load()
    assert engine.pid is not None
    assert os.getpgid(engine.pid) != os.getpgid(0)
    os.kill(engine.pid, signal.SIGINT)
    assert engine.generate(request("say 1")).text() == "0 "
    assert engine.state().restarts == 0


def test_it_ends_when_asked_to(engine: ProcessEngine) -> None:
    pieces = iter(engine.generate(request("hang")))
    next(pieces)
    os.kill(engine.pid or 0, signal.SIGTERM)
    with pytest.raises(EngineFailed, match="SIGTERM"):
        next(pieces)


@pytest.mark.parametrize("order", ["say 1", "endless", "hang"])
def test_it_ends_with_its_parent_even_in_a_native_call(tmp_path: Path, order: str) -> None:
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from models.cards import local_chat\n"
        "from models.engine import Request\n"
        "from models.process import ProcessEngine\n"
        "from models.templates import Segment\n"
        f"engine = ProcessEngine(local_chat(Path('good.gguf')), command={COMMAND!r})\n"
        f"generation = engine.generate(Request((Segment({order!r}),), 'anna', 10**9, 1000.0))\n"
        "next(iter(generation))\n"
        "print(engine.pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT)
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert runs(child)
        parent.kill()
    until(lambda: not runs(child))


def test_a_parent_that_ends_without_closing_is_not_held_up(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "from models.cards import local_chat\n"
        "from models.process import ProcessEngine\n"
        f"engine = ProcessEngine(local_chat(Path('good.gguf')), command={COMMAND!r})\n"
        "print(engine.context_length)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=ROOT, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1000\n", b"")


def test_the_real_program_is_found_from_any_folder_and_never_the_folder_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's package `models` in the working folder is not imported; the child gets as far as the file."""
    stranger = tmp_path / "models"
    stranger.mkdir()
    for name in ("__init__.py", "process_child.py"):
        (stranger / name).write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    (tmp_path / "model.gguf").write_bytes(b"")
    engine = ProcessEngine(local_chat(Path("model.gguf")))
    try:
        with pytest.raises(ModelFileError, match=r"model\.gguf"):
            engine.load()
    finally:
        engine.close()


def test_telemetry_is_off_whatever_the_parent_says(engine: ProcessEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("KURA_MARK", "kept")
    assert engine.generate(request("environment LANGSMITH_TRACING")).text() == "false"
    assert engine.generate(request("environment KURA_MARK")).text() == "kept"
