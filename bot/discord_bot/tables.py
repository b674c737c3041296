"""Markdown tables, which Discord does not show: as aligned code blocks, or as files. Pure; knows no message's limit."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from bot.discord_bot.escaping import FENCE, break_mentions

_ROW = re.compile(r"^[ \t]{0,8}(?=[^\n]*\|)\S[^\n]*$", re.MULTILINE)
_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_PIPE = re.compile(r"(?<!\\)\|")
_MARKS = re.compile(r"(?<=\|)[ \t]*((?:\[\d+\][ \t]*)+)$")
"""The marks of citations behind a row."""
_NUMBER = re.compile(r"[+-]?[\d.,]+%?")
_BOM = "\ufeff"
"""Without it Excel takes UTF-8 for something else."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that stands in a text from `start` to `end`; `rows` are equally long, the first being the header."""

    start: int
    end: int
    rows: tuple[tuple[str, ...], ...]
    sides: tuple[str, ...]
    """For each column: "<" left, ">" right or "^" middle."""
    marks: str = ""
    """The marks of citations, "[1][2]", that stood behind its rows."""

    @property
    def widths(self) -> tuple[int, ...]:
        return tuple(max(map(width, column)) for column in zip(*self.rows, strict=True))

    @property
    def columns(self) -> int:
        """How wide it is as a block, in columns of a fixed-width font."""
        return sum(self.widths) + 3 * (len(self.sides) - 1)

    def block(self) -> str:
        """A code block with the columns under each other."""
        widths = self.widths
        lines = [" | ".join(map(_padded, row, widths, self.sides)).rstrip() for row in self.rows]
        lines.insert(1, "-+-".join("-" * each for each in widths))
        return "```\n" + break_mentions("\n".join(lines).replace("```", "'''")) + "\n```"

    def csv(self) -> str:
        """What a spreadsheet opens; a cell that it would take for a formula stays text."""
        out = io.StringIO(newline="")
        csv.writer(out).writerows([[_inert(cell) for cell in row] for row in self.rows])
        return _BOM + out.getvalue()


def find_tables(text: str) -> Iterator[Table]:
    """The tables outside of code blocks, in order."""
    fences = [(found.start(), found.end()) for found in FENCE.finditer(text)]
    rows = [row for row in _ROW.finditer(text) if not any(start <= row.start() < end for start, end in fences)]
    at = 0
    while at + 1 < len(rows):
        header, rule = rows[at], rows[at + 1]
        sides = _sides(rule[0]) if rule.start() == header.end() + 1 and _RULE.fullmatch(rule[0]) else ()
        if not sides or len(_cells(header[0])) != len(sides):
            at += 1
            continue
        last = at + 1
        while last + 1 < len(rows) and rows[last + 1].start() == rows[last].end() + 1:
            last += 1
        yield _table([header, *rows[at + 2 : last + 1]], rows[last].end(), sides)
        at = last + 1


def width(text: str) -> int:
    """Columns in a fixed-width font: East Asian wide signs and emoji take two, combining marks none."""
    return sum(map(_sign, text))


def _sign(sign: str) -> int:
    if unicodedata.category(sign) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(sign) in {"W", "F"} else 1


def _table(lines: Sequence[re.Match[str]], end: int, sides: tuple[str, ...]) -> Table:
    rows, marks = [], []
    for line in lines:
        if found := _MARKS.search(line[0]):
            marks += re.findall(r"\[\d+\]", found[1])
        cells = _cells(_MARKS.sub("", line[0]))[: len(sides)]
        rows.append(tuple(cell for cell, _ in zip_longest(cells, sides, fillvalue="")))
    return Table(lines[0].start(), end, tuple(rows), sides, "".join(dict.fromkeys(marks)))


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [" ".join(re.sub(r"<br ?/?>", " ", cell).replace("\\|", "|").split()) for cell in _PIPE.split(inner)]


def _sides(rule: str) -> tuple[str, ...]:
    cells = _cells(rule)
    return tuple("^" if one[:1] == one[-1:] == ":" else ">" if one.endswith(":") else "<" for one in cells)


def _padded(cell: str, columns: int, side: str) -> str:
    missing = columns - width(cell)
    left = {"<": 0, ">": missing, "^": missing // 2}[side]
    return " " * left + cell + " " * (missing - left)


def _inert(cell: str) -> str:
    return f"'{cell}" if cell[:1] in "=+-@" and cell and not _NUMBER.fullmatch(cell) else cell
