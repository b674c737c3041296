"""What becomes of the engine's child: crashes, restarts, hangs, the end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models import process, process_link
from models.cards import local_chat
from models.errors import EngineBusy, EngineFailed, ModelFileError
from models.process import ProcessEngine
from tests.models.scripted_child import COMMAND, WAIT_S, prompt, request, until

Start = Callable[..., ProcessEngine]


class Pauses:
    """Waits between restarts, as long as a test likes; `asked` are the seconds that should have been waited."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.go_on = threading.Semaphore(0)

    def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.go_on.acquire(timeout=WAIT_S)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def start(tmp_path: Path, pauses: Pauses) -> Iterator[Start]:
    engines: list[ProcessEngine] = []

    def begin(name: str = "good", command: Sequence[str] = COMMAND) -> ProcessEngine:
        engines.append(ProcessEngine(local_chat(tmp_path / f"{name}.gguf"), command=command, pause=pauses))
        return engines[-1]

    yield begin
    for engine in engines:
        pauses.go_on.release(100)
        engine.close()
        assert engine.pid is None


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGSEGV])
def test_a_crash_fails_what_is_under_way_and_the_next_child_answers(
    start: Start, pauses: Pauses, ending: signal.Signals
) -> None:
    engine = start()
    streams = [engine.generate(request("endless", max_tokens=10**9)) for _ in range(7)]
    for stream in streams:
        assert next(iter(stream)) == "x"
    streams.append(engine.generate(request(f"crash {ending.value}")))
    assert next(iter(streams[-1])) == "before the end"
    for stream in streams:
        with pytest.raises(EngineFailed, match=rf"process of the model good .*{ending.name}.*started again"):
            stream.text()
    # while it is down
    calls: list[Callable[[], object]] = [
        lambda: engine.generate(request("say 1")),
        lambda: engine.count_tokens(prompt("")),
        lambda: engine.score(prompt(""), ["a"], deadline_s=1.0),
    ]
    until(lambda: bool(pauses.asked))
    for call in calls:
        with pytest.raises(EngineBusy, match="started again") as caught:
            call()
        assert 1.0 <= caught.value.retry_after_s < WAIT_S
    assert engine.context_length == 1_000
    pauses.go_on.release()
    engine.load()
    assert engine.generate(request("say 2")).text() == "0 1 "
    assert engine.state().restarts == 1
    assert pauses.asked == [1.0]


def test_restarts_wait_longer_each_time_until_a_child_answers(start: Start, pauses: Pauses, tmp_path: Path) -> None:
    trap = tmp_path / "crashing.gguf"
    trap.touch()
    engine = start("crashing")
    with pytest.raises(EngineFailed, match="SIGSEGV"):
        engine.load()
    for attempt in range(1, 8):
        until(lambda count=attempt: len(pauses.asked) == count)  # type: ignore[misc]
        if attempt == 7:
            trap.unlink()
        pauses.go_on.release()
    engine.load()
    assert pauses.asked == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    # one that opens the model and answers nothing goes on where we were
    os.kill(engine.pid or 0, signal.SIGKILL)
    until(lambda: len(pauses.asked) == 8)
    pauses.go_on.release()
    engine.load()
    assert engine.count_tokens(prompt("")) == 3  # opens and counts, but has answered nobody
    os.kill(engine.pid or 0, signal.SIGKILL)
    until(lambda: len(pauses.asked) == 9)
    pauses.go_on.release()
    engine.load()
    assert engine.generate(request("say 1")).text() == "0 "
    os.kill(engine.pid or 0, signal.SIGKILL)
    until(lambda: len(pauses.asked) == 10)
    assert pauses.asked[7:] == [60.0, 60.0, 1.0]


def test_a_model_that_cannot_be_opened_is_tried_again_only_when_asked_for(
    start: Start, pauses: Pauses, tmp_path: Path
) -> None:
    trap = tmp_path / "refused.gguf"
    trap.touch()
    engine = start("refused")
    for _ in range(2):
        with pytest.raises(ModelFileError, match="is damaged"):
            engine.load()
        assert engine.pid is None
    with pytest.raises(ModelFileError, match="is damaged"):
        engine.generate(request("say 1"))
    trap.unlink()
    assert engine.generate(request("say 1")).text() == "0 "
    trap.touch()
    os.kill(engine.pid or 0, signal.SIGKILL)
    pauses.go_on.release()
    until(lambda: engine._attempt is None)
    with pytest.raises(ModelFileError, match="is damaged"):
        engine.generate(request("say 1"))
    assert pauses.asked == [1.0]


def test_a_program_that_cannot_be_started_is_said(tmp_path: Path, pauses: Pauses) -> None:
    engine = ProcessEngine(local_chat(tmp_path / "good.gguf"), command=[str(tmp_path / "nothing")], pause=pauses)
    with pytest.raises(EngineFailed, match="No process can be started for good"):
        engine.load()
    pauses.go_on.release(100)
    engine.close()


def test_a_child_that_hangs_is_replaced(start: Start, pauses: Pauses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_link, "GRACE_S", 0.1)
    monkeypatch.setattr(process, "WATCH_S", 0.01)
    engine = start()
    engine.load()
    pieces = iter(engine.generate(request("hang", deadline_s=0.1)))
    assert next(pieces) == "hanging"
    with pytest.raises(EngineFailed, match="did not answer in time"):
        next(pieces)
    pauses.go_on.release()
    engine.load()
    assert engine.generate(request("say 1")).text() == "0 "


def test_state_never_raises_starts_nothing_and_remembers(
    start: Start, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start()
    assert engine.state().slots == 0
    assert engine.pid is None
    engine.load()
    assert engine.state().slots == 8
    monkeypatch.setattr(process, "STATE_S", 0.01)
    os.kill(engine.pid or 0, signal.SIGSTOP)
    assert engine.state().slots == 8
    os.kill(engine.pid or 0, signal.SIGKILL)
    until(lambda: bool(pauses.asked))
    assert engine.state().slots == 8


def test_closing_fails_whoever_waits_and_is_final(start: Start) -> None:
    engine = start()
    engine.close()
    engine = start()
    generation = engine.generate(request("silent"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: engine.close(), range(4)))
    with pytest.raises(EngineFailed, match="was closed"):
        generation.text()
    calls: list[Callable[[], object]] = [
        engine.load,
        lambda: engine.generate(request("say 1")),
        lambda: engine.count_tokens(()),
    ]
    for call in calls:
        with pytest.raises(EngineFailed, match="was closed"):
            call()
    engine.close()


def test_closing_ends_a_child_that_is_stopped_or_just_opening_or_awaited(start: Start, pauses: Pauses) -> None:
    stopped, opening, down = start(), start(), start()
    stopped.load()
    pid = stopped.pid or 0
    os.kill(pid, signal.SIGSTOP)
    stopped.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)  # not even its remains are there
    with ThreadPoolExecutor() as pool:
        loading = pool.submit(opening.load)
        until(lambda: opening.pid is not None)
        opening.close()
        assert isinstance(loading.exception(WAIT_S), EngineFailed)
        down.load()
        os.kill(down.pid or 0, signal.SIGKILL)
        until(lambda: bool(pauses.asked))
        loading = pool.submit(down.load)
        pauses.go_on.release()
        down.close()
        assert isinstance(loading.exception(WAIT_S), EngineFailed)


def test_files_and_threads_do_not_grow_over_twenty_restarts(start: Start, pauses: Pauses) -> None:
    program = "import os, sys\nfor n, _ in enumerate(sys.stdin): os.write(1, b'[[%d,\"value\",3]]\\n' % n)"
    engine = start(command=[sys.executable, "-S", "-c", program])  # is there at once
    engine.load()
    pauses.go_on.release(100)

    def held() -> tuple[int, int]:
        return len(os.listdir("/dev/fd")), threading.active_count()  # noqa: PTH208

    before = held()
    for _ in range(20):
        assert engine.count_tokens(prompt("")) == 3
        died = engine._child
        assert died is not None
        os.kill(engine.pid or 0, signal.SIGKILL)
        died.over.wait(WAIT_S)
        until(lambda old=died: engine._child is not old)  # type: ignore[misc]
        engine.load()
    assert all(now <= then for now, then in zip(held(), before, strict=True))
    assert len(pauses.asked) == 20
