import datetime
import io
import zipfile

import openpyxl
import pytest

from ingest.errors import DocumentError
from ingest.loaders import parse, xlsx
from ingest.loaders.xlsx import load
from ingest.splitting import split


def saved(book: openpyxl.Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def sheet_of(*rows: list[object]) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    return book


def rewritten(data: bytes, part: str, old: bytes, new: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            text = before.read(name)
            assert name != part or old in text
            after.writestr(name, text.replace(old, new, 1) if name == part else text)
    return file.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
CAPS = sheet_of(["City", "Cap"], ["Oslo", 180], ["Bonn", 150])


def test_each_sheet_is_a_section_of_rows_that_name_their_columns() -> None:
    book = sheet_of(["City", "Cap", "Since"], ["Oslo", 0.1 + 0.2, datetime.date(2024, 5, 1)], ["Bonn", None, None])
    book.active.title = "旅費"
    book.create_sheet("Times").append(["when", datetime.datetime(2024, 5, 1, 9, 30), datetime.time(8, 0), True])
    document = parse("caps.xlsm", saved(book))
    assert document.title == "caps"
    assert document.text == (
        "# 旅費\n\nCity: Oslo; Cap: 0.3; Since: 2024-05-01\n\nCity: Bonn\n\n# Times\n\nwhen; 2024-05-01 09:30; 08:00:00; TRUE"
    )
    assert [mark.heading for mark in document.marks] == [("旅費",), ("Times",)]


def test_numbers_keep_the_look_of_their_cell() -> None:
    book = sheet_of(["Item", "Share", "Price"], ["Lamp", 0.155, 1200])
    book.active["B2"].number_format = "0.0%"
    book.active["C2"].number_format = '"¥"#,##0'
    assert parse("a.xlsx", saved(book)).text.endswith("Item: Lamp; Share: 15.5%; Price: ¥1,200")


def test_hidden_sheets_errors_and_formulas_never_calculated_are_left_out() -> None:
    book = sheet_of(["City", "Cap", "Sum"], ["Oslo", "#N/A", "=1+1"], ["Bonn", 150, None])
    book.create_sheet("secret").append(["nobody", "sees"])
    book["secret"].sheet_state = "hidden"
    assert parse("a.xlsx", saved(book)).text == "# Sheet\n\nCity: Oslo\n\nCity: Bonn; Cap: 150"


def test_merged_cells_are_said_in_each_row_and_over_each_column_they_cover() -> None:
    book = sheet_of(
        ["Caps of 2024"], ["Region", "Cap"], [None, "Hotel", "Food"], ["North", 1, 2], [None, 3, 4], ["South", 5, 6]
    )
    for cells in ("A1:C1", "A2:A3", "B2:C2", "A4:A5"):
        book.active.merge_cells(cells)
    assert parse("a.xlsx", saved(book)).text.split("\n\n")[1:] == [
        "Caps of 2024",
        "Region: North; Cap Hotel: 1; Cap Food: 2",
        "Region: North; Cap Hotel: 3; Cap Food: 4",
        "Region: South; Cap Hotel: 5; Cap Food: 6",
    ]


def test_a_title_merged_over_rows_is_said_once() -> None:
    book = sheet_of(["Caps of 2024"], [], [], ["City", "Cap"], ["Oslo", 180])
    book.active.merge_cells("A1:B3")
    assert parse("a.xlsx", saved(book)).text == "# Sheet\n\nCaps of 2024\n\nCity: Oslo; Cap: 180"


def test_merged_cells_behind_many_rows_are_found_across_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "_PIECE", 7)
    book = sheet_of(["Region", "Cap"], ["North", 1], [None, 2])
    book.active.merge_cells("A2:A3")
    assert load("a", saved(book)).text.endswith("Region: North; Cap: 2")


def test_chunks_carry_the_sheet_and_the_columns() -> None:
    book = sheet_of(["City", "Cap"], *([f"City number {i}", i] for i in range(300)))
    document = parse("a.xlsx", saved(book))
    chunks = split(document)
    assert len(chunks) > 3
    assert {chunk.heading for chunk in chunks} == {("Sheet",)}
    assert all(document.text[chunk.start : chunk.end].startswith("City: City number") for chunk in chunks)


def test_a_size_the_file_claims_falsely_costs_nothing() -> None:
    data = rewritten(saved(CAPS), SHEET, b'ref="A1:B3"', b'ref="A1:XFD1048576"')
    assert parse("a.xlsx", data).text == "# Sheet\n\nCity: Oslo; Cap: 180\n\nCity: Bonn; Cap: 150"


def test_far_cells_count_as_all_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "CELL_LIMIT", 30_000)
    book = openpyxl.Workbook()
    for row in (1, 2):
        book.active.cell(row, 16_384, "far")
    with pytest.raises(DocumentError, match="cells"):
        parse("a.xlsx", saved(book))
    book.active.delete_rows(2)
    assert parse("a.xlsx", saved(book)).text.endswith("far")
    far_below = rewritten(saved(CAPS), SHEET, b'<row r="3">', b'<row r="1048576">')
    with pytest.raises(DocumentError, match="cells"):
        parse("a.xlsx", far_below)


def test_all_sheets_share_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "CELL_LIMIT", 10)
    book = sheet_of(["City", "Cap"], ["Oslo", 180], ["Bonn", 150])
    assert "Bonn" in parse("a.xlsx", saved(book)).text
    book.copy_worksheet(book.active)
    with pytest.raises(DocumentError, match="cells"):
        parse("a.xlsx", saved(book))


@pytest.mark.parametrize("external", [False, True])
def test_entities_are_refused(external: bool) -> None:
    grow = b"".join(b"<!ENTITY e%d '%s'>" % (i, b"&e%d;" % (i - 1) * 10) for i in range(1, 9))
    entities = f"<!ENTITY e8 SYSTEM 'file://{__file__}'>".encode() if external else b"<!ENTITY e0 'lol'>" + grow
    data = rewritten(saved(CAPS), SHEET, b"<worksheet", b"<!DOCTYPE x [" + entities + b"]><worksheet")
    data = rewritten(data, SHEET, b"<v>180</v>", b"<v>&e8;</v>")
    with pytest.raises(DocumentError, match="damaged"):
        parse("a.xlsx", data)


def test_a_truncated_file_is_refused() -> None:
    with pytest.raises(DocumentError, match="damaged"):
        parse("a.xlsx", saved(CAPS)[:2000])
    with pytest.raises(DocumentError, match="damaged"):
        parse("a.xlsx", rewritten(saved(CAPS), SHEET, b"</sheetData>", b""))
