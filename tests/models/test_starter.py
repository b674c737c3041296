from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from models import starter as room
from models.cards import ModelCard
from models.errors import ModelFileError
from models.starter import starter_requantised

FAST = "Q4_0"
"""Made in a second, where the kind in use takes half a minute."""


def test_where_it_cannot_be_made_the_packaged_one_serves_and_the_log_says_why(
    starter: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(part: Path, *_: object, **__: object) -> None:
        part.write_bytes(b"half")
        raise ModelFileError("the disk is full")

    monkeypatch.setattr(room, "quantize_into", full)
    assert starter_requantised(tmp_path / "models") == starter
    assert "the disk is full" in caplog.text
    assert not list((tmp_path / "models").glob("[!.]*"))
    assert not list((tmp_path / "models").glob("*.part"))

    caplog.clear()
    (tmp_path / "file").write_text("")
    assert starter_requantised(tmp_path / "file" / "models") == starter
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.real
def test_it_is_made_once_verified_each_time_and_made_again_when_damaged(
    starter: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(room, "KIND", FAST)
    folder = tmp_path / "data" / "models"
    card = starter_requantised(folder)
    assert (card.name, card.path.parent) == (f"SmolLM2-135M-Instruct-{FAST}", folder)
    assert (card.template, card.answer_style, card.languages) == (
        starter.template,
        starter.answer_style,
        starter.languages,
    )
    assert card.context_length == starter.context_length
    made = card.path.stat().st_mtime_ns
    assert starter_requantised(folder) == card
    assert card.path.stat().st_mtime_ns == made
    assert not caplog.records

    with card.path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"?")
    assert starter_requantised(folder) == card
    assert card.path.stat().st_mtime_ns != made
    assert "checksum" in caplog.text


@pytest.mark.real
def test_processes_that_start_together_end_with_one_good_file(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from models import starter\n"
        f"starter.KIND = {FAST!r}\n"
        "print(starter.starter_requantised(Path(sys.argv[1])).path, end='')\n"
    )
    folder = tmp_path / "data" / "models"
    command = [sys.executable, "-c", program, str(folder)]
    root = Path(__file__).parents[2]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True) for _ in range(2)]
    paths = {process.communicate(timeout=120)[0] for process in processes}
    assert paths == {str(folder / f"SmolLM2-135M-Instruct-{FAST}.gguf")}
    assert sorted(path.suffix for path in folder.glob("[!.]*")) == [".gguf", ".toml"]
