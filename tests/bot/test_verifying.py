"""Verification and repair of a whole installation: index, files and settings together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.settings import Settings, load
from bot.verifying import Verification, repair, verify
from bot.wiring import open_kura
from bot.wiring.sources import configured
from ingest.fakes import InlineParser
from ingest.feeds import recipe
from ingest.folders import Folders
from ingest.sync import Ingestor
from models.embedders import Embedder
from models.fakes import HashingEmbeddings
from retrieval.access import Readers
from retrieval.building import Builder
from retrieval.data_folder import DataFolder
from retrieval.database import open_database, writing
from retrieval.errors import DataFolderHeld
from retrieval.index import DATABASE, MIGRATIONS, VECTORS, Index
from retrieval.search import Searcher
from tests.bot.conftest import SOMEBODY

CONFIGURED = (
    '[[sources]]\nname = "docs"\npath = "{docs}"\n'
    '[[sources]]\nname = "people"\npath = "{docs}/people"\nreaders = ["hr"]\n'
)


def proved(settings: Settings, names: Sequence[str] = (), index: Index | None = None) -> Verification:
    return verify(settings.data_dir, configured(settings), names, index=index)


def opened(settings: Settings, dimensions: int = 64) -> Index:
    def reopen(spec: str) -> Embedder:
        return HashingEmbeddings(int(spec))

    return Index(settings.data_dir, HashingEmbeddings(dimensions), recipe=recipe(), spec=str(dimensions), reopen=reopen)


@pytest.fixture
def settings(docs: Path) -> Settings:
    """Two sources, one inside the other, as the settings name them; ingested."""
    Path("kura.toml").write_text(CONFIGURED.format(docs=docs))
    settings = load()
    with DataFolder(settings.data_dir, holder="a test"):
        index = opened(settings)
        folders = Folders(Ingestor(index, InlineParser()))
        folders.ingest(docs / "people", readers=Readers(frozenset({"hr"})))
        folders.ingest(docs)
        index.close()
    return settings


def sql(settings: Settings, statement: str) -> None:
    engine = open_database(settings.data_dir / DATABASE, MIGRATIONS)
    with writing(engine) as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def mended(settings: Settings, dimensions: int = 64) -> list[str]:
    with DataFolder(settings.data_dir, holder="a test"):
        index = opened(settings, dimensions)
        try:
            return repair(index, settings.data_dir)
        finally:
            index.close()


def answers(settings: Settings) -> list[str]:
    index = opened(settings)
    try:
        return [hit.text for hit in Searcher(index).search("hotel limit", principal=SOMEBODY, k=3).hits]
    finally:
        index.close()


def differing(found: Verification) -> set[str]:
    kinds = ("missing", "extra", "changed", "repermitted", "unreadable", "unreachable")
    return {kind for proof in found.sources for kind in kinds if getattr(proof, kind)}


def test_what_was_just_ingested_is_proved(settings: Settings) -> None:
    found = proved(settings)
    assert found.agrees
    assert {proof.source: proof.same for proof in found.sources} == {"docs": 2, "people": 1}
    assert (found.documents, found.chunks) == (3, 4)
    assert proved(settings).agrees  # the first has changed nothing


def in_place(docs: Path) -> None:
    file = docs / "travel.md"
    before = file.stat()
    file.write_bytes(file.read_bytes().replace(b"180", b"980"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (in_place, "changed"),
        (lambda docs: (docs / "travel.md").unlink(), "extra"),
        (lambda docs: (docs / "new.md").write_text("# New\n\nNew.\n"), "missing"),
        (lambda docs: docs.rename(docs.with_name("elsewhere")), "unreachable"),
        (lambda docs: Path("kura.toml").write_text(CONFIGURED.format(docs=docs).replace("hr", "legal")), "repermitted"),
    ],
)
def test_a_source_that_says_something_else_is_found(
    settings: Settings, docs: Path, tamper: Callable[[Path], object], kind: str
) -> None:
    tamper(docs)
    found = proved(load())
    assert not found.agrees
    assert kind in differing(found)
    assert found.faults == ()


def test_a_stored_source_that_is_configured_no_more_is_a_difference(settings: Settings, docs: Path) -> None:
    sql(settings, "UPDATE sources SET kind = 'git', root = 'https://git.example/x' WHERE name = 'people'")
    Path("kura.toml").write_text(CONFIGURED.format(docs=docs).split('[[sources]]\nname = "people"')[0])
    found = proved(load())
    (lost,) = [proof for proof in found.sources if proof.source == "people"]
    assert "kura remove people" in lost.unreachable


def test_folders_that_were_ingested_by_their_path_are_verified_too(settings: Settings, docs: Path) -> None:
    Path("kura.toml").unlink()
    assert {proof.source: proof.same for proof in proved(load()).sources} == {"docs": 2, "people": 1}
    (docs / "travel.md").unlink()
    assert differing(proved(load())) == {"extra"}


def test_one_source_may_be_verified_alone(settings: Settings, docs: Path) -> None:
    (docs / "travel.md").unlink()
    assert proved(settings, ["people"]).agrees
    assert not proved(settings, ["docs"]).agrees
    with pytest.raises(SettingsError, match="docs, people"):
        proved(settings, ["doc"])


def test_a_folder_in_use_and_one_without_anything_are_said(settings: Settings, tmp_path: Path) -> None:
    with DataFolder(settings.data_dir, holder="kura serve"), pytest.raises(DataFolderHeld):
        proved(settings)
    with pytest.raises(SettingsError, match="kura ingest"):
        proved(load(overrides={"data_dir": tmp_path / "none"}))


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("DELETE FROM words_1_1 WHERE rowid = (SELECT min(rowid) FROM words_1_1)", "words"),
        ("UPDATE word_totals SET chunks = chunks + 1", "words"),
        ("DELETE FROM vectors WHERE embedded_sha256 = (SELECT min(embedded_sha256) FROM chunks)", "stored vectors"),
        ("INSERT INTO outbox (collection, chunk_key) VALUES ('c', 'k')", "left over"),
    ],
)
def test_what_repair_mends_is_found_before_and_proved_after(settings: Settings, statement: str, kind: str) -> None:
    before = answers(settings)
    sql(settings, statement)
    assert kind in {fault.kind for fault in proved(settings).faults}
    assert "Made anew: 4 passages." in mended(settings)
    assert proved(settings).agrees
    assert answers(settings) == before


def test_altered_text_is_said_and_read_again_by_the_next_ingest(settings: Settings, docs: Path) -> None:
    before = answers(settings)
    sql(settings, "UPDATE versions SET text = replace(text, '180', '980')")
    assert "text" in {fault.kind for fault in proved(settings).faults}
    assert any("run `kura ingest`" in sentence for sentence in mended(settings))
    index = opened(settings)
    Folders(Ingestor(index, InlineParser())).ingest(docs)
    index.close()
    assert proved(settings).agrees
    assert answers(settings) == before


def test_damaged_vectors_are_found_without_a_change_and_mended(settings: Settings) -> None:
    before = answers(settings)
    (settings.data_dir / VECTORS / "chroma.sqlite3").write_bytes(b"no database" * 500)
    for _ in range(2):
        assert {fault.kind for fault in proved(settings).faults} == {"vectors"}
    said = mended(settings)
    assert said[0].startswith("The vector index was damaged")
    assert "The damaged files were deleted." in said
    assert list(settings.data_dir.glob("chroma.damaged-*")) == []
    assert proved(settings).agrees
    assert answers(settings) == before


def test_a_lost_vector_index_is_found_and_not_made_by_looking(settings: Settings) -> None:
    shutil.rmtree(settings.data_dir / VECTORS)
    assert [fault.kind for fault in proved(settings).faults] == ["vectors"]
    assert not (settings.data_dir / VECTORS).exists()
    mended(settings)
    assert proved(settings).agrees


def test_a_kept_generation_that_is_damaged_is_dropped(settings: Settings) -> None:
    index = opened(settings, 32)
    builder = Builder(index)
    made = builder.begin()
    builder.catch_up(made)
    builder.flip(made)
    index.close()
    assert proved(settings).agrees
    sql(settings, "DELETE FROM words_1_1")
    assert not proved(settings).agrees
    assert any("dropped" in sentence for sentence in mended(settings, 32))
    assert proved(settings).agrees


def test_repair_of_an_empty_folder_does_nothing(docs: Path) -> None:
    with open_kura(load(), holder="a test") as kura:
        assert repair(kura.index, kura.settings.data_dir) == ["Made anew: 0 passages."]
