"""The searcher that the settings make."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import EXIT_USAGE, explain
from bot.identity import local_principal
from bot.settings import Settings, load
from bot.settings_search import SearchSettings
from bot.settings_sources import SourceSettings
from bot.wiring import open_kura
from bot.wiring.search import make_searcher
from ingest.fakes import InlineParser
from ingest.folders import Folders
from ingest.sync import Ingestor
from models.fakes import HashingEmbeddings
from retrieval import authority
from retrieval.database import writing
from retrieval.errors import GlossaryError
from retrieval.index import Index
from tests.retrieval.conftest import ALL, SOMEBODY, prepared


@pytest.fixture
def settings(tmp_path: Path, docs: Path) -> Settings:
    """Settings beside a glossary, and documents ingested with them."""
    (tmp_path / "kura.toml").write_text(f'data_dir = "{tmp_path / "data"}"\n[search]\nglossary = "glossary.toml"\n')
    (tmp_path / "glossary.toml").write_text('[[terms]]\nsame = ["hotel", "宿"]\n', encoding="utf-8")
    made = load(tmp_path / "kura.toml")
    with open_kura(made, holder="a test") as kura:
        Folders(Ingestor(kura.index, InlineParser())).ingest(docs)
    return made


def test_the_glossary_of_the_settings_is_searched_with_and_lies_beside_their_file(settings: Settings) -> None:
    with open_kura(settings, holder="a test") as kura:
        hit = kura.searcher.search("宿", principal=local_principal(), k=1).hits[0]
    assert hit.title == "Travel policy"
    assert hit.words > 0


def test_a_glossary_that_is_none_stops_the_search_with_its_sentence(settings: Settings) -> None:
    assert settings.search.glossary
    settings.search.glossary.write_text('[[terms]]\nsame = ["hotel"]\n')
    with open_kura(settings, holder="a test") as kura, pytest.raises(GlossaryError, match="group 1") as caught:
        _ = kura.searcher
    explained = explain(caught.value)
    assert (explained.known, explained.exit_code, explained.names_insides) == (True, EXIT_USAGE, True)


@pytest.mark.parametrize(("weight", "first"), [(1.0, "a"), (3.0, "b")])
def test_the_weight_of_a_source_reaches_the_search(tmp_path: Path, weight: float, first: str) -> None:
    index = Index(tmp_path, HashingEmbeddings())
    with writing(index.engine) as connection:
        ids = [authority.put_source(connection, name, f"/{name}", ALL) for name in ("plain", "better")]
    index.put(ids[0], [prepared("a.md", "Hotels of the north cost little.")])
    index.put(ids[1], [prepared("b.md", "Some old hotels near the station are quite loud.")])
    sources = tuple(SourceSettings(name=name, path=tmp_path / name, weight=one) for name, one in (("better", weight),))
    searcher = make_searcher(Settings(data_dir=tmp_path, sources=sources, search=SearchSettings()), index)
    assert searcher.search("hotels", principal=SOMEBODY, k=1).hits[0].title == first
    index.close()
