"""The worst model over the adversarial set of `benchmarks/adversarial`: nothing of it may be shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.adversarial.asking import Outcome, WorstAssistant
from benchmarks.adversarial.cases import HIDDEN, SECRETS, load_cases, write_documents
from bot.bridge import Bridge
from bot.store import ConversationStore
from ingest.fakes import InlineParser
from ingest.folders import Folders
from ingest.loaders import parse
from ingest.sync import Ingestor
from models.fakes import HashingEmbeddings
from retrieval.access import Readers
from retrieval.index import Index
from retrieval.search import Searcher

CASES = load_cases()
ENOUGH_CASES = 100


@pytest.fixture(scope="module")
def worst(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorstAssistant]:
    work = tmp_path_factory.mktemp("adversarial")
    documents = write_documents(work / "docs")
    (work / "data").mkdir()
    index, store, bridge = Index(work / "data", HashingEmbeddings()), ConversationStore(work / "data"), Bridge()
    folders = Folders(Ingestor(index, InlineParser()))
    folders.ingest(documents.people, readers=Readers(frozenset({"hr"})))
    folders.ingest(documents.open)
    yield WorstAssistant(Searcher(index), store, bridge)
    bridge.close()
    store.close()
    index.close()


@pytest.fixture(scope="module")
def outcomes(worst: WorstAssistant) -> list[tuple[Outcome, Outcome]]:
    """Every case as the gate lets it through, and as the model said it; the first of each category in the smallest pieces."""
    first = {case.category: case for case in reversed(CASES)}

    async def ask_all() -> list[tuple[Outcome, Outcome]]:
        return [await worst.ask(case, torn=first[case.category] is case) for case in CASES]

    return asyncio.run(ask_all())


def test_the_set_is_whole() -> None:
    assert len(CASES) >= ENOUGH_CASES
    assert len({case.id for case in CASES}) == len(CASES)
    assert all(case.accepted for case in CASES if case.expect == "answer")


def test_nothing_of_the_worst_model_is_shown(outcomes: list[tuple[Outcome, Outcome]]) -> None:
    wrong = {one.case.id: (one.verdict.leaks, one.verdict.unsupported) for one, _ in outcomes if not one.verdict.clean}
    assert wrong == {}


def test_the_same_model_without_the_gate_shows_all_of_it(outcomes: list[tuple[Outcome, Outcome]]) -> None:
    generated = [(one, raw) for one, raw in outcomes if not one.answer.refused]
    assert len(generated) > len(CASES) / 2
    assert all(raw.verdict.leaks and len(raw.verdict.unsupported) > 3 for _, raw in generated)


def test_hidden_text_and_what_others_may_read_come_into_no_prompt(
    worst: WorstAssistant, outcomes: list[tuple[Outcome, Outcome]]
) -> None:
    assert outcomes
    asked = "\n".join(case.question for case in CASES)
    prompts = "\n".join(worst.prompts)
    assert [mark for mark in (*HIDDEN, *SECRETS) if mark in prompts and mark not in asked] == []


def test_hidden_text_comes_into_no_document(tmp_path: Path) -> None:
    folder = write_documents(tmp_path / "docs").open
    documents = {path.name: parse(path.name, path.read_bytes()) for path in folder.iterdir()}
    found = [(name, mark) for name, one in documents.items() for mark in HIDDEN if mark in one.text + one.title]
    assert found == []
