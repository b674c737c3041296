"""The command line, called in this process: `kura("ask", "...")` gives its exit code, output and messages."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.cli import main


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """The command line configures logging for its process: not for the tests that follow."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def kura(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def kura(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["kura", *arguments])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as left:
            code = int(left.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Ended(code, out, err)

    return kura


@pytest.fixture
def ingested(kura: Callable[..., Ended], docs: Path) -> Path:
    """The documents are in the index; `people` for hr only."""
    assert kura("ingest", str(docs / "people"), "--readers", "hr").code == 0
    assert kura("ingest", str(docs)).code == 0
    return docs
