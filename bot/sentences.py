"""A passage into answer units, with exact offsets: sentences, list items, table rows and fenced code blocks.

Knows the look of plain text and Markdown, English and Japanese; no question and no ranking. A heading, a table's header and
separator rows, and a line that only leads in to a code block are no units: they never answer by themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from bot.sentence_ends import sentence_ranges

Kind = Literal["sentence", "item", "row", "code"]

_LINE = re.compile(r"[^\n]*\n?")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")
_RULE_CHARACTERS = frozenset("|:- \t")
ITEM_MARK = re.compile(
    r"[ \t]*(?:[-*+•‣–][ \t]+|[・●○◆◇■□][ \t　]*|\(?\d{1,3}[.)][ \t]+|[(（]\d{1,3}[)）][ \t　]*|[①-⑳][ \t　]*)"
)
"""What a list item begins with, white space included."""
_ORDERED = re.compile(r"[ \t]*[(（]?(?:\d|[①-⑳])")
_LEADS_IN = re.compile(
    r"[:：]$|\b(?:(?:the|as) following|steps below|(?:follow|take|do) these (?:\w+ )?steps)\b[^:]*\.$"
    r"|(?:[次以下]の|以下|下記の?)(?:手順|方法|とおり|通り|流れ)[^。]*。$",
    re.IGNORECASE,
)
_LONG_ITEM = 240
"""Characters; a longer list item is read sentence by sentence."""


@dataclass(frozen=True, slots=True)
class Listing:
    """`text[start:end]` is a list of two items or more, with its marks and the sentence that leads in to it."""

    start: int
    end: int
    items: int
    ordered: bool
    """Its first item has a number."""


@dataclass(frozen=True, slots=True)
class Unit:
    """`text[start:end]` may stand in an answer. `context` is the range of what it cannot be understood without:
    the header row of a table row, the sentence that leads in to a list item or a code block. `listing` is the list that
    an item stands in, or that a sentence leads in to."""

    start: int
    end: int
    kind: Kind
    context: tuple[int, int] | None = None
    listing: Listing | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    """Without the line break."""
    text: str

    @property
    def blank(self) -> bool:
        return not self.text.strip()


def units(text: str, language: str) -> list[Unit]:
    """The answer units of a passage, ascending, none overlapping, none with outer whitespace, each with a letter or digit.

    `language` as in `Document`: in Japanese a half-width `!` or `?` ends a sentence without a space after it.
    """
    return [unit for unit in _Reader(text, language).read() if any(c.isalnum() for c in text[unit.start : unit.end])]


class _Reader:
    """Reads line by line; `_lead` is the last sentence, as long as it may lead in to what comes next."""

    def __init__(self, text: str, language: str) -> None:
        self._text = text
        self._language = language
        self._lines = [
            _Line(match.start(), match.start() + len(match[0].rstrip("\n")), match[0].rstrip("\n"))
            for match in _LINE.finditer(text)
            if match[0]
        ]
        self._lead: tuple[int, int] | None = None
        self._list: Listing | None = None
        """What is known so far of the list that is being read."""

    def read(self) -> list[Unit]:
        found: list[Unit] = []
        at = 0
        while at < len(self._lines):
            line = self._lines[at]
            goes_on = line.blank or ITEM_MARK.match(line.text) or (self._list and line.text[0].isspace())
            lead = None
            if self._list and not goes_on:
                self._end_list(found)
            if line.blank:
                at += 1
            elif _FENCE.match(line.text):
                at, unit = self._code(at, self._leading(found) if self._list else self._lead)
                if found and unit.context == (found[-1].start, found[-1].end):
                    found.pop()
                found.append(unit)
            elif self._heading_lines(at):
                at += self._heading_lines(at)
            elif self._begins_table(at):
                at, rows = self._table(at)
                found += rows
            elif ITEM_MARK.match(line.text):
                at, items = self._item(at)
                found += items
            else:
                at, sentences = self._paragraph(at)
                found += sentences
                lead = self._leading(sentences)
            if line.blank:
                continue
            if self._list is None:
                self._lead = lead
            else:
                last = self._lines[min(at, len(self._lines)) - 1]
                self._list = replace(self._list, end=self._trimmed(self._list.start, last.end)[1])
        self._end_list(found)
        return found

    def _end_list(self, found: list[Unit]) -> None:
        """Tell the units of a list, and the sentence that leads in to it, of the whole."""
        if (whole := self._list) and whole.items > 1:
            for place, unit in enumerate(found):
                if whole.start <= unit.start:
                    found[place] = replace(unit, listing=whole)
        self._list = None

    def _heading_lines(self, at: int) -> int:
        """How many lines a heading that begins here takes; 0: none does."""
        if _HEADING.match(self._lines[at].text):
            return 1
        below = self._lines[at + 1].text if at + 1 < len(self._lines) else ""
        underlined = (
            _UNDERLINE.match(below) and "|" not in self._lines[at].text and not ITEM_MARK.match(self._lines[at].text)
        )
        return 2 if underlined else 0

    def _begins_table(self, at: int) -> bool:
        line = self._lines[at].text
        if line.lstrip().startswith("|"):
            return True
        below = self._lines[at + 1].text if at + 1 < len(self._lines) else ""
        return "|" in line and _is_rule(below)

    def _table(self, at: int) -> tuple[int, list[Unit]]:
        header: tuple[int, int] | None = None
        rows: list[Unit] = []
        while at < len(self._lines) and "|" in self._lines[at].text:
            line = self._lines[at]
            below = self._lines[at + 1].text if at + 1 < len(self._lines) else ""
            if _is_rule(line.text):
                pass
            elif not rows and header is None and _is_rule(below):
                header = self._trimmed(line.start, line.end)
            else:
                rows.append(Unit(*self._trimmed(line.start, line.end), "row", header))
            at += 1
        return at, rows

    def _code(self, at: int, lead: tuple[int, int] | None) -> tuple[int, Unit]:
        fence = _FENCE.match(self._lines[at].text)
        mark = fence[1] if fence else "```"
        last = at + 1
        while last < len(self._lines) and not self._lines[last].text.strip().startswith(mark):
            last += 1
        end = self._lines[min(last, len(self._lines) - 1)].end
        return last + 1, Unit(*self._trimmed(self._lines[at].start, end), "code", lead)

    def _item(self, at: int) -> tuple[int, list[Unit]]:
        line = self._lines[at]
        marker = ITEM_MARK.match(line.text)
        if self._list is None:
            begins = self._lead[0] if self._lead else self._trimmed(line.start, line.end)[0]
            self._list = Listing(begins, line.end, 0, _ORDERED.match(line.text) is not None)
        self._list = replace(self._list, items=self._list.items + 1)
        start = self._lines[at].start + (marker.end() if marker else 0)
        last = at
        while last + 1 < len(self._lines) and self._continues(last + 1):
            last += 1
        start, end = self._trimmed(start, self._lines[last].end)
        if end - start <= _LONG_ITEM:
            found = [Unit(start, end, "item", self._lead)] if end > start else []
        else:
            found = [
                Unit(*span, "item", self._lead) for span in sentence_ranges(self._text, start, end, self._language)
            ]
        return last + 1, found

    def _continues(self, at: int) -> bool:
        """Whether a line goes on with the paragraph or item above it."""
        line = self._lines[at]
        starts_anew = line.blank or _FENCE.match(line.text) or ITEM_MARK.match(line.text)
        return not (starts_anew or self._heading_lines(at) or self._begins_table(at))

    def _paragraph(self, at: int) -> tuple[int, list[Unit]]:
        last = at
        while last + 1 < len(self._lines) and self._continues(last + 1):
            last += 1
        ranges = sentence_ranges(self._text, self._lines[at].start, self._lines[last].end, self._language)
        return last + 1, [Unit(start, end, "sentence") for start, end in ranges]

    def _leading(self, sentences: list[Unit]) -> tuple[int, int] | None:
        if sentences and _LEADS_IN.search(self._text[sentences[-1].start : sentences[-1].end]):
            return sentences[-1].start, sentences[-1].end
        return None

    def _trimmed(self, start: int, end: int) -> tuple[int, int]:
        piece = self._text[start:end]
        return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def _is_rule(line: str) -> bool:
    """Whether a line is a table's separator row. No pattern: one that allows empty cells backtracks without end."""
    return "|" in line and "-" in line and _RULE_CHARACTERS.issuperset(line)
