"""AsciiDoc into a `Document`, line by line: headings, lists, tables, listings and admonitions as clean blocks.

A reader of our own, for want of a kept parser. Knows the marks that carry text; comments, raw output and what only steers
a build are left out, conditions count as true, and nothing a file includes is read.
"""

from __future__ import annotations

import csv
import re

from ingest.dates import latest
from ingest.decoding import decode
from ingest.loaders.blocks import BlockWriter, fenced
from ingest.loaders.writer import table, visible
from retrieval.documents import Document
from retrieval.language import language

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_UNDERLINES = {"=": 1, "-": 2, "~": 3, "^": 4, "+": 5}
_UNDERLINE = re.compile(r"={3,}|-{3,}|~{3,}|\^{3,}|\+{3,}")
_DELIMITER = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|={4,}|\*{4,}|_{4,}|--|```[\w+-]*|[|,:!]={3,})")
_PREPROCESSOR = re.compile(r"(?:include|ifdef|ifndef|ifeval|endif)::\S*\[.*\]")
_ATTRIBUTE = re.compile(r":(!?[\w-]+!?):(?:[ \t]+(.*))?")
_STYLE = re.compile(r"\[(.*)\]")
_BLOCK_TITLE = re.compile(r"\.[^\s.].*")
_MACRO = re.compile(r"(\w+)::\S*?\[(.*)\]")
_ITEM = re.compile(r"[ \t]*(\*{1,5}|-|\.{1,5}|\d{1,3}\.|[a-z]\.|<(?:\d{1,3}|\.)>)[ \t]+(\S.*)")
_TERM = re.compile(r"[ \t]*(\S.{0,200}?)(:{2,4}|;;)(?:[ \t]+(.*))?")
_ADMONITION = re.compile(r"(NOTE|TIP|IMPORTANT|WARNING|CAUTION)(?::[ \t]+)?")
_BREAK = re.compile(r"<<<|'''|\*\*\*|---")
_LISTING = re.compile(r"source|listing|literal|stem|latexmath|asciimath|,")
_RAW_MATH = re.compile(r"stem|latexmath|asciimath")
_COLUMNS = re.compile(r"cols\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s,\]]+))")
_REPEATED = re.compile(r"(\d{1,3})\*")
_CELL = re.compile(r"(?:(?<=\s)|^)(?:(\d{1,2})?(?:\.\d+)?\+|(?:\d+\*))?[<^>]?(?:\.[<^>])?[adehlmsv]?$")
_COLUMN_LIMIT = 100
_OPEN_BLOCKS = 20
"""Blocks inside each other whose ends are looked for."""

_VALUE_LENGTH = 200
"""Longer values of attributes are not put in: a few lines could grow to gigabytes."""
_INLINE = re.compile(
    r"\{(?P<attribute>[\w-]{1,60})\}"
    r"|<<[^<>,\n]{1,200}(?:,(?P<reference>[^<>\n]{1,300}))?>>"
    r"|\(\(\([^()\n]{1,300}\)\)\)"
    r"|\(\((?P<term>[^()\n]{1,300})\)\)"
    r"|\[\[[^\[\]\n]{1,200}\]\]"
    r"|\[[.#][\w.#-]{1,100}\](?=[#*_`])"
    r"|(?:(?:link|xref|mailto|image|icon|kbd|btn|footnote|footnoteref|pass|stem|anchor):|(?P<url>https?://))"
    r"[^\s\[\]]{0,500}\[(?P<label>[^\[\]\n]{0,500})\]"
)
_INLINE_SIGNS = re.compile(r"[{<(\[]")
_LABEL_ONLY = re.compile(r"^([^,\"=]*|\"[^\"]*\")(?:,.*)?$")


def load(stem: str, data: bytes) -> Document:
    """Parse an AsciiDoc file. Title: its first heading, else `stem`."""
    reader = _Reader(visible(decode(data)).split("\n"))
    reader.read()
    writer = reader.out.writer
    text, marks = writer.finish()
    return Document(writer.first_heading or stem, text, language(text), marks, latest([reader.revised]))


class _Reader:
    """Reads lines from `self._at` on; each method takes the lines of its block."""

    def __init__(self, lines: list[str]) -> None:
        self.out = BlockWriter()
        self._lines = [line.rstrip() for line in lines]
        self._at = 0
        self._attributes: dict[str, str] = {}
        self._markers: list[str] = []  # of the list items that are open, outermost first...
        self._numbers: list[int] = []  # ...and their numbers
        self._open: list[str] = []  # delimiters of blocks that only arrange text
        self._style = ""
        self._parted = True  # a blank line stands before
        self._attached = False  # a "+" says that the next block belongs to the list item above

    @property
    def revised(self) -> str:
        """What the document says of the day of this revision."""
        return self._attributes.get("revdate", "")

    def read(self) -> None:
        """Read all lines."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            if not line:
                self._parted = True
            elif not self._steering(line):
                self._block(line)
                self._style, self._parted, self._attached = "", False, False
        self._end_list()

    def _steering(self, line: str) -> bool:
        """Take a line that has no text of its own: comments, settings, styles."""
        if line.startswith("//") and not line.startswith("///"):
            return True
        if attribute := _ATTRIBUTE.fullmatch(line):
            self._attributes[attribute[1].lower()] = self._inline(attribute[2] or "")
        elif line == "+":
            self._attached = True
        elif (style := _STYLE.fullmatch(line)) and not line.startswith("[["):
            self._style += style[1] + " "
        else:
            return bool(_PREPROCESSOR.fullmatch(line) or _BREAK.fullmatch(line) or line.startswith("[["))
        return True

    def _block(self, line: str) -> None:
        heading = _HEADING.fullmatch(line)
        if heading or self._underlined(line):
            self._end_list()
            level = len(heading[1]) if heading else _UNDERLINES[self._lines[self._at][0]]
            self._at += not heading
            self.out.heading(level, self._inline(heading[2] if heading else line))
            return
        item, term = _ITEM.fullmatch(line), _TERM.fullmatch(line)
        if item or term:
            self._item(item, term)
            return
        if self._parted and not self._attached:
            self._end_list()
        if admonition := _ADMONITION.match(self._style):
            self.out.lead(admonition[1].capitalize() + ": ")
        if delimiter := _DELIMITER.fullmatch(line):
            self._delimited(delimiter[1])
        elif macro := _MACRO.fullmatch(line):
            self.out.paragraph(_label(macro[2]) if macro[1] == "image" else "")
        elif _BLOCK_TITLE.fullmatch(line):
            self.out.paragraph(self._inline(line[1:]))
        elif _LISTING.match(self._style) or (line[0] in " \t" and not self._markers):
            end = self._at
            while end < len(self._lines) and self._lines[end]:
                end += 1
            self.out.block(fenced("\n".join([line, *self._lines[self._at : end]])))
            self._at = end
        else:
            admonition = _ADMONITION.match(line)
            if admonition and admonition[0] != admonition[1]:
                self.out.lead(admonition[1].capitalize() + ": ")
                line = line[admonition.end() :]
            self._paragraph(line)

    def _underlined(self, line: str) -> bool:
        following = self._lines[self._at] if self._at < len(self._lines) else ""
        return (
            self._parted
            and following not in self._open[-_OPEN_BLOCKS:]
            and abs(len(following) - len(line)) <= 2
            and _UNDERLINE.fullmatch(following) is not None
            and line[0].isalnum()
        )

    def _paragraph(self, line: str) -> None:
        """`line` and those that go on with it, as one paragraph."""
        parts = [line]
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if (
                not line
                or line == "+"
                or any(pattern.fullmatch(line) for pattern in (_DELIMITER, _STYLE, _PREPROCESSOR, _HEADING, _ATTRIBUTE))
            ):
                break
            if self._markers and (_ITEM.fullmatch(line) or _TERM.fullmatch(line)):
                break
            self._at += 1
            if not line.startswith("//"):
                parts.append(line)
        self.out.paragraph("\n".join(self._inline(part.removesuffix(" +")) for part in parts))

    def _item(self, item: re.Match[str] | None, term: re.Match[str] | None) -> None:
        sign, text = (item[1], item[2]) if item else (term[2], term[1]) if term else ("", "")
        marker = re.sub(r"\d+|(?<=^)[a-z](?=\.)", "1", sign)
        if sign.startswith("<") and marker not in self._markers:
            self._end_list()
        if marker in self._markers:
            while self._markers[-1] != marker:
                self._close_item()
            number = self._numbers[-1] + 1
            self._close_item()
        else:
            number = 1
        self._markers.append(marker)
        self._numbers.append(number)
        ordered = marker.startswith((".", "1"))
        self.out.open_item(f"{number}. " if ordered else f"{sign} " if sign.startswith("<") else "- ")
        if item:
            self._paragraph(text)
        elif term:
            self.out.paragraph(self._inline(text))
            if term[3]:
                self._paragraph(term[3])

    def _close_item(self) -> None:
        self._markers.pop()
        self._numbers.pop()
        self.out.close_item()

    def _end_list(self) -> None:
        while self._markers:
            self._close_item()
        self.out.end_list()

    def _delimited(self, delimiter: str) -> None:
        """A block between two equal lines. Those that only arrange text are read as if their marks were not there."""
        if delimiter[0] in "=*_" or delimiter == "--":
            if delimiter in self._open[-_OPEN_BLOCKS:]:
                del self._open[-1 - self._open[::-1].index(delimiter) :]
            else:
                self._open.append(delimiter)
            return
        closing = "```" if delimiter.startswith("```") else delimiter
        end = self._at
        while end < len(self._lines) and self._lines[end] != closing:
            end += 1
        inside = self._lines[self._at : end]
        self._at = end + 1
        if delimiter[1:] == "=" * (len(delimiter) - 1):
            self.out.block(table(self._rows(inside, delimiter[0])))
        elif delimiter[0] in "-.`" or (delimiter[0] == "+" and _RAW_MATH.match(self._style)):
            self.out.block(fenced("\n".join(inside)))

    def _rows(self, inside: list[str], separator: str) -> list[list[str]]:
        inside = [line for line in inside if not line.startswith("//") and not _PREPROCESSOR.fullmatch(line)]
        if separator in ",:" or "format=csv" in self._style.replace('"', ""):
            return [
                list(map(self._inline, row)) for row in csv.reader(inside, delimiter=":" if separator == ":" else ",")
            ]
        cells: list[str] = []
        first_line = 0
        for line in inside:
            spanned = 0
            parts = re.split(r"(?<!\\)\|" if separator == "|" else "!", line)
            for position, part in enumerate(parts):
                spec = _CELL.search(part) if position < len(parts) - 1 else None  # it belongs to the cell behind it
                shown = part[: spec.start()] if spec else part
                if position:
                    cells.extend([shown, *[""] * spanned])
                elif cells:
                    cells[-1] += " " + shown
                spanned = int(spec[1]) - 1 if spec and spec[1] else 0
            first_line = first_line or len(cells)
        width = self._columns() or first_line or 1
        cells = [self._inline(cell.replace("\\|", "|")) for cell in cells]
        return [cells[i : i + width] for i in range(0, len(cells), width)]

    def _columns(self) -> int:
        found = _COLUMNS.search(self._style)
        if not found:
            return 0
        parts = re.split("[,;]", (found[1] or found[2] or found[3]).strip(",; "))
        repeated = (_REPEATED.match(part.strip()) for part in parts)
        return min(sum(int(times[1]) if times else 1 for times in repeated), _COLUMN_LIMIT)

    def _inline(self, text: str) -> str:
        """Text without the machinery of references, links and attributes; what they show stays."""
        return _INLINE.sub(self._shown, text) if _INLINE_SIGNS.search(text) else text

    def _shown(self, match: re.Match[str]) -> str:
        if name := match["attribute"]:
            value = self._attributes.get(name.lower(), match[0])
            return value if len(value) <= _VALUE_LENGTH else match[0]
        if match["label"] is not None:
            label = _label(match["label"])
            return label or (match[0].partition("[")[0] if match["url"] else "")
        return (match["reference"] or match["term"] or "").strip()


def _label(attributes: str) -> str:
    """The text among the attributes of a link or picture: the first, if it has no name."""
    first = _LABEL_ONLY.match(attributes.strip())
    return first[1].strip().strip('"') if first else ""
