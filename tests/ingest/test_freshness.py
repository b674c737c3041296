"""One look at each file before it is quoted; its bytes only where the look leaves a doubt."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from ingest import freshness as module
from ingest.fakes import InlineParser
from ingest.folders import Folders
from ingest.freshness import Freshness, Stored, freshness
from ingest.sync import Ingestor
from models.fakes import HashingEmbeddings
from retrieval.access import EVERYBODY, Principal
from retrieval.documents import Hit
from retrieval.index import Index
from retrieval.search import Searcher

SOMEBODY = Principal("somebody", frozenset({EVERYBODY}))
LONG_AGO = 10**18
"""In nanoseconds: no file that is changed now and then looked at."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "docs"
    made.mkdir()
    (made / "travel.md").write_text("# Travel\n\nThe hotel limit is 180 EUR.\n")
    (made / "office.md").write_text("# Office\n\nThe canteen opens at noon.\n")
    with zipfile.ZipFile(made / "packed.zip", "w") as packed:
        packed.writestr("deep/bus.md", "# Bus\n\nThe bus leaves at nine.\n")
        packed.writestr("train.md", "# Train\n\nThe train leaves at ten.\n")
    return made


def token(path: Path) -> str:
    state = path.stat()
    return f"{state.st_size}-{state.st_mtime_ns}-{state.st_ctime_ns}-{state.st_ino}"


def hit(path: Path, *, version: str | None = None, kind: str = "folder", document: str = "d") -> Hit:
    said = token(path) if version is None else version
    return Hit(document, "c", "T", (), str(path), "en", 1, None, 0, 4, "text", 1.0, 1.0, None, kind, said)


def of(path: Path, item: str = "", content: bytes | None = None) -> Freshness:
    digest = sha256(path.read_bytes() if content is None else content).hexdigest()
    return Freshness(lambda: [str(path.parent)], lambda _: Stored(item or path.name, digest))


def never(*_: object) -> str:
    raise AssertionError("a file was read")


# --- there or not ----------------------------------------------------------------------------------------------------


def test_a_hit_whose_file_is_gone_is_dropped_and_the_others_stay(root: Path) -> None:
    hits = [hit(root / "travel.md"), hit(root / "office.md"), hit(root / "packed.zip")]
    (root / "travel.md").unlink()
    looks = Freshness(lambda: [str(root)], lambda _: None)
    assert looks.standing(hits) == hits[1:]
    (root / "packed.zip").unlink()
    assert looks.standing(hits) == [hits[1]]


def test_a_copy_stands_in_for_a_hit_whose_file_is_gone(root: Path) -> None:
    first, second, third = (
        replace(hit(root / name, document=name), score=score)
        for name, score in (("travel.md", 3.0), ("office.md", 2.0), ("packed.zip", 1.0))
    )
    looks = Freshness(lambda: [str(root)], lambda _: None)
    folded = replace(first, also=(second, third))
    assert looks.standing([folded]) == [folded]
    (root / "office.md").unlink()
    assert looks.standing([folded]) == [replace(first, also=(third,))]
    (root / "travel.md").unlink()
    assert looks.standing([folded]) == [replace(third, score=3.0)]


@pytest.mark.parametrize("empty", [False, True], ids=["gone", "the empty place of a disk"])
def test_when_the_source_itself_is_gone_its_hits_are_kept_and_marked(root: Path, empty: bool) -> None:
    hits = [hit(root / "travel.md")]
    root.rename(root.with_name("elsewhere"))
    if empty:
        root.mkdir()
    looks = Freshness(lambda: [str(root), str(root.parent / "other")], lambda _: None)
    assert looks.standing(hits) == hits
    assert looks.changed(hits) == {"d"}


def test_the_last_upload_that_was_taken_away_is_dropped_at_once(root: Path) -> None:
    hits = [hit(root / "travel.md", kind="upload")]
    for file in root.iterdir():
        file.unlink()
    assert Freshness(lambda: [str(root)], lambda _: None).standing(hits) == []


def test_the_innermost_source_counts(root: Path) -> None:
    hits = [hit(root / "travel.md")]
    (root / "travel.md").unlink()
    assert Freshness(lambda: [str(root.parent), str(root)], lambda _: None).standing(hits) == []


def test_what_comes_from_elsewhere_is_not_looked_at(tmp_path: Path) -> None:
    hits = [hit(tmp_path / "none.md", version="etag", kind=kind) for kind in ("git", "web", "loader", "")]
    looks = Freshness(lambda: [str(tmp_path)], lambda _: None)
    assert looks.standing(hits) == hits
    assert looks.changed(hits) == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_file_that_may_not_be_looked_at_is_kept_and_marked(root: Path) -> None:
    hits = [hit(root / "travel.md")]
    root.chmod(0)
    try:
        looks = Freshness(lambda: [str(root)], lambda _: None)
        assert (looks.standing(hits), looks.changed(hits)) == (hits, {"d"})
    finally:
        root.chmod(0o700)


# --- as it was read or not -------------------------------------------------------------------------------------------


def test_an_untouched_file_is_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_hash_of", never)
    assert of(root / "travel.md").changed([hit(root / "travel.md")]) == set()


def test_a_file_that_was_only_touched_has_not_changed(root: Path) -> None:
    file = root / "travel.md"
    before = hit(file)
    os.utime(file, ns=(LONG_AGO, LONG_AGO))
    assert of(file).changed([before]) == set()


def test_a_file_with_other_bytes_has_changed(root: Path) -> None:
    file = root / "travel.md"
    before, looks = hit(file), of(file)
    file.write_text("# Travel\n\nThe hotel limit is 980 EUR.\n")
    assert looks.changed([before]) == {"d"}


def test_the_time_put_back_hides_no_change(root: Path) -> None:
    file = root / "travel.md"
    state, before, looks = file.stat(), hit(file), of(file)
    file.write_text("# Travel\n\nThe hotel limit is 980 EUR.\n")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert looks.changed([before]) == {"d"}


def test_without_a_version_only_the_bytes_tell(root: Path) -> None:
    file = root / "travel.md"
    looks = of(file)
    assert looks.changed([hit(file, version="")]) == set()
    file.write_text("other")
    assert looks.changed([hit(file, version="")]) == {"d"}


def replaced_by_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def replaced_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("replace", [replaced_by_pipe, replaced_by_folder])
def test_what_is_no_file_any_more_has_changed_and_blocks_nobody(root: Path, replace: Callable[[Path], None]) -> None:
    file = root / "travel.md"
    before, looks = hit(file), of(file)
    replace(file)
    assert looks.changed([before]) == {"d"}


def test_each_document_is_looked_at_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(module, "_hash_of", lambda address, _: read.append(address) or "")  # type: ignore[func-returns-value]
    of(root / "travel.md").changed([hit(root / "travel.md", version="x")] * 5)
    assert len(read) == 1


# --- with an index ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "member", "other"),
    [("bus leaves nine", "deep/bus.md", "train.md"), ("train leaves ten", "train.md", "deep/bus.md")],
)
def test_a_member_of_a_zip_file_is_told_from_its_neighbour(
    root: Path, tmp_path: Path, query: str, member: str, other: str
) -> None:
    (tmp_path / "index").mkdir()
    index = Index(tmp_path / "index", HashingEmbeddings())
    Folders(Ingestor(index, InlineParser())).ingest(root)
    looks = freshness(index)
    found = Searcher(index).search(query, principal=SOMEBODY, k=1).hits
    assert found[0].address == str(root / "packed.zip")
    assert looks.changed(found) == set()
    contents = {
        "deep/bus.md": "# Bus\n\nThe bus leaves at nine.\n",
        "train.md": "# Train\n\nThe train leaves at ten.\n",
    }
    for changed, expected in ((other, set()), (member, {found[0].document_id})):
        with zipfile.ZipFile(root / "packed.zip", "w") as packed:
            for name, text in contents.items():
                packed.writestr(name, text + ("More.\n" if name == changed else ""))
        assert looks.standing(found) == list(found)
        assert looks.changed(found) == expected
    with zipfile.ZipFile(root / "packed.zip", "w") as packed:
        packed.writestr(other, contents[other])
    assert looks.changed(found) == {found[0].document_id}
    index.close()


def test_the_version_that_a_folder_gives_is_the_one_that_is_compared(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every question would have files read: for nothing, and unseen."""
    (tmp_path / "index").mkdir()
    index = Index(tmp_path / "index", HashingEmbeddings())
    monkeypatch.setattr("ingest.sources.folder._RACY_NS", -(10**12))  # the files were not made just now
    Folders(Ingestor(index, InlineParser())).ingest(root)
    monkeypatch.setattr(module, "_hash_of", never)
    found = Searcher(index).search("hotel canteen bus train", principal=SOMEBODY, k=10).hits
    assert len({one.document_id for one in found}) == 4
    assert freshness(index).changed(found) == set()
    index.close()
