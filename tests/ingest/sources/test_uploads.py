from __future__ import annotations

import io
import os
import stat
import threading
import time
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest

from ingest.errors import DocumentError
from ingest.sources import uploads
from ingest.sources.folder import FolderSource
from ingest.sources.uploads import Uploads
from tests.ingest.sources.zips import zipped


@pytest.fixture
def kept(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "up", most_total=100)


def left_in(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "up").iterdir())


def test_files_are_kept_listed_replaced_and_removed(kept: Uploads, tmp_path: Path) -> None:
    assert kept.put("b.md", b"one") == "b.md"
    kept.put("a.md", io.BytesIO(b"two"))
    kept.put("b.md", b"three")
    assert kept.names() == ["a.md", "b.md"]
    assert (tmp_path / "up" / "b.md").read_bytes() == b"three"
    kept.remove("b.md")
    assert kept.names() == left_in(tmp_path) == ["a.md"]
    with pytest.raises(DocumentError, match=r"no upload b\.md"):
        kept.remove("b.md")


def test_files_are_for_the_server_alone(kept: Uploads, tmp_path: Path) -> None:
    kept.put("a.md", b"x")
    assert stat.S_IMODE((tmp_path / "up").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "up" / "a.md").stat().st_mode) == 0o600


def test_a_folder_source_lists_them_and_what_is_in_a_zip(tmp_path: Path) -> None:
    kept = Uploads(tmp_path / "up")
    kept.put("a.md", b"x")
    kept.put("b.zip", zipped({"c.md": "x"}))
    source = FolderSource(tmp_path / "up")
    assert [item.item for item in source.list({}).items] == ["a.md", "b.zip/c.md"]
    source.close()


@pytest.mark.parametrize(
    "name",
    [
        "", " ", ".", "..", "../x.md", "a/b.md", "a\\b.md", "/etc/x.md", "C:x.md", "a\0.md", "a\nb.md", ".hidden.md",
        "~$a.docx", "__MACOSX", "CON", "nul.md", "Com1.txt", "lpt¹.txt", "aux .md", "a.md.", "a.md ", " a.md", "a?.md",
        "a\u202egnp.md", "\ud800.md", "x" * 198 + ".md", "あ" * 70 + ".md",
    ],
)  # fmt: skip
def test_names_with_tricks_are_refused(kept: Uploads, tmp_path: Path, name: str) -> None:
    with pytest.raises(DocumentError):
        kept.put(name, b"x")
    with pytest.raises(DocumentError):
        kept.remove(name)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("encoded", "says"), [("a%ff.md", "not valid UTF-8"), ("a%0ab.md", "line break"), ("a%3fb.md", "without /")]
)
def test_a_name_that_is_refused_is_shown_on_one_line_with_the_reason(kept: Uploads, encoded: str, says: str) -> None:
    with pytest.raises(DocumentError, match=says) as caught:
        kept.put(unquote(encoded), b"x")
    assert "The name “a?" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["a b.md", "規程.md", "😀👩‍💻.md", "console.md", "com10.md", "x" * 197 + ".md"])
def test_names_that_every_system_holds_are_kept(kept: Uploads, name: str) -> None:
    assert kept.put(name, b"x") == name
    assert kept.names() == [name]


def test_one_name_in_two_spellings_of_unicode_is_one_file(kept: Uploads) -> None:
    for form in ("NFD", "NFC"):
        kept.put(unicodedata.normalize(form, "Café ガ.md"), b"x")  # type: ignore[arg-type]
    assert kept.names() == [unicodedata.normalize("NFC", "Café ガ.md")]
    kept.remove(unicodedata.normalize("NFD", "Café ガ.md"))
    assert kept.names() == []


def test_too_large_a_file_leaves_nothing(kept: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 10)
    monkeypatch.setattr(uploads, "MAX_ARCHIVE_BYTES", 20)
    kept.put("a.md", b"0" * 10)
    with pytest.raises(DocumentError, match="split it"):
        kept.put("a.md", io.BytesIO(b"1" * 11))
    assert (tmp_path / "up" / "a.md").read_bytes() == b"0" * 10
    kept.put("b.ZIP", b"0" * 20)
    assert left_in(tmp_path) == ["a.md", "b.ZIP"]


def test_all_files_together_have_a_limit(kept: Uploads, tmp_path: Path) -> None:
    kept.put("a.md", b"0" * 60)
    with pytest.raises(DocumentError, match="Remove something first"):
        kept.put("b.md", b"0" * 41)
    kept.put("b.md", b"0" * 40)
    kept.remove("a.md")
    kept.put("c.md", b"0" * 60)
    assert left_in(tmp_path) == ["b.md", "c.md"]


class Halting(io.RawIOBase):
    """Gives 40 bytes, then waits, then 20 more."""

    def __init__(self, begun: threading.Barrier) -> None:
        self._begun = begun
        self._given = 0

    def read(self, size: int = -1) -> bytes:
        self._given += 1
        if self._given == 2:
            self._begun.wait(10)
            self._begun.wait(10)
        return {1: b"0" * 40, 2: b"0" * 20}.get(self._given, b"")


def test_uploads_at_once_do_not_exceed_the_limit_together(kept: Uploads) -> None:
    begun = threading.Barrier(3)
    faults: list[BaseException] = []

    def put(name: str) -> None:
        try:
            kept.put(name, Halting(begun))  # type: ignore[arg-type]
        except DocumentError as error:
            faults.append(error)

    threads = [threading.Thread(target=put, args=(f"{number}.md",)) for number in range(2)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    with pytest.raises(DocumentError, match="does not fit"):
        kept.put("c.md", b"0" * 21)
    begun.wait(10)
    for thread in threads:
        thread.join()
    assert len(faults) == 1
    assert len(kept.names()) == 1
    kept.put("d.md", b"0" * 40)  # what failed is not counted any more


class Failing(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        raise ConnectionResetError("gone")


def test_an_upload_that_breaks_off_leaves_the_old_file(kept: Uploads, tmp_path: Path) -> None:
    kept.put("a.md", b"old")
    with pytest.raises(ConnectionResetError):
        kept.put("a.md", Failing())  # type: ignore[arg-type]
    assert left_in(tmp_path) == ["a.md"]
    assert (tmp_path / "up" / "a.md").read_bytes() == b"old"


def test_what_a_killed_server_left_is_cleared_and_what_arrives_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    for name, age in ((".upload-old", 2 * 24 * 3600), (".upload-new", 0)):
        (folder / name).write_text("x")
        os.utime(folder / name, (time.time() - age,) * 2)
    assert Uploads(folder).names() == []
    assert left_in(tmp_path) == [".upload-new"]


def test_a_link_in_the_folder_is_replaced_not_followed(kept: Uploads, tmp_path: Path) -> None:
    (tmp_path / "outside.md").write_text("mine")
    (tmp_path / "up" / "a.md").symlink_to(tmp_path / "outside.md")
    kept.put("a.md", b"new")
    assert (tmp_path / "outside.md").read_text() == "mine"
    assert kept.names() == ["a.md"]
