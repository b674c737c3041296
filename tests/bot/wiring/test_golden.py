"""Golden questions asked of what answers now, on a real index with the starter models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.errors import SettingsError
from bot.evaluation.errors import GoldenUnasked, GoldenWorse
from bot.evaluation.golden import GoldenBook
from bot.evaluation.runs import Run
from bot.ingesting import IngestRequest
from bot.prompting import NOT_THERE
from bot.settings import Settings, load
from bot.wiring import open_kura
from bot.wiring.golden import beside, passed, present, refused_before, unchanged
from retrieval.building import Builder

CASE = {"question": "What is the hotel limit?", "accepted": ["180 EUR"]}
MUTE = {"component": "models.fakes.ScriptedChat", "arguments": {"answers": [NOT_THERE] * 9}}
"""A model that finds nothing in the documents."""

BROKEN = {"component": "models.fakes.ScriptedChat", "arguments": {"answers": []}}
"""A model that cannot be asked."""

Set = Callable[..., Settings]


@pytest.fixture
def settings_of(tmp_path: Path) -> Set:
    """Settings over an index of one document, with golden questions; sections are given."""
    docs, suite = tmp_path / "docs", tmp_path / "golden.jsonl"
    docs.mkdir()
    (docs / "travel.md").write_text("# Travel\n\nThe hotel limit is 180 EUR per night.\n")
    suite.write_text(json.dumps(CASE) + "\n")

    def settings_of(**sections: Any) -> Settings:
        return load(overrides={"answer": {"golden": suite}, **sections})

    with open_kura(settings_of(), holder="a test") as kura:
        kura.ingesting.run(IngestRequest(paths=(docs,)), lambda _: None)
    return settings_of


def ask(settings: Settings, *, anyway: bool = False) -> tuple[Run, str]:
    with open_kura(settings, holder="a test") as kura:
        return present(kura, lambda _: None, anyway=anyway)


def need_not_be_asked(settings: Settings) -> bool:
    with open_kura(settings, holder="a test") as kura:
        return unchanged(kura)


def test_they_are_asked_once_and_again_when_what_answers_has_changed(settings_of: Set, tmp_path: Path) -> None:
    assert not need_not_be_asked(settings_of())
    run, heeded = ask(settings_of())
    assert (run.scores["answer"].mean, heeded) == (1.0, "")
    assert passed(run).startswith("1 golden question asked (answer 1.000, refusal 1.000)")
    assert need_not_be_asked(settings_of())
    assert need_not_be_asked(settings_of(server={"port": 9}))
    assert not need_not_be_asked(settings_of(model=MUTE))
    assert not need_not_be_asked(settings_of(model={"answer_style": "generate"}))
    (tmp_path / "golden.jsonl").write_text(json.dumps(CASE | {"id": "another"}) + "\n")
    assert not need_not_be_asked(settings_of())


def test_a_model_that_answers_worse_is_refused_and_the_former_stays_the_measure(settings_of: Set) -> None:
    former, _ = ask(settings_of())
    with pytest.raises(GoldenWorse) as worse:
        ask(settings_of(model=MUTE))
    said = str(worse.value)
    assert "of 1 golden question it answers 1 worse (answer 1.000 → 0.000" in said
    assert "→ ScriptedChat" in said
    book = GoldenBook(load().data_dir)
    refused = book.refused()
    assert refused
    assert book.accepted() == former
    assert f"`kura eval compare {former.id} {refused.id}`" in said
    with open_kura(settings_of(model=MUTE), holder="a test") as kura:
        assert refused_before(kura) == said  # and need not be asked again
    with open_kura(settings_of(), holder="a test") as kura:
        assert refused_before(kura) == ""


def test_what_is_overruled_is_the_measure_and_its_fault_is_remembered(settings_of: Set) -> None:
    ask(settings_of())
    run, heeded = ask(settings_of(model=MUTE), anyway=True)
    assert "answers 1 worse" in heeded
    book = GoldenBook(load().data_dir)
    assert book.accepted() == run
    assert "answers 1 worse" in book.despite
    assert need_not_be_asked(settings_of(model=MUTE))
    _, heeded = ask(settings_of())
    assert heeded == ""  # better again


def test_a_model_that_cannot_be_asked_is_neither_accepted_nor_refused(settings_of: Set) -> None:
    broken, book = settings_of(model=BROKEN), GoldenBook(load().data_dir)
    with pytest.raises(
        GoldenUnasked, match=r"1 golden question could not be asked \(What .*`kura eval golden`.*`--anyway`"
    ):
        ask(broken)  # the first time as well
    assert book.accepted() is None
    former, _ = ask(settings_of())
    for _ in range(2):
        with pytest.raises(GoldenUnasked):
            ask(broken)
        with open_kura(broken, holder="a test") as kura:
            assert refused_before(kura) == ""  # it may be there again
    run, heeded = ask(broken, anyway=True)
    assert (book.accepted(), book.store.get(run.id)) == (former, run)
    assert "could not be asked" in heeded
    assert passed(run).endswith("is no measure.")


def test_an_edited_case_is_compared_with_its_question(settings_of: Set, tmp_path: Path) -> None:
    ask(settings_of())
    (tmp_path / "golden.jsonl").write_text(json.dumps(CASE | {"tags": ["travel"]}) + "\n")
    with pytest.raises(GoldenWorse, match="answers 1 worse"):
        ask(settings_of(model=MUTE))
    (tmp_path / "golden.jsonl").write_text(json.dumps(CASE | {"question": "Who pays hotels?"}) + "\n")
    assert "nothing was compared" in ask(settings_of())[1]


def test_documents_that_changed_are_named_beside_what_else_did(settings_of: Set, tmp_path: Path) -> None:
    ask(settings_of())
    (tmp_path / "docs" / "travel.md").write_text("# Travel\n\nThe hotel limit is 190 EUR per night.\n")
    with open_kura(settings_of(), holder="a test") as kura:
        kura.ingesting.run(IngestRequest(paths=(tmp_path / "docs",)), lambda _: None)
    with pytest.raises(GoldenWorse, match=r"changed since they last passed \([^)]+\): the documents\."):
        ask(settings_of())


def test_where_there_is_nothing_to_ask_nothing_is_asked(settings_of: Set, tmp_path: Path) -> None:
    without = settings_of(answer={})
    assert need_not_be_asked(without)
    with pytest.raises(SettingsError, match=r"answer\.golden"):
        ask(without)
    assert need_not_be_asked(settings_of(data_dir=tmp_path / "empty"))
    with pytest.raises(SettingsError, match=r"cannot be asked: .* cannot be read"):
        need_not_be_asked(settings_of(answer={"golden": tmp_path / "none.yaml"}))


def test_a_generation_that_cannot_be_asked_any_more_is_measured_by_what_was_accepted(settings_of: Set) -> None:
    other = {"component": "models.fakes.HashingEmbeddings", "arguments": {"dimensions": 32}}
    with open_kura(settings_of(embedder=other), holder="a test") as kura:
        former = Builder(kura.index).rebuild() and Builder(kura.index).answering()
        with kura.index.engine.begin() as connection:  # what its embedder is opened from is lost
            connection.exec_driver_sql("UPDATE generations SET embedder = ''")
    with open_kura(settings_of(), holder="a test") as kura:
        made = Builder(kura.index).begin()
        Builder(kura.index).catch_up(made)
        outcome = beside(kura, former, made.id, lambda _: None)
        assert outcome.remark == f"generation {former} cannot be asked any more, so that nothing was compared"
        Builder(kura.index).flip(made)
        run, _ = present(kura, lambda _: None, anyway=False)
        assert beside(kura, former, made.id, lambda _: None).remark == ""
        assert GoldenBook(kura.settings.data_dir).accepted() != run  # what was just asked
