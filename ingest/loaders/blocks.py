"""Blocks of nested lists into a writer: markers, hanging indents, fences. Knows the look of Markdown and no file format."""

from __future__ import annotations

from ingest.loaders.writer import Writer, lines, visible

_INDENT_LEVELS = 6
"""Deeper lists are written at this depth."""


def fenced(code: str, language: str = "") -> str:
    """`code` between fences longer than any in it; "" if nothing is in it. `language` stands behind the first."""
    body = visible(code).strip("\n").rstrip()
    fence = "```"
    while fence in body:
        fence += "`"
    return f"{fence}{language}\n{body}\n{fence}" if body.strip() else ""


class BlockWriter:
    """Puts blocks where they stand: in the list item that is open, behind its marker."""

    def __init__(self) -> None:
        self.writer = Writer()
        self._indents: list[str] = []
        self._marker = ""  # the sign of the list item whose first line is still to come
        self._lead = ""
        self._tight = False

    def paragraph(self, text: str) -> None:
        """Add text; its line breaks stay, its other white space is made one space."""
        body = self._lead + lines(text)
        self._lead = ""
        if not body:
            return
        shown = self._indents[:_INDENT_LEVELS]
        hanging = "".join(shown)
        first = "".join(shown[:-1]) + self._marker if self._marker else hanging
        self.writer.block(first + body.rstrip().replace("\n", "\n" + hanging), tight=self._tight)
        self._marker = ""
        self._tight = bool(self._indents)

    def block(self, text: str) -> None:
        """Add a finished block (a table, a fence) outside of any list."""
        self._finish_lead()
        self.writer.block(text)
        self._marker = ""
        self._tight = False

    def heading(self, level: int, text: str) -> None:
        """Add a heading."""
        self._finish_lead()
        self.writer.heading(level, text)
        self._tight = False

    def lead(self, text: str) -> None:
        """Put `text` in front of the next paragraph ("Note: ")."""
        self._lead += text

    def open_item(self, marker: str) -> None:
        """What is added until `close_item` stands in a list item that begins with `marker` ("- ", "3. ")."""
        self._finish_lead()
        self._indents.append(" " * len(marker))
        self._marker = marker

    def close_item(self) -> None:
        """Leave the innermost item."""
        self._finish_lead()
        self._indents.pop()
        self._marker = ""

    def end_list(self) -> None:
        """What follows stands apart from the list before, unless that stands in another."""
        self._tight = bool(self._indents)

    def _finish_lead(self) -> None:
        if self._lead:
            self.paragraph("")
