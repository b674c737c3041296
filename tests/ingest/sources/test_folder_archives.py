"""Zip files in a folder source."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from ingest.errors import DocumentError
from ingest.sources import UNKNOWN_KIND, SourceItem
from ingest.sources.folder import FolderSource
from tests.ingest.sources.zips import write_zip, zipped


def later() -> int:
    return time.time_ns() + 60 * 10**9


def source(path: Path, **options: Any) -> FolderSource:
    return FolderSource(path, **{"suffixes": {".md", ".html"}, "now": later} | options)


def versions(one: FolderSource, known: dict[str, str] | None = None) -> dict[str, str]:
    return {item.item: item.version for item in one.list(known or {}).items}


def test_members_stand_below_their_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.ZIP", {"in/b.md": "inside", "c.png": "x"})
    (tmp_path / "z.md").write_text("beside")
    one = source(tmp_path)
    listing = one.list({})
    member, file = listing.items
    assert (member.item, member.name, member.address) == ("a.ZIP/in/b.md", "a.ZIP/in/b.md", str(path))
    assert listing.skipped == {"a.ZIP/c.png": UNKNOWN_KIND}
    content = one.read(member)
    assert content.data == b"inside"
    assert content.version == member.version != ""
    assert one.read(file).data == b"beside"
    one.close()


def test_an_archive_alone_is_a_source(tmp_path: Path) -> None:
    one = source(write_zip(tmp_path / "a.zip", {"b.md": "x", "in.zip": zipped({"c.md": "y"})}))
    assert list(versions(one)) == ["a.zip/b.md", "a.zip/in.zip/c.md"]
    assert one.read(SourceItem("a.zip/in.zip/c.md", "", "", "")).data == b"y"
    one.close()


def test_a_folder_named_like_an_archive_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.zip").mkdir()
    (tmp_path / "a.zip" / "b.md").write_text("x")
    one = source(tmp_path)
    (item,) = one.list({}).items
    assert one.read(item).data == b"x"


def test_patterns_reach_into_archives(tmp_path: Path) -> None:
    members = {"keep.md": "x", "draft/b.md": "x", "c.html": "x"}
    write_zip(tmp_path / "a.zip", members)
    write_zip(tmp_path / "not.zip", members)
    with_patterns = source(tmp_path, include=["*.md"], exclude=["draft/", "not.zip"])
    assert list(versions(with_patterns)) == ["a.zip/keep.md"]
    with_patterns.close()


def test_versions_follow_members_and_stay_while_the_archive_does(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"b.md": "one", "c.md": "same"})
    first = versions(one := source(tmp_path))
    assert versions(one) == first
    write_zip(path, {"b.md": "two", "c.md": "same"})
    assert versions(one)["a.zip/b.md"] != first["a.zip/b.md"]
    one.close()
    untrusting = source(tmp_path, now=lambda: 0)
    assert set(versions(untrusting).values()) == {""}
    untrusting.close()


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06 truncated", b"no archive at all", zipped({"b.md": "x"})[:-30]])
def test_an_archive_that_is_none_any_more_has_no_members(tmp_path: Path, data: bytes) -> None:
    path = write_zip(tmp_path / "a.zip", {"b.md": "x"})
    (tmp_path / "z.md").write_text("x")
    one = source(tmp_path)
    known = versions(one)
    path.write_bytes(data)
    listing = one.list(known | {"a.zipper/no.md": "1"})
    assert [item.item for item in listing.items] == ["z.md"]
    assert list(listing.damaged) == ["a.zip"]
    assert "export it anew" in listing.damaged["a.zip"]
    assert not listing.unreadable


def test_an_inner_archive_that_is_none_any_more_has_no_members(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"in.zip": zipped({"b.md": "x"}), "c.md": "x"})
    one = source(tmp_path)
    known = versions(one)
    write_zip(path, {"in.zip": b"PK nothing", "c.md": "x"})
    listing = one.list(known)
    assert [item.item for item in listing.items] == ["a.zip/c.md"]
    assert list(listing.damaged) == ["a.zip/in.zip"]
    one.close()


def test_a_member_that_cannot_be_unpacked_any_more_is_none(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"b.md": "x", "c.md": "x"})
    one = source(tmp_path)
    known = versions(one)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the list of members says that the first one is encrypted
    path.write_bytes(data)
    listing = one.list(known)
    assert [item.item for item in listing.items] == ["a.zip/c.md"]
    assert "password" in listing.damaged["a.zip/b.md"]
    one.close()


def test_an_archive_that_becomes_another_while_it_is_opened_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "a.zip", {"b.md": "x"})
    one = source(tmp_path)
    known = versions(one)

    def arriving(file: BinaryIO, *_: object, **__: object) -> None:
        file.close()
        path.write_bytes(b"half of it")
        raise DocumentError("a.zip is damaged.")

    one.close()
    monkeypatch.setattr("ingest.sources.folder.Archive", arriving)
    listing = one.list(known)
    assert {item.item: item.version for item in listing.items} == known
    assert "being written" in listing.unreadable["a.zip"]


def test_members_of_an_archive_that_broke_since_it_was_listed_are_not_readable_now(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"b.md": "x"})
    one = source(tmp_path)
    (item,) = one.list({}).items
    one.close()
    path.write_bytes(b"no archive at all")
    with pytest.raises(OSError, match="its archive cannot be read"):
        one.read(item)


def test_an_archive_that_may_not_be_read_now_is_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_zip(tmp_path / "a.zip", {"b.md": "x"})
    one = source(tmp_path)
    known = versions(one)
    one.close()

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("ingest.sources.folder.open_below", lambda root, path: refuse())
    single = source(tmp_path / "a.zip")  # has no .kuraignore to open
    listing = single.list(known)
    assert [item.item for item in listing.items] == ["a.zip/b.md"]
    assert "Permission denied" in listing.unreadable["a.zip"]


def test_an_archive_that_is_gone_is_gone(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"b.md": "x"})
    one = source(tmp_path)
    known = versions(one)
    path.unlink()
    assert one.list(known).items == ()


def test_a_damaged_member_is_a_fault_of_the_document(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"b.md": "x" * 50, "c.md": "y"}, method=0).replace(b"x" * 50, b"x" * 49 + b"!"))
    one = source(tmp_path)
    broken, whole = one.list({}).items
    with pytest.raises(DocumentError, match=r"a\.zip/b\.md is damaged"):
        one.read(broken)
    assert one.read(whole).data == b"y"
    one.close()


def test_an_archive_that_is_written_over_while_it_is_read_is_opened_again(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"b.md": "before"})
    one = source(tmp_path)
    (item,) = one.list({}).items
    path.write_bytes(zipped({"b.md": "after, and longer"}))  # the same inode
    content = one.read(item)
    assert content.data == b"after, and longer"
    assert content.version != item.version
    path.write_bytes(zipped({"c.md": "x"}))
    with pytest.raises(FileNotFoundError, match="not in its archive"):
        one.read(item)
    one.close()


def test_an_archive_behind_a_link_to_elsewhere_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    secret = write_zip(tmp_path / "secret.zip", {"b.md": "x"})
    (tmp_path / "root" / "a.zip").symlink_to(secret)
    listing = source(tmp_path / "root").list({})
    assert (listing.items, list(listing.skipped)) == ((), ["a.zip"])


def test_one_archive_is_open_at_a_time_and_none_after_closing(tmp_path: Path) -> None:
    for number in range(5):
        write_zip(tmp_path / f"{number}.zip", {"b.md": str(number)})
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208  # a count
    one = source(tmp_path)
    listed = one.list({}).items
    assert [one.read(item).data for item in (*listed, *listed)] == [b"0", b"1", b"2", b"3", b"4"] * 2
    assert len(os.listdir("/dev/fd")) == before + 1  # noqa: PTH208
    one.close()
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208


def test_a_slack_export_becomes_a_document_for_each_day(tmp_path: Path) -> None:
    message = {"type": "message", "user": "U1", "text": "Lunch at noon", "ts": "1706691600.0"}
    members = {
        "channels.json": [{"id": "C1", "name": "general"}],
        "users.json": [{"id": "U1", "name": "ann"}],
        "dms.json": [{"id": "D1"}],
        "general/2024-01-31.json": [message],
        "D1/2024-01-31.json": [message],
    }
    write_zip(tmp_path / "slack.zip", {name: json.dumps(content) for name, content in members.items()})
    one = source(tmp_path)
    listing = one.list({})
    (day,) = listing.items
    assert (day.item, day.name) == ("slack.zip/general/2024-01-31.json", "slack.zip/general/2024-01-31.md")
    assert one.read(day).data == b"# #general 2024-01-31\n\n- **ann** 09:00: Lunch at noon\n"
    assert listing.skipped == {"slack.zip/dms.json": "1 direct conversation, never ingested"}
    one.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("length", [1, 10**5])
def test_an_archive_for_which_the_disk_has_no_room_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    write_zip(tmp_path / "a.zip", {"in.zip": zipped({"b.md": os.urandom(length).hex()}, method=0)})
    one = source(tmp_path)
    known = versions(one)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: open("/dev/full", "w+b"))  # noqa: PTH123, SIM115
    listing = one.list(known)
    assert {item.item: item.version for item in listing.items} == known
    assert "No space left" in listing.unreadable["a.zip"]
    one.close()
