"""Excel workbooks into a `Document`: a section for each visible sheet, a line for each row that names its columns.

Values are those Excel saw last: nothing is calculated, so a formula written by a program that never calculated it is an
empty cell. Left out: hidden sheets, rows and columns, cells whose letters are white or whose format shows nothing, charts,
pictures, comments, and cells that hold an error. A cell merged over rows is said in each of them. openpyxl streams the
rows; with defusedxml installed it refuses entities.
"""

from __future__ import annotations

import datetime
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ingest.loaders.numbers import displayed
from ingest.loaders.office import check_archive, modified
from ingest.loaders.records import CELL_LIMIT, Row, write_rows
from ingest.loaders.writer import Writer, one_line
from retrieval.documents import Document
from retrieval.language import language

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

_MERGE = re.compile(rb"<(?:\w+:)?mergeCell\s[^<>]*?ref=[\"']([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})[\"']")
_HIDDEN = re.compile(rb"<(?:\w+:)?(?P<kind>row|col)\s(?=[^<>]*?\bhidden=[\"'](?:1|true)[\"'])(?P<said>[^<>]*)>")
_SAID = re.compile(rb"\b(r|min|max)=[\"'](\d{1,7})[\"']")
_LAST_COLUMN = 16_384
_PIECE = 1_000_000
"""Bytes of a sheet looked through at once for merged cells; they stand behind its rows, where streaming comes too late."""
_OVERLAP = 200
"""Bytes of the piece before looked at again: longer than the element of one merge."""


def load(stem: str, data: bytes) -> Document:
    """Parse an .xlsx or .xlsm file. Title: the properties', else `stem`."""
    check_archive(data, ".xlsx")
    import openpyxl

    writer = Writer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of what it would lose on saving
        with closing(openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)) as book:
            left = CELL_LIMIT
            for sheet in book.worksheets:
                if sheet.sheet_state == "visible":
                    writer.heading(1, sheet.title)
                    left -= write_rows(writer, _rows(sheet), limit=left)
            title = one_line(book.properties.title or "")
    text, marks = writer.finish()
    return Document(title or stem, text, language(text), marks, modified(data))


def _rows(sheet: ReadOnlyWorksheet) -> Iterator[Row]:
    merges, hidden_rows, hidden_columns = _arranged(sheet)
    falling: dict[int, tuple[int, str]] = {}  # by column: the last row of a cell merged over rows, and its text
    sheet.reset_dimensions()  # what the file says of its own size may be wrong or a bomb
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        if number in hidden_rows:
            continue
        texts = ["" if at in hidden_columns or _blank(cell) else _text(cell) for at, cell in enumerate(cells)]
        spans = {}
        for column, width, last in merges.pop(number, ()):
            if column < len(texts) and texts[column]:
                spans[column] = width
                if last > number:
                    falling[column] = (last, texts[column])
        # a row of nothing else stays blank: it is below a title over several rows, or parts two tables
        for column, (last, text) in list(falling.items()) if any(texts) else ():
            if last < number:
                del falling[column]
            else:
                texts.extend([""] * (column + 1 - len(texts)))
                texts[column] = text
        yield Row(texts, spans)


def _arranged(sheet: ReadOnlyWorksheet) -> tuple[dict[int, list[tuple[int, int, int]]], set[int], set[int]]:
    """Merged cells by the number of their first row (index of their first column, columns covered, last row), the numbers
    of hidden rows, and the indexes of hidden columns."""
    from openpyxl.utils import column_index_from_string

    merges: dict[int, list[tuple[int, int, int]]] = {}
    rows: set[int] = set()
    columns: set[int] = set()
    with sheet._get_source() as source:
        before = b""
        while piece := source.read(_PIECE):
            whole = before + piece
            for match in _MERGE.finditer(whole):
                left, right = (column_index_from_string(match[group].decode()) for group in (1, 3))
                merges.setdefault(int(match[2]), []).append((left - 1, right - left + 1, int(match[4])))
            for match in _HIDDEN.finditer(whole):
                said = {name: int(value) for name, value in _SAID.findall(match["said"])}
                if match["kind"] == b"row":
                    rows.add(said.get(b"r", 0))
                else:
                    columns.update(range(said.get(b"min", 1) - 1, min(said.get(b"max", 0), _LAST_COLUMN)))
            before = whole[-_OVERLAP:]
    return merges, rows, columns


def _blank(cell: Any) -> bool:
    """Whether a cell shows nothing of its value: by its format, or in white letters on no colour."""
    if cell.value is None:
        return False
    if cell.number_format.strip() and not cell.number_format.strip("; "):
        return True
    colour = cell.font.color if cell.has_style else None
    if colour is None or colour.type != "rgb" or str(colour.rgb).upper() not in ("FFFFFFFF", "00FFFFFF"):
        return False
    return bool(cell.fill.fill_type is None)


def _text(cell: Any) -> str:
    value = cell.value
    if value is None or cell.data_type == "e":
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return displayed(value, cell.number_format)
    if isinstance(value, datetime.datetime):
        if value.time() == datetime.time():
            return value.date().isoformat()
        return value.isoformat(" ", "seconds" if value.second else "minutes")
    return str(value)
