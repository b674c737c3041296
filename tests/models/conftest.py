from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.cards import ModelCard, starter_chat
from models.engine import EngineOptions
from models.llamacpp import LlamaEngine


@pytest.fixture(scope="session")
def starter() -> ModelCard:
    return starter_chat()


@pytest.fixture(scope="session")
def real_engine(starter: ModelCard) -> Iterator[LlamaEngine]:
    """The starter model, loaded once for all tests."""
    engine = LlamaEngine(starter, EngineOptions(context_length=1024, slots=8, queue_size=1000))
    yield engine
    engine.close()
