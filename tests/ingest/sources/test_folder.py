from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import DocumentError, SourceError
from ingest.sources import UNKNOWN_KIND, Source, SourceItem, folder
from ingest.sources.folder import FolderSource

KINDS = {".md", ".txt"}


def later() -> int:
    """A minute from now: files that a test has just written are old then."""
    return time.time_ns() + 60 * 10**9


def source(path: Path, **options: Any) -> FolderSource:
    return FolderSource(path, **{"suffixes": KINDS, "now": later} | options)


def items(path: Path, **options: Any) -> list[str]:
    return [item.item for item in source(path, **options).list({}).items]


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def item(name: str, root: Path) -> SourceItem:
    return SourceItem(name, "", str(root / name), name)


def test_it_is_a_source(tmp_path: Path) -> None:
    one: Source = source(write(tmp_path / "root", "a.md"))
    (listed,) = one.list({}).items
    assert one.root == str(tmp_path / "root")
    assert (listed.item, listed.name, listed.address) == ("a.md", "a.md", str(tmp_path / "root" / "a.md"))
    assert one.read(listed).data == b"a.md"
    assert one.read(listed).version == listed.version != ""
    one.close()
    one.close()


def test_documents_are_listed_sorted_and_others_are_named(tmp_path: Path) -> None:
    root = write(tmp_path, "b.md", "a/c.TXT", "a/picture.png", ".hidden.md", ".git/x.md", "~$b.md", "a/none")
    listing = source(root).list({})
    assert [one.item for one in listing.items] == ["a/c.TXT", "b.md"]
    assert listing.skipped == {"a/none": UNKNOWN_KIND, "a/picture.png": UNKNOWN_KIND}


def test_a_single_file_is_a_source(tmp_path: Path) -> None:
    one = source(write(tmp_path, "a.md", "b.md") / "a.md")
    (listed,) = one.list({}).items
    assert listed.item == "a.md"
    assert one.read(listed).data == b"a.md"
    with pytest.raises(DocumentError, match="leads out"):
        one.read(item("b.md", tmp_path))
    assert source(write(tmp_path, "a.png") / "a.png").list({}).skipped == {"a.png": UNKNOWN_KIND}


def test_trees_that_are_sources_of_their_own_are_left_apart(tmp_path: Path) -> None:
    assert items(write(tmp_path, "hr/pay.md", "a.md"), apart={tmp_path / "hr"}) == ["a.md"]


def test_links_lead_to_files_inside_only(tmp_path: Path) -> None:
    root = write(tmp_path, "secret.md", "root/real.md") / "root"
    (root / "inside.md").symlink_to(root / "real.md")
    (root / "outside.md").symlink_to(tmp_path / "secret.md")
    (root / "nowhere.md").symlink_to(root / "gone.md")
    (root / "round.md").symlink_to(root / "round.md")
    (root / "folder").symlink_to(tmp_path)
    listing = source(root).list({})
    assert [one.item for one in listing.items] == ["inside.md", "real.md"]
    outside = "a link to something that is not in the source"
    assert listing.skipped.items() >= {("outside.md", outside), ("folder", outside)}
    assert listing.skipped["nowhere.md"] == "a link that leads nowhere"
    assert source(root).read(item("inside.md", root)).data == b"root/real.md"


@pytest.mark.parametrize("name", ["outside.md", "folder/secret.md", "../secret.md", "folder/../../secret.md"])
def test_reading_leads_nowhere_else_either(tmp_path: Path, name: str) -> None:
    root = write(tmp_path, "secret.md", "root/real.md") / "root"
    (root / "outside.md").symlink_to(tmp_path / "secret.md")
    (root / "folder").symlink_to(tmp_path)
    one = source(root)
    one.list({})
    with pytest.raises(DocumentError, match="leads out of the folder"):
        one.read(item(name, root))


def test_a_link_does_not_open_what_others_may_not_read(tmp_path: Path) -> None:
    root = write(tmp_path, "hr/x.md", "pub/x.md", ".private/x.md", "old/x.md")
    for name in ("hr", ".private", "old"):
        (root / "pub" / f"{name.strip('.')}.md").symlink_to(root / name / "x.md")
    assert items(root, apart={root / "hr"}, exclude=["old/"]) == ["pub/x.md"]


def test_names_with_newlines_and_emoji_are_names(tmp_path: Path) -> None:
    one = source(write(tmp_path, "a\nb 😀.md"))
    (listed,) = one.list({}).items
    assert listed.item == "a\nb 😀.md"
    assert one.read(listed).data == "a\nb 😀.md".encode()


def test_names_that_are_not_utf8_are_reported_once(tmp_path: Path) -> None:
    for name in (b"\xff.md", b"\xfe/a.md", b"\xfe/b.md"):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    listing = source(tmp_path).list({})
    assert listing.items == ()
    assert set(listing.unreadable) == {"\ufffd.md", "\ufffd"}
    assert all("not valid UTF-8" in why for why in listing.unreadable.values())


def test_patterns_choose_and_the_folders_own_file_excludes(tmp_path: Path) -> None:
    root = write(tmp_path, "a.md", "a.txt", "draft/b.md", "old/c.md", "old/d.md", "sub/old/e.md")
    (root / ".kuraignore").write_text("\ufeff# not these\n/old/*\n!/old/d.md\n", "utf-8")
    (root / "sub" / ".kuraignore").write_text("*\n")  # only the root's counts
    assert items(root, include=["*.md"], exclude=["draft/"]) == ["a.md", "old/d.md", "sub/old/e.md"]


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b"\xff\xfe\xff"),
        lambda path: path.symlink_to("/etc/hostname"),
        os.mkfifo,
        lambda path: path.mkdir(),
        lambda path: path.write_text("a\\\n"),
        lambda path: path.write_bytes(b"x\n" * 2**20),
    ],
    ids=["binary", "link", "pipe", "folder", "no pattern", "huge"],
)
def test_an_ignore_file_that_cannot_be_read_stops_everything(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(write(tmp_path, "a.md") / ".kuraignore")
    with pytest.raises(SourceError):
        source(tmp_path).list({})


def test_a_folder_that_cannot_be_listed_stops_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "sub/a.md")
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(SourceError, match=r"sub cannot be listed \(Permission denied\)"):
        source(tmp_path).list({})


def test_what_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere does not exist"):
        source(Path("nowhere")).list({})
    (tmp_path / "broken").symlink_to(tmp_path / "gone")
    with pytest.raises(SourceError, match="does not exist"):
        source(tmp_path / "broken").list({})


def test_pipes_and_folders_with_a_documents_name_are_passed_over(tmp_path: Path) -> None:
    root = write(tmp_path, "folder.md/a.md")
    os.mkfifo(root / "pipe.md")
    listing = source(root).list({})
    assert [one.item for one in listing.items] == ["folder.md/a.md"]
    assert listing.skipped == {"pipe.md": "not a file"}
    with pytest.raises(DocumentError, match="not a regular file"):
        source(root).read(item("pipe.md", root))


def test_a_huge_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MAX_BYTES", 10)
    one = source(write(tmp_path, "eleven89.md", "ten4567.md"))
    big, good = one.list({}).items
    assert one.read(good).data == b"ten4567.md"
    with pytest.raises(DocumentError, match="split it"):
        one.read(big)


def test_the_version_follows_the_content_and_survives_a_second_look(tmp_path: Path) -> None:
    root = write(tmp_path, "a.md")
    first, again = (source(root).list({}).items[0].version for _ in range(2))
    assert first == again
    os.utime(root / "a.md", (1, 1))
    assert source(root).list({}).items[0].version != first


def test_a_replaced_file_of_the_same_size_and_time_has_another_version(tmp_path: Path) -> None:
    root = write(tmp_path, "a.md")
    times = (root / "a.md").stat().st_atime_ns, (root / "a.md").stat().st_mtime_ns
    before = source(root).list({}).items[0].version
    (root / "new").write_text("b.md")
    os.utime(root / "new", ns=times)
    (root / "new").replace(root / "a.md")
    assert source(root).list({}).items[0].version != before


@pytest.mark.parametrize(("seconds", "trusted"), [(1, False), (3, True)])
def test_a_file_written_a_moment_ago_is_not_trusted(tmp_path: Path, seconds: int, trusted: bool) -> None:
    root = write(tmp_path, "a.md")
    os.utime(root / "a.md", (1, 1))  # whoever sets its time back cannot set back the time of that
    changed = (root / "a.md").stat().st_ctime_ns
    one = source(root, now=lambda: changed + seconds * 10**9)
    (listed,) = one.list({}).items
    assert bool(listed.version) is trusted
    assert bool(one.read(listed).version) is trusted


def _changing(root: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """The file grows each time somebody begins to read it, `times` times."""
    real = os.fdopen
    left = [times]

    def fdopen(*arguments: Any) -> Any:
        file = real(*arguments)
        if left[0]:
            left[0] -= 1
            before = file.read(2)
            file.seek(0)
            assert before
            state = os.fstat
            seen = [0]

            def fstat(descriptor: int) -> os.stat_result:
                if seen[0] == 1:
                    with (root / "a.md").open("a") as other:
                        other.write("more")
                seen[0] += 1
                return state(descriptor)

            monkeypatch.setattr(os, "fstat", fstat)
        return file

    monkeypatch.setattr(os, "fdopen", fdopen)


def test_a_file_that_changed_while_it_was_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = source(write(tmp_path, "a.md"))
    (listed,) = one.list({}).items
    _changing(tmp_path, monkeypatch, 1)
    content = one.read(listed)
    assert content.data == b"a.mdmore"
    assert content.version != listed.version


def test_a_file_that_goes_on_changing_is_left_for_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = source(write(tmp_path, "a.md"))
    (listed,) = one.list({}).items
    _changing(tmp_path, monkeypatch, 2)
    with pytest.raises(OSError, match="being written, and will be read at the next run") as raised:
        one.read(listed)
    assert raised.value.errno == errno.EBUSY


def test_a_file_that_is_gone_is_no_fault_of_the_document(tmp_path: Path) -> None:
    one = source(write(tmp_path, "a.md"))
    (listed,) = one.list({}).items
    (tmp_path / "a.md").unlink()
    with pytest.raises(FileNotFoundError):
        one.read(listed)


def test_a_source_around_this_one_keeps_nothing_of_it_apart(tmp_path: Path) -> None:
    (tmp_path / "docs" / "people").mkdir(parents=True)
    (tmp_path / "docs" / "people" / "pay.md").write_text("# Pay")
    listing = FolderSource(tmp_path / "docs" / "people", apart=[tmp_path / "docs"]).list({})
    assert [item.item for item in listing.items] == ["pay.md"]
    source = FolderSource(tmp_path / "docs" / "people", apart=[tmp_path / "docs"])
    assert source.read(source.list({}).items[0]).data == b"# Pay"
