"""Rows of a table as lines that stand alone: `Item: Lamp; Price: 12; In stock since: 2024-05-01`. Knows no file format.

Why not a Markdown table: chunks are exact slices of the stored text, so only the first chunk of a long table would
hold its head, and "12" three columns to the right of "Lamp" says little to a word index, an embedder or a small model.
Here each row names its columns, is a paragraph of its own (never cut while it is shorter than a chunk), and can be
quoted as one sentence. The price is a longer text. Empty cells are left out, and rows without a letter or digit.

The head is the first row of a block (rows between blank ones) whose cells are all labels, that is about as wide as the
rows below it. A later block keeps the head above it unless its own first row cannot be a row of that table. Without
a head the values stand alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby, islice

from ingest.errors import DocumentError
from ingest.loaders.writer import Writer, one_line

CELL_LIMIT = 2_000_000
"""Cells of one file, the empty ones inside its rows counted too: above it no one would look things up by reading."""

_LOOKED_AT = 12
"""Rows of a block among which its head is looked for: titles and notes may stand above it."""
_LABEL_LENGTH = 80
_LINE_LENGTH = 700
"""Characters from which a row of many cells goes on in a new line: half a chunk, and less than one in any script."""
_SPAN_LIMIT = 100
"""Columns under one merged cell that are looked at; the head of a table has fewer."""

_WORD = re.compile(r"\w")
_LABEL = re.compile(r"[^\W_]|[#%]")
_AMOUNT = re.compile(r"[-+(]?\W?[\d.,:/ %-]+\W?\)?")
_LEADS_IN = (":", "：")
"""How a cell ends that names the one to its right, as in a form."""
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True, slots=True)
class Row:
    """Cells from the first column on, "" for an empty one; `spans`: by index, how many columns a merged cell covers."""

    cells: list[str]
    spans: dict[int, int] = field(default_factory=dict)


def write_rows(writer: Writer, rows: Iterable[Row], *, limit: int = CELL_LIMIT) -> int:
    """Write the rows of one sheet; how many cells they had.

    Raises DocumentError when they are more than `limit`, or the text longer than the writer's TEXT_LIMIT.
    """
    head = _Head()
    cells = _Counter(limit)
    for filled, block in groupby(_cleaned(cells.counted(rows)), key=lambda row: any(row.cells)):
        if not filled:
            continue
        first = list(islice(block, _LOOKED_AT))
        found = head.find(first)
        if found >= 0:
            for row in first[:found]:
                _write(writer, _Head(), row)
            del first[: found + head.take(first, found)]
        for row in chain(first, block):
            _write(writer, head, row)
    return cells.count


class _Counter:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.count = 0

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.count += max(1, len(row.cells))
            if self.count > self._limit:
                raise DocumentError(f"It holds more than {CELL_LIMIT:,} cells: split it into several files.")
            yield row


def _cleaned(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        cells = [one_line(cell) for cell in row.cells]
        if not any(cells):
            yield Row([])
        elif any(map(_WORD.search, cells)):
            yield Row(cells, row.spans)


class _Head:
    """The names of the columns, and in which of them numbers were seen below."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self._rows: list[list[str]] = []
        self._amounts: set[int] = set()

    def find(self, rows: list[Row]) -> int:
        """Index of the row that is a new head among the first rows of a block; -1 if there is none."""
        widest = max(sum(map(bool, row.cells)) for row in rows)
        for i, row in enumerate(rows[:-1]):
            labels = _spread(row)
            if len(set(labels.values())) < 2 or not all(map(_is_label, labels.values())):
                continue
            table = any(sum(map(bool, row.cells)) > 1 for row in rows[i + 1 :])
            if table and 2 * len(labels) > widest and not self._fits(labels):
                return i
        return -1

    def take(self, rows: list[Row], at: int) -> int:
        """Take row `at` as the head, with the row below it if that names the columns under merged cells. How many."""
        names = _spread(rows[at])
        taken = 1
        below = _spread(rows[at + 1]) if any(width > 1 for width in rows[at].spans.values()) else {}
        if below and at + 2 < len(rows) and all(map(_is_label, below.values())):
            taken = 2
            for column, name in below.items():
                above = names.get(column, "")
                names[column] = name if above in ("", name) else f"{above} {name}"
        self.names = names
        self._rows = [row.cells for row in rows[at : at + taken]]
        self._amounts = set()
        return taken

    def named(self, row: Row) -> list[str]:
        """`Name: value` of each filled cell; nothing for the head said again, as on each printed page."""
        if row.cells in self._rows:
            return []
        parts: list[str] = []
        for column, value in enumerate(row.cells):
            if value:
                name = self.names.get(column, "")
                if not name and parts and parts[-1].endswith(_LEADS_IN):
                    parts[-1] += " " + value
                else:
                    parts.append(f"{name}: {value}" if name else value)
                if _AMOUNT.fullmatch(value):
                    self._amounts.add(column)
        return parts

    def _fits(self, labels: dict[int, str]) -> bool:
        """True if labels may as well be a row of the table above."""
        return bool(self.names) and labels.keys() <= self.names.keys() and not self._amounts & labels.keys()


def _spread(row: Row) -> dict[int, str]:
    """The filled cells by column, merged ones in each column they cover."""
    spread: dict[int, str] = {}
    for column, value in enumerate(row.cells):
        if value:
            covered = min(row.spans.get(column, 1), _SPAN_LIMIT)
            spread.update(dict.fromkeys(range(column, column + covered), value))
    return spread


def _is_label(value: str) -> bool:
    if len(value) > _LABEL_LENGTH or not _LABEL.search(value) or value.endswith(_LEADS_IN):
        return False
    return _AMOUNT.fullmatch(value) is None or _YEAR.fullmatch(value) is not None


def _write(writer: Writer, head: _Head, row: Row) -> None:
    parts = head.named(row)
    if not parts:
        return
    line = parts[0]
    for part in parts[1:]:
        if len(line) + len(part) > _LINE_LENGTH:
            writer.block(line)
            # what a row is about stands in its first cell, as a rule
            line = f"{parts[0]}; {part}" if len(parts[0]) <= _LABEL_LENGTH else part
        else:
            line += f"; {part}"
    writer.block(line)
