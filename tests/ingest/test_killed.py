"""Killed with SIGKILL at named steps: a reader sees old or new, and the next ordinary run ends clean."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import retrieval.index
from retrieval.probing import open_vectors
from tests.ingest.killed_child import (
    SCENARIOS,
    Point,
    child,
    prepare,
    set_up,
    trust_chroma,
    wrong_at_once,
    wrong_in_the_end,
)

pytestmark = pytest.mark.real

STEPS = {
    "first": (
        "Index._write",
        "Index._send",
        "VectorIndex.upsert",
        "Index._go_live",
        "Index.add_words",
        "words.ensure",
        "words.insert",
        "authority.put_source",
        "authority.put_vectors",
        "authority.add_version",
        "authority.add_chunks",
        "generations.add",
        "generations.make_current",
        "generations.point",
        "authority.mark_synced",
    ),
    "change": (
        "Index.put",
        "Index.remove",
        "purging.retire",
        "outbox.forget",
        "Index.work_off_outbox",
        "VectorIndex.delete",
        "words.delete",
        "words.purge",
        "purging.purge",
        "generations.unpoint",
        "authority.delete_version",
        "authority.set_source_versions",
        "authority.delete_unused_vectors",
    ),
    "permit": ("Index._move", "outbox.keep", "Index.set_readers", "words.move", "Index.send"),
    "switch": (
        "Builder.begin",
        "Builder.flip",
        "Builder.sweep",
        "words.drop",
        "generations.delete",
        "purging.take_back",
        "VectorIndex.drop",
    ),
    "embedder": ("Builder._adopt", "Index.embed_new"),
    "remove": ("purging.delete_document", "authority.delete_source", "Index.tidy"),
}
"""Functions, each killed before its first call; `python -m benchmarks.kills` kills after it too."""
COMMITS = {"first": 16, "change": 19, "permit": 14, "switch": 20, "embedder": 19, "remove": 11}
"""Transactions that a scenario always has (a busy log saves the last one); killed after every third."""

POINTS = [(scenario, Point(one, "before")) for scenario, ones in STEPS.items() for one in ones]
POINTS += [
    (scenario, Point("Connection.commit", "after", call))
    for scenario, count in COMMITS.items()
    for call in range(2, count, 3)
]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Where the work goes on, and the prepared state."""
    base = tmp_path_factory.mktemp("killed")
    undo = trust_chroma()
    prepare(base / "work", base / "kept")
    yield base / "work", base / "kept"
    undo()


@pytest.mark.parametrize(("scenario", "point"), POINTS, ids=str)
def test_killed_at_a_named_step(scenario: str, point: Point, places: tuple[Path, Path]) -> None:
    folder, kept = places
    set_up(scenario, folder, kept)
    process = child(scenario, folder, point)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, "the step was not reached"
    assert wrong_at_once(scenario, folder) == []
    assert wrong_in_the_end(scenario, folder) == []


def test_a_run_that_nobody_kills_ends_clean(places: tuple[Path, Path]) -> None:
    folder, kept = places
    for scenario in SCENARIOS:
        set_up(scenario, folder, kept)
        process = child(scenario, folder)
        process.join(60)
        assert process.exitcode == 0
        assert wrong_at_once(scenario, folder) == []
        assert wrong_in_the_end(scenario, folder) == []


def test_what_a_killed_run_left_of_chroma_is_looked_at_before_it_answers(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, kept = places
    set_up("change", folder, kept)
    process = child("change", folder, Point("VectorIndex.upsert", "after"))
    process.join(60)
    monkeypatch.setattr(retrieval.index, "open_vectors", open_vectors)
    assert wrong_at_once("change", folder) == []
    assert wrong_in_the_end("change", folder) == []
