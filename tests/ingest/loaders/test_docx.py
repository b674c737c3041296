import io
import zipfile
from pathlib import Path

import docx
import pytest

from ingest.errors import DocumentError
from ingest.loaders import office, parse


def saved(word: "docx.document.Document") -> bytes:
    file = io.BytesIO()
    word.save(file)
    return file.getvalue()


def policy() -> "docx.document.Document":
    word = docx.Document()
    word.add_heading("Expense policy", 0)
    word.add_heading("Hotels", 1)
    word.add_paragraph("The cap is\u200b  180 EUR.").add_run("secret").font.hidden = True
    for text in ("one", "two"):
        word.add_paragraph(text, style="List Bullet")
    for text in ("first", "second"):
        word.add_paragraph(text, style="List Number")
    table = word.add_table(2, 2)
    for i, text in enumerate(("City", "Cap", "Oslo", "1|80")):
        table.cell(i // 2, i % 2).text = text
    word.add_heading("食事", 2)
    word.add_paragraph("昼食は千円まで。")
    return word


def test_paragraphs_lists_and_tables_come_in_order_under_their_headings() -> None:
    document = parse("a.docx", saved(policy()))
    assert document.title == "Expense policy"
    assert document.text == (
        "# Hotels\n\nThe cap is 180 EUR.\n\n- one\n- two\n\n1. first\n2. second\n\n"
        "| City | Cap |\n| --- | --- |\n| Oslo | 1\\|80 |\n\n## 食事\n\n昼食は千円まで。"
    )
    assert [mark.heading for mark in document.marks] == [("Hotels",), ("Hotels", "食事")]


def test_without_a_title_paragraph_the_properties_or_the_first_heading_give_it() -> None:
    word = docx.Document()
    word.add_heading("Only heading", 1)
    word.add_paragraph("text")
    word.core_properties.title = ""
    assert parse("a.docx", saved(word)).title == "Only heading"
    word.core_properties.title = "From the properties"
    assert parse("a.docx", saved(word)).title == "From the properties"


@pytest.mark.parametrize(
    "data", [b"junk", b"PK\x03\x04junk", saved(policy())[:5000], b"\xd0\xcf\x11\xe0" + b"\0" * 600]
)
def test_a_damaged_or_protected_file_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"a\.docx: .*(damaged|password)"):
        parse("a.docx", data)


def test_another_zip_archive_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(DocumentError, match="damaged"):
        parse("a.docx", file.getvalue())


def test_a_zip_bomb_is_refused_before_it_unpacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office, "UNPACKED_LIMIT", 1_000_000)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * 2_000_000)
    with pytest.raises(DocumentError, match="unpacks to more"):
        parse("a.docx", file.getvalue())


def with_entities(declarations: str, use: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(policy()))) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "word/document.xml":
                part = part.replace(b"<w:document", f"<!DOCTYPE x [{declarations}]><w:document".encode(), 1)
                part = part.replace(b"Hotels", b"Hotels" + use)
            new.writestr(name, part)
    return file.getvalue()


def test_entities_are_not_resolved() -> None:
    outside = Path(__file__).as_uri()
    document = parse("a.docx", with_entities(f"<!ENTITY a 'lol'><!ENTITY b SYSTEM '{outside}'>", b"&a;&b;"))
    assert "lol" not in document.text
    assert "zipfile" not in document.text


def test_entities_that_grow_are_refused() -> None:
    grow = "".join(f"<!ENTITY {chr(98 + i)} '{f'&{chr(97 + i)};' * 10}'>" for i in range(8))
    with pytest.raises(DocumentError, match="damaged"):
        parse("a.docx", with_entities("<!ENTITY a 'lol'>" + grow, b"&i;"))
