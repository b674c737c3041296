"""Builds the text and marks of a document out of blocks, and cleans extracted text. Knows no file format."""

from __future__ import annotations

import re

from ingest.errors import DocumentError
from retrieval.documents import Mark

TEXT_LIMIT = 50_000_000
"""Characters of one document: far above any written by people, far below what would fill the memory."""

_INVISIBLE = re.compile(
    # a row of variation selectors, of which one alone chooses the form of a sign and several can hide a text; then soft
    # hyphen, joiners and fillers without width, bidi controls, tag characters, controls but tab and line feed,
    # non-characters of pdfium
    "[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}"
    "|[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f"
    "\x00-\x08\x0b-\x1f\x7f-\x9f\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
_SPACES = re.compile(r"[^\S\n]+")


def visible(text: str) -> str:
    """`text` without the characters that a reader cannot see; white space stays as it is."""
    return _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """Visible characters with every run of white space made one space."""
    return " ".join(visible(text).split())


def lines(text: str) -> str:
    """Like `one_line`, but line breaks stay and blank lines go."""
    stripped = (line.strip() for line in _SPACES.sub(" ", visible(text)).split("\n"))
    return "\n".join(line for line in stripped if line)


class HeadingPath:
    """The headings above a place in a text, outermost first."""

    def __init__(self) -> None:
        self._stack: list[tuple[int, str]] = []

    def enter(self, level: int, heading: str) -> tuple[str, ...]:
        """The path down to a heading of `level` (1 is outermost)."""
        while self._stack and self._stack[-1][0] >= level:
            self._stack.pop()
        self._stack.append((level, heading))
        return self.path

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(heading for _, heading in self._stack)


class Writer:
    """Blocks in, text and marks out. Blocks are parted by a blank line; tight ones only by a line end."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._marks: list[Mark] = []
        self._headings = HeadingPath()
        self.page: int | None = None
        """The page (1-based) that what follows stands on; set it before a block."""
        self.first_heading = ""

    def block(self, text: str, *, tight: bool = False) -> None:
        """Add a block as it is; an empty one is left out."""
        if not text:
            return
        self._add(("\n" if tight else "\n\n") if self._parts else "")
        self.go_on(text)

    def go_on(self, text: str) -> None:
        """Add to the last block, which may run over from one page to the next."""
        if self.page != (self._marks[-1].page if self._marks else None):
            self._marks.append(Mark(self._length, self._headings.path, self.page))
        self._add(text)

    def heading(self, level: int, text: str) -> None:
        """Add a heading line and mark what follows with its path."""
        heading = one_line(text)
        if not heading:
            return
        self._add("\n\n" if self._parts else "")
        self.first_heading = self.first_heading or heading
        self._marks.append(Mark(self._length, self._headings.enter(level, heading), self.page))
        self._add("#" * min(level, 6) + " " + heading)

    def _add(self, text: str) -> None:
        self._length += len(text)
        if self._length > TEXT_LIMIT:
            raise DocumentError(f"It holds more than {TEXT_LIMIT:,} characters: split it into several files.")
        self._parts.append(text)

    def finish(self) -> tuple[str, tuple[Mark, ...]]:
        """The text and its marks."""
        return "".join(self._parts), tuple(self._marks)


def table(rows: list[list[str]]) -> str:
    """Rows of cells as a Markdown pipe table; the first row is its head."""
    width = max((len(row) for row in rows), default=0)
    cleaned = [[one_line(cell).replace("|", "\\|") for cell in row] + [""] * (width - len(row)) for row in rows]
    cleaned = [row for row in cleaned if any(row)]
    if not cleaned:
        return ""
    if width == 1:
        return "\n\n".join(row[0] for row in cleaned)
    head, *body = ["| " + " | ".join(row) + " |" for row in cleaned]
    return "\n".join([head, "|" + " --- |" * width, *body])
