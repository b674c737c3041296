from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import SourceError
from ingest.feeds import Feed, lies_inside, made_by_recipe, recipe, stored_source
from ingest.sources.folder import FolderSource
from retrieval.access import EVERYBODY, Readers
from retrieval.authority import Source

ALL = Readers(frozenset({EVERYBODY}))


def stored(number: int, name: str, root: str, kind: str = "folder") -> Source:
    return Source(number, name, root, ALL, None, kind)


def feed(name: str, folder: Path, *, kind: str = "folder", language: str = "") -> Feed:
    return Feed(name, kind, FolderSource(folder), ALL, language)


def test_a_source_is_known_by_its_root_whatever_it_is_called_now(tmp_path: Path) -> None:
    here = stored(1, "before", str(tmp_path))
    assert stored_source([stored(2, "other", "/other"), here], feed("now", tmp_path)) == here


def test_a_source_that_moved_is_known_by_its_name(tmp_path: Path) -> None:
    moved = stored(1, "docs", "/where/it/was")
    assert stored_source([moved, stored(2, "other", "/other")], feed("docs", tmp_path)) == moved


def test_a_source_that_was_never_ingested_is_not_known(tmp_path: Path) -> None:
    assert stored_source([stored(1, "other", "/other")], feed("docs", tmp_path)) is None


def test_a_name_that_belongs_to_another_source_is_refused(tmp_path: Path) -> None:
    known = [stored(1, "here", str(tmp_path)), stored(2, "docs", "/other")]
    with pytest.raises(SourceError, match=r"docs belongs to the source at /other.*kura remove docs"):
        stored_source(known, feed("docs", tmp_path))


def test_a_source_that_was_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="kind git"):
        stored_source([stored(1, "docs", "https://example.com/docs.git", "git")], feed("docs", tmp_path))


def test_what_makes_a_document_another_is_the_size_of_passages_and_a_language_that_is_said(tmp_path: Path) -> None:
    assert recipe(100) != recipe(200)
    made = {made_by_recipe(recipe(), feed("docs", tmp_path, language=said)) for said in ("", "en", "ja")}
    assert len(made) == 3
    assert recipe() in made


def test_a_folder_lies_inside_those_above_it_only() -> None:
    assert lies_inside("/docs/people", "/docs")
    assert not any(lies_inside(root, "/docs") for root in ("/docs", "/docs-old", "/", "/other/docs/people"))
