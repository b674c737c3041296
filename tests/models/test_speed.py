from __future__ import annotations

from pathlib import Path

import pytest

from models.cards import local_chat
from models.engine import EngineOptions
from models.errors import EngineFailed
from models.llamacpp import LlamaEngine
from models.speed import Speed, SpeedBook, measure
from tests.models.scripted import Script, ScriptedBackend, ScriptedContext, says

CARD = local_chat(Path("scripted.gguf"), sha256="a" * 64)
SPEED = Speed(800.0, 100.0, "2026-11-01T00:00:00+00:00")


def measured(script: Script, context_length: int) -> tuple[Speed, ScriptedContext]:
    context = ScriptedContext(script, context_length=context_length)
    engine = LlamaEngine(CARD, open_backend=lambda: ScriptedBackend(context))
    try:
        return measure(engine), context
    finally:
        engine.close()


def test_reading_and_writing_are_measured_with_a_short_and_a_long_prompt() -> None:
    speed, context = measured(says("x" * 100), 5000)

    assert speed.prefill > 0
    assert speed.decode > 0
    assert sum(context.decoded) > 3000  # a token is a character here


def test_a_context_too_short_for_the_long_prompt_is_measured_with_the_short_one() -> None:
    speed, context = measured(says("x" * 100), 1000)

    assert speed.prefill > 0
    assert sum(context.decoded) < 1000


def test_a_model_that_writes_nothing_cannot_be_measured() -> None:
    with pytest.raises(EngineFailed, match="wrote nothing"):
        measured(says(""), 5000)


def test_a_time_is_worth_so_many_tokens() -> None:
    assert SPEED.prompt_tokens_within(2.5) == 2000


def test_a_measurement_is_kept_for_the_same_model_run_the_same_way(tmp_path: Path) -> None:
    book = SpeedBook(tmp_path / "deep" / "speeds.json")
    assert book.get(CARD, EngineOptions()) is None
    book.put(CARD, EngineOptions(), SPEED)
    book.put(CARD, EngineOptions(threads=1), Speed(1.0, 1.0, ""))

    assert SpeedBook(tmp_path / "deep" / "speeds.json").get(CARD, EngineOptions()) == SPEED
    assert book.get(local_chat(Path("scripted.gguf"), sha256="b" * 64), EngineOptions()) is None


@pytest.mark.parametrize("content", ["", "[]", "{", '{"scripted aaaaaaaaaaaa threads=0 gpu=0": {"prefill": "fast"}}'])
def test_a_damaged_file_counts_as_empty_and_is_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "speeds" / "speeds.json"
    path.parent.mkdir()
    path.write_text(content)
    book = SpeedBook(path)
    assert book.get(CARD, EngineOptions()) is None
    book.put(CARD, EngineOptions(), SPEED)

    assert book.get(CARD, EngineOptions()) == SPEED
    assert [file.name for file in path.parent.iterdir()] == ["speeds.json"]
