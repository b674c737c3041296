"""`kura index`: generations listed, gone back to, dropped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bot.cli.conftest import Ended

Kura = Callable[..., Ended]
HOTEL = "What is the hotel limit per night in Europe?"


@pytest.fixture
def smaller(kura: Kura, ingested: Path) -> None:
    """Smaller passages were set and ingested: generation 2 answers."""
    Path("kura.toml").write_text("[ingest]\npassage = 400\n")
    ended = kura("ingest", str(ingested))
    assert ended.code == 0
    assert "generation 2" in ended.out


def test_generations_are_listed_and_gone_back_to(kura: Kura, smaller: None, ingested: Path) -> None:
    before, after = kura("index", "list", "--json").json
    assert (before["answers"], after["answers"]) == (False, True)
    assert before["documents"] == after["documents"] == 3
    ended = kura("index", "switch", "1")
    assert "Generation 1 answers now" in ended.out
    assert "set them back" in ended.err
    assert "180 EUR" in kura("ask", HOTEL).out
    assert kura("index", "list").out.startswith("* 1")
    assert "generation" not in kura("ingest", str(ingested)).out  # who went back is not brought forward again


def test_a_generation_that_does_not_answer_is_dropped(kura: Kura, smaller: None) -> None:
    assert kura("index", "drop", "2").code == 1
    assert kura("index", "drop", "1").code == 0
    assert [one["number"] for one in kura("index", "list", "--json").json] == [2]
    ended = kura("index", "switch", "1")
    assert (ended.code, "no generation 1" in ended.err) == (1, True)
    assert kura("index", "switch", "nine").code == 2
