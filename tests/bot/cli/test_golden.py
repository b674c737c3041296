"""Golden questions from the command line: `kura eval golden`, and what `kura serve` and `kura index switch` make of them."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from langchain_core.outputs import ChatGenerationChunk

from bot.prompting import NOT_THERE
from bot.wiring import listen
from models.fakes import ScriptedChat
from tests.bot.cli.conftest import Ended
from tests.bot.cli.test_serve import KURA, environment

Kura = Callable[..., Ended]
GOLDEN = '[answer]\ngolden = "golden.jsonl"\n'
MUTE = f'[model]\ncomponent = "models.fakes.ScriptedChat"\narguments = {{ answers = {json.dumps([NOT_THERE] * 9)} }}\n'
"""A model that finds nothing in the documents."""


class KnockingChat(ScriptedChat):
    """Writes down whether a port lets it in, whenever it is asked."""

    port: int

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        with socket.socket() as knocking:
            Path("knocked").write_text("let in" if knocking.connect_ex(("127.0.0.1", self.port)) == 0 else "refused")
        yield from super()._stream(*args, **kwargs)


def write_golden(folder: Path) -> None:
    case = {"question": "What is the hotel limit per night in Europe?", "accepted": ["180 EUR"]}
    (folder / "golden.jsonl").write_text(json.dumps(case) + "\n")
    (folder / "kura.toml").write_text(GOLDEN)
    (folder / "mute.toml").write_text(GOLDEN + MUTE)


@pytest.fixture
def golden(kura: Kura, ingested: Path) -> None:
    """The golden questions were asked, and are the measure."""
    write_golden(Path())
    ended = kura("eval", "golden")
    assert ended.code == 0
    assert "1 golden question asked (answer 1.000, refusal 1.000)" in ended.out


def test_a_server_does_not_start_with_what_answers_worse(kura: Kura, golden: None) -> None:
    for asked in (True, False):  # what was refused is not asked at each start of a supervisor
        ended = kura("--config", "mute.toml", "serve", "--port", "0")
        assert ended.code == 1
        assert ("they come first" in ended.err) is asked
        assert "of 1 golden question it answers 1 worse (answer 1.000 → 0.000" in ended.err
        assert "→ ScriptedChat" in ended.err
        assert "kura serve --anyway" in ended.err
    ended = kura("--config", "mute.toml", "eval", "golden")
    assert (ended.code, "answers 1 worse" in ended.err) == (1, True)


def test_where_questions_cannot_be_asked_a_server_does_not_start_and_asks_again_next_time(
    kura: Kura, golden: None
) -> None:
    Path("broken.toml").write_text(f'{GOLDEN}[model]\ncomponent = "models.fakes.ScriptedChat"\n')
    for _ in range(2):
        ended = kura("--config", "broken.toml", "serve", "--port", "0")
        assert (ended.code, "they come first" in ended.err) == (1, True)
        assert "could not be asked" in ended.err
        assert "`kura eval golden`" in ended.err
        assert "is the measure" not in ended.err


def test_nobody_is_let_in_while_golden_questions_are_asked(kura: Kura, golden: None) -> None:
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    Path("knocking.toml").write_text(
        f'{GOLDEN}[model]\ncomponent = "{KnockingChat.__module__}.KnockingChat"\n'
        f"arguments = {{ answers = {json.dumps([NOT_THERE])}, port = {port} }}\n"
    )
    assert kura("--config", "knocking.toml", "serve", "--port", str(port)).code == 1
    assert Path("knocked").read_text() == "refused"


def test_questions_that_cannot_be_read_are_wrong_settings(kura: Kura, golden: None) -> None:
    Path("golden.jsonl").write_text("no suite")
    for command in (("serve", "--port", "0"), ("eval", "golden")):
        ended = kura(*command)
        assert (ended.code, "answer.golden: the golden questions cannot be asked" in ended.err) == (2, True)
    Path("kura.toml").write_text("")
    assert "name a suite as answer.golden" in kura("eval", "golden").err


def test_what_is_overruled_is_told_and_then_the_measure(kura: Kura, golden: None) -> None:
    ended = kura("--config", "mute.toml", "eval", "golden", "--anyway", "--json")
    assert (ended.code, ended.json["scores"]["answer"]["mean"]) == (0, 0.0)
    assert "answers 1 worse" in ended.err
    assert kura("--config", "mute.toml", "eval", "golden").err == ""


def test_a_switch_asks_them_unless_it_is_made_anyway(kura: Kura, golden: None, ingested: Path) -> None:
    Path("kura.toml").write_text(f"[ingest]\npassage = 400\n{GOLDEN}")
    assert "generation 2" in kura("ingest", str(ingested)).out
    Path("golden.jsonl").write_text("no suite")
    ended = kura("index", "switch", "1")
    assert ended.code == 1
    assert "Generation 1 does not answer: the golden questions cannot be asked" in ended.err
    assert "`kura index switch 1 --anyway`" in ended.err
    assert "Generation 1 answers now" in kura("index", "switch", "1", "--anyway").out


@pytest.mark.real
def test_beside_a_server_questions_are_asked_by_it(tmp_path: Path) -> None:
    data = tmp_path / "served"
    write_golden(tmp_path)
    (tmp_path / "company").mkdir()
    (tmp_path / "company" / "hotels.md").write_text("# Travel\n\nThe hotel limit per night in Europe is 180 EUR.\n")

    def kura(*arguments: str, config: str = "kura.toml") -> subprocess.CompletedProcess[str]:
        command = [*KURA, "--config", config, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment(data), capture_output=True, text=True, check=False)

    assert kura("ingest", "company").returncode == 0
    assert kura("eval", "golden").returncode == 0
    serve = [*KURA, "--config", "mute.toml", "serve", "--port", "0", "--anyway"]
    with (
        subprocess.Popen(serve, cwd=tmp_path, env=environment(data), stderr=subprocess.PIPE, text=True) as process,
        ExitStack() as ending,
    ):
        ending.callback(process.terminate)
        assert process.stderr is not None
        said = ""
        while "Kura answers on" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        assert "they come first" in said
        assert "answers 1 worse (answer 1.000 → 0.000" in said
        logs = threading.Thread(target=process.stderr.read)
        logs.start()
        ending.callback(logs.join, 10)
        ending.callback(process.terminate)
        evaluated = kura("eval", "run", "golden.jsonl", "--trials", "2", config="mute.toml")
        assert (evaluated.returncode, "answer       0.000" in evaluated.stdout) == (0, True), evaluated.stderr
        again = kura("eval", "golden", config="mute.toml")
        assert (again.returncode, "1 golden question asked" in again.stdout) == (0, True), again.stderr
        assert kura("calibrate", "--questions", "50").returncode == 2  # other settings
        for arguments in (("--style", "quote"), ("--config", "mute.toml", "--config", "kura.toml")):
            assert kura("eval", "run", "golden.jsonl", *arguments, config="mute.toml").returncode == 2
