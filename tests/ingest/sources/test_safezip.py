from __future__ import annotations

import io
import os
import random
import stat
import zipfile
from collections.abc import Mapping

import pytest

from ingest.errors import DocumentError
from ingest.sources import safezip
from ingest.sources.safezip import SafeZip
from tests.ingest.sources.zips import zipped

MOST = 2**20


def opened(members: Mapping[str, str | bytes]) -> SafeZip:
    return SafeZip(io.BytesIO(zipped(members)), "x.zip")


def test_members_are_read_by_their_path() -> None:
    archive = opened({"a/b.md": "text", "a/": "", "c.md": ""})
    assert list(archive.members) == ["a/b.md", "c.md"]
    assert archive.read("a/b.md", MOST) == b"text"
    assert archive.read("c.md", MOST) == b""
    archive.close()


@pytest.mark.parametrize("name", ["../x.md", "a/../../x.md", "/etc/x.md", "C:/x.md", "C:\\x.md", "..\\x.md", "a/.."])
def test_paths_that_lead_out_are_never_opened(name: str) -> None:
    archive = opened({"good.md": "x", name: "x"})
    assert list(archive.members) == ["good.md"]
    assert "never opened" in next(iter(archive.refused.values()))


def test_a_name_with_a_zero_byte_is_never_opened() -> None:
    data = zipped({"a.md#evil.exe": "x", "good.md": "x"}).replace(b"a.md#evil.exe", b"a.md\0evil.exe")
    archive = SafeZip(io.BytesIO(data), "x.zip")
    assert list(archive.members) == ["good.md"]
    assert "a.md" in archive.refused


def test_hidden_members_and_those_of_other_systems_are_passed_over() -> None:
    archive = opened({".git/x.md": "x", "__MACOSX/._a.md": "x", "a/~$b.docx": "x", "./a.md": "x", "b\\c.md": "x"})
    assert list(archive.members) == ["a.md", "b/c.md"]
    assert archive.refused == {}


def test_of_two_members_with_one_name_the_last_counts() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("a.md", "first")
        with pytest.warns(UserWarning, match="Duplicate"):
            made.writestr("a.md", "second")
    assert SafeZip(buffer, "x.zip").read("a.md", MOST) == b"second"


def test_a_protected_member_says_so() -> None:
    data = bytearray(zipped({"a.md": "x"}))
    directory = data.index(b"PK\x01\x02")
    data[directory + 8] |= 1
    archive = SafeZip(io.BytesIO(bytes(data)), "x.zip")
    assert "protected by a password" in archive.refused["a.md"]


def test_links_and_rare_methods_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        link = zipfile.ZipInfo("link.md")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "/etc/passwd")
        made.writestr("rare.md", "x", zipfile.ZIP_LZMA)
    archive = SafeZip(buffer, "x.zip")
    assert archive.members == {}
    assert "never followed" in archive.refused["link.md"]
    assert "rare method" in archive.refused["rare.md"]


def test_a_bomb_is_refused_by_its_ratio_and_a_small_file_is_not() -> None:
    archive = opened({"bomb.txt": b"0" * (2 * 2**20), "small.txt": b"0" * 2**20})
    assert list(archive.members) == ["small.txt"]
    assert "as bombs do" in archive.refused["bomb.txt"]


def test_a_member_that_lies_about_its_size_is_cut_off_and_refused() -> None:
    data = bytearray(zipped({"a.txt": os.urandom(1000) * 100}))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (5).to_bytes(4, "little")
    archive = SafeZip(io.BytesIO(bytes(data)), "x.zip")
    with pytest.raises(DocumentError, match="damaged"):
        archive.read("a.txt", MOST)


def test_more_than_may_be_read_is_refused() -> None:
    with pytest.raises(DocumentError, match="split it"):
        opened({"a.txt": "0" * 100}).read("a.txt", 99)


def test_too_many_members_or_too_long_a_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zipped({f"{number}.md": "" for number in range(20)})
    monkeypatch.setattr(safezip, "MAX_MEMBERS", 19)
    with pytest.raises(DocumentError, match="more than 19 files"):
        SafeZip(io.BytesIO(data), "x.zip")
    monkeypatch.setattr(safezip, "MAX_DIRECTORY_BYTES", 500)
    with pytest.raises(DocumentError, match="damaged or no zip file"):
        SafeZip(io.BytesIO(data), "x.zip")


@pytest.mark.parametrize("codec", ["utf-8", "cp932"])
def test_japanese_names_are_read_although_the_archive_does_not_say_how(codec: str) -> None:
    names = ["規程/就業規則.md", "規程/ひな形.md", "readme.md"]
    stand_ins = {name: name.encode(codec).hex() for name in names}
    data = zipped(dict.fromkeys(stand_ins.values(), "x"))
    for name, stand_in in stand_ins.items():
        data = data.replace(stand_in.encode(), name.encode(codec).ljust(len(stand_in), b"_"))
    members = [name.rstrip("_") for name in SafeZip(io.BytesIO(data), "x.zip").members]
    assert members == names


def test_western_names_stay_what_they_were() -> None:
    data = zipped({"R1sum1.md": "x", "Caf1.md": "x"}).replace(b"R1sum1", "Résumé".encode("cp437"))
    data = data.replace(b"Caf1", "Café".encode("cp437"))
    assert list(SafeZip(io.BytesIO(data), "x.zip").members) == ["Résumé.md", "Café.md"]


def test_damaged_archives_end_in_a_sentence_and_nothing_else() -> None:
    rng = random.Random(4)  # noqa: S311  # no secret
    whole = zipped({f"folder/{number}.md": f"text {number} " * 50 for number in range(5)})
    damaged = 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        del data[rng.choice([len(data), rng.randrange(len(data))]) :]
        try:
            archive = SafeZip(io.BytesIO(bytes(data)), "x.zip")
        except DocumentError:
            damaged += 1
            continue
        for name in archive.members:
            try:
                archive.read(name, MOST)
            except DocumentError:
                damaged += 1
        archive.close()
    assert damaged > 100
