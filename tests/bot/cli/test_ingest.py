from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bot.cli.conftest import Ended

Kura = Callable[..., Ended]


def test_a_report_counts_what_happened(kura: Kura, docs: Path) -> None:
    assert "3 added" in kura("ingest", str(docs)).out
    (docs / "travel.md").unlink()
    (docs / "new.md").write_text("# New\n\nSomething new.\n")
    assert "1 added, 1 removed, 2 unchanged" in kura("ingest", str(docs)).out
    report = kura("ingest", "--json", str(docs)).json["sources"][0]
    assert (report["unchanged"], report["added"], report["readers"]) == (3, 0, ["all"])


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(kura: Kura, docs: Path) -> None:
    (docs / "junk.md").write_bytes(bytes(range(256)) * 10)
    (docs / "image.png").write_bytes(b"x")
    (docs / "link.md").symlink_to("/etc/passwd")
    ended = kura("ingest", str(docs))
    assert ended.code == 1
    assert "3 added" in ended.out
    assert "not read: junk.md" in ended.err
    assert "passed over, not a kind of document Kura reads: image.png\n" in ended.err
    assert "passed over, a link to something that is not in the source: link.md\n" in ended.err


@pytest.mark.parametrize("encoding", ["shift_jis", "euc_jp", "iso2022_jp", "utf-8-sig", "utf-16"])
def test_japanese_encodings_are_read_right(kura: Kura, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "j").mkdir()
    text = "# 備品購入の手続き\n\n十万円以上の備品は、購買課の承認を得てから注文してください。\n"
    (tmp_path / "j" / "備品.md").write_bytes(text.encode(encoding))
    assert kura("ingest", str(tmp_path / "j")).code == 0
    assert "購買課の承認" in kura("ask", "十万円以上の備品の注文には何が必要ですか。").out


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: None, "does not exist"),
        (lambda p: p.mkdir(), "holds no file"),
        (lambda p: p.write_text("x"), "thing: not a kind of document"),
    ],
    ids=["missing", "empty", "unknown kind"],
)
def test_a_source_without_documents_is_said(
    kura: Kura, tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / "thing")
    ended = kura("ingest", str(tmp_path / "thing"))
    assert ended.code == 1
    assert says in ended.err
    assert "thing" in ended.err


def test_without_a_path_the_configured_sources_are_read(kura: Kura, docs: Path) -> None:
    Path("kura.toml").write_text(
        f'[[sources]]\nname = "company"\npath = "{docs}"\ndiscord = true\n'
        f'[[sources]]\nname = "hr"\npath = "{docs / "people"}"\nreaders = ["hr"]\n'
    )
    ended = kura("ingest", "--json")
    assert ended.code == 0
    by_name = {report["source"]: report for report in ended.json["sources"]}
    assert by_name["hr"]["readers"] == ["hr"]
    assert kura("ask", "--json", "What is the top of the G4 engineer band?").json["refused"]
    status = kura("status", "--json").json
    assert {source["name"]: source["discord"] for source in status["sources"]} == {"company": True, "hr": False}


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("compnay", "the nearest is company"),
        ("COMPANY", "the nearest is company"),
        ("poeple", "the nearest is people"),
        ("xyzzy", "sources are company, people"),
    ],
)
def test_a_misspelt_source_is_no_path_and_the_nearest_is_named(kura: Kura, docs: Path, word: str, hint: str) -> None:
    assert kura("ingest", str(docs / "people")).code == 0
    Path("kura.toml").write_text(f'[[sources]]\nname = "company"\npath = "{docs}"\n')
    ended = kura("ingest", word)
    assert ended.code == 2
    assert f"there is no source, folder or file {word}: {hint}" in ended.err


def test_what_is_a_path_is_read_whatever_sources_are_called(kura: Kura, docs: Path, tmp_path: Path) -> None:
    Path("kura.toml").write_text(f'[[sources]]\nname = "company"\npath = "{docs}"\n')
    Path("compnay").mkdir()
    Path("compnay", "a.md").write_text("# A\n\nSomething.\n")
    assert "1 added" in kura("ingest", "compnay").out
    assert "does not exist" in kura("ingest", "./compny").err
    Path("compnay").rename(tmp_path / "elsewhere")
    assert "there is no source" not in kura("ingest", "compnay").err  # it is the name of a stored folder


def test_without_a_path_or_sources_it_says_what_to_give(kura: Kura) -> None:
    ended = kura("ingest")
    assert ended.code == 2
    assert "kura init" in ended.err


def test_readers_need_a_name(kura: Kura, docs: Path) -> None:
    assert kura("ingest", str(docs), "--readers", " , ").code == 2


def test_repair_makes_the_indexes_anew(kura: Kura, ingested: Path) -> None:
    before = kura("search", "--json", "hotel limit").json["hits"]
    assert "Made anew: 4 passages." in kura("repair").out
    assert kura("search", "--json", "hotel limit").json["hits"] == before


def test_a_folder_never_takes_what_the_settings_give_to_others(kura: Kura, docs: Path) -> None:
    Path("kura.toml").write_text(f'[[sources]]\nname = "hr"\npath = "{docs / "people"}"\nreaders = ["hr"]\n')
    reports = kura("ingest", "--json", str(docs), "--readers", "all").json["sources"]
    assert {report["source"]: report["readers"] for report in reports} == {"hr": ["hr"], "docs": ["all"]}
    assert kura("ask", "--json", "What is the top of the G4 engineer band?").json["refused"]


def test_an_empty_path_is_refused(kura: Kura) -> None:
    ended = kura("ingest", "")
    assert ended.code == 2
    assert "the path is empty" in ended.err


def test_a_source_is_removed_by_its_name(kura: Kura, ingested: Path) -> None:
    assert kura("remove", "nothing").code == 1
    assert "Removed people: 1 document." in kura("remove", "people").out
    assert [source["name"] for source in kura("status", "--json").json["sources"]] == ["docs"]
    assert kura("search", "--json", "--group", "hr", "G4 engineer band").json["hits"][0]["title"] != "Salary bands"
    assert kura("doctor").code == 0


def test_an_inner_source_that_fails_is_not_taken_in_by_the_outer_one(kura: Kura, docs: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.md").write_text("# X\n\nSomething.\n")
    kura("ingest", str(tmp_path / "other"))  # takes the name that the configured source wants
    Path("kura.toml").write_text(f'[[sources]]\nname = "other"\npath = "{docs / "people"}"\nreaders = ["hr"]\n')
    ended = kura("ingest", str(docs))
    assert ended.code == 1
    assert "kura remove other" in ended.err
    assert all(hit["title"] != "Salary bands" for hit in kura("search", "--json", "G4 engineer band").json["hits"])
