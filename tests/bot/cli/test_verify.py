from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.bot.cli.conftest import Ended

Kura = Callable[..., Ended]


def test_a_proof_names_each_source_and_ends_well(kura: Kura, ingested: Path) -> None:
    ended = kura("verify")
    assert ended.code == 0
    assert "docs: 2 documents as they were read" in ended.out
    assert "people: 1 document as it was read" in ended.out
    assert "index and sources are the same" in ended.out


def test_a_difference_is_named_and_ends_in_one(kura: Kura, ingested: Path) -> None:
    (ingested / "travel.md").write_text("# Travel\n\nSomething else.\n")
    (ingested / "people" / "pay.md").unlink()
    ended = kura("verify")
    assert ended.code == 1
    assert "changed in the source: travel.md" in ended.out
    assert "not in the source any more: pay.md" in ended.out
    assert "NOT the same" in ended.out
    assert kura("verify", "docs", "--json").json["sources"][0]["changed"] == ["travel.md"]


def test_the_json_has_the_agreed_fields(kura: Kura, ingested: Path) -> None:
    found = kura("verify", "--json").json
    assert (found["agrees"], found["documents"], found["chunks"], found["faults"]) == (True, 3, 4, [])
    assert set(found["sources"][0]) == {
        "source", "root", "same", "missing", "extra", "changed", "repermitted", "unreadable", "known_unreadable",
        "unreachable",
    }  # fmt: skip


def test_a_source_that_is_gone_is_not_proved(kura: Kura, ingested: Path) -> None:
    ingested.rename(ingested.with_name("elsewhere"))
    ended = kura("verify")
    assert ended.code == 1
    assert "docs: 0 documents as they were read\n  not reached: " in ended.out


def test_damaged_vectors_are_told_by_verify_and_mended_by_repair(kura: Kura, ingested: Path, tmp_path: Path) -> None:
    before = kura("search", "--json", "hotel limit").json["hits"]
    (tmp_path / "data" / "chroma" / "chroma.sqlite3").write_bytes(b"no database" * 500)
    ended = kura("verify")
    assert ended.code == 1
    assert "index: the vector index cannot be used" in ended.out
    assert "`kura repair`" in ended.out
    ended = kura("repair")
    assert ended.code == 0
    assert "The vector index was damaged" in ended.out
    assert "Made anew: 4 passages." in ended.out
    assert kura("verify").code == 0
    assert kura("search", "--json", "hotel limit").json["hits"] == before


def test_names_of_files_cannot_steer_the_terminal(kura: Kura, ingested: Path) -> None:
    (ingested / "a\x1b[31mred.md").write_text("# Red\n\nRed.\n")
    assert "\x1b" not in kura("verify").out
