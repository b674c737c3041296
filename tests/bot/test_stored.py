"""Sources of the index that the settings do not know any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.settings import Settings
from bot.settings_sources import SourceSettings
from bot.stored import stored, unconfigured
from bot.wiring.sources import configured
from ingest.verification import SourceProof
from retrieval import authority
from retrieval.access import EVERYBODY, Readers
from retrieval.database import open_database, writing
from retrieval.index import DATABASE, MIGRATIONS

Put = Callable[[str, str, str], None]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Note a source in the index, as an ingest of it does: name, root, kind."""
    (tmp_path / "data").mkdir()

    def put(name: str, root: str, kind: str) -> None:
        engine = open_database(tmp_path / "data" / DATABASE, MIGRATIONS)
        with writing(engine) as connection:
            authority.put_source(connection, name, root, Readers(frozenset({EVERYBODY})), kind)
        engine.dispose()

    return put


def settings(tmp_path: Path, *sources: dict[str, object]) -> Settings:
    return Settings(data_dir=tmp_path / "data", sources=tuple(SourceSettings.model_validate(one) for one in sources))


def left_over(chosen: Settings) -> list[SourceProof]:
    return unconfigured(chosen, lambda: configured(chosen))


def wiki(name: str = "wiki") -> dict[str, object]:
    return {"name": name, "kind": "git", "repository": "https://git.example.com/wiki.git"}


def test_a_source_that_no_setting_stands_for_is_named_with_what_to_do(tmp_path: Path, put: Put) -> None:
    put("wiki", "https://git.example.com/wiki.git", "git")
    put("letters", "/srv/letters", "upload")
    (left,) = left_over(settings(tmp_path, wiki()))
    assert left.source == "letters"
    assert "not configured any more" in left.unreachable
    assert "`kura remove letters`" in left.unreachable


def test_a_folder_that_was_ingested_by_its_path_is_none_of_them(tmp_path: Path, put: Put) -> None:
    put("docs", "/srv/docs", "folder")
    assert left_over(settings(tmp_path)) == []


def test_a_source_that_only_has_another_name_now_is_none_of_them(tmp_path: Path, put: Put) -> None:
    (former,) = configured(settings(tmp_path, wiki("wiki")))
    put("wiki", former.feed().source.root, "git")
    assert left_over(settings(tmp_path, wiki("handbook"))) == []
    assert [one.source for one in left_over(settings(tmp_path))] == ["wiki"]


def test_a_source_that_does_not_open_hides_no_other(tmp_path: Path, put: Put) -> None:
    put("letters", "/srv/letters", "upload")
    broken = {"name": "tickets", "kind": "loader", "component": "not_there.Loader"}
    assert [one.source for one in left_over(settings(tmp_path, broken))] == ["letters"]


def test_where_nothing_was_ingested_nothing_is_stored_and_nothing_made(tmp_path: Path) -> None:
    chosen = settings(tmp_path, {"name": "letters", "kind": "upload"})
    assert (stored(chosen), left_over(chosen)) == ([], [])
    assert not (tmp_path / "data").exists()
