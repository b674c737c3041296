"""Word documents into a `Document`: paragraphs, lists and tables in their order, headings by style or outline level.

Left out: deleted and hidden text (white or tiny letters, too), the old place of moved text, page headers and footers,
footnotes and comments. python-docx parses with entities unresolved and libxml2's depth and size limits on; the archive is
measured before.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ingest.loaders.office import check_archive, modified
from ingest.loaders.writer import Writer, lines, one_line, table
from retrieval.documents import Document
from retrieval.language import language

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_UNREAD = {_W + "del", _W + "moveFrom", _W + "pPr", _W + "rPr", _W + "tblPr", _W + "sectPr", _FALLBACK}
_SIGNS = {_W + "tab": " ", _W + "br": "\n", _W + "cr": "\n", _W + "noBreakHyphen": "-"}
_HEADING_STYLE = re.compile(r"(?:heading|見出し)\s*([1-9])", re.IGNORECASE)
_SHADED = {_W + "rPr", _W + "pPr", _W + "tcPr", _W + "tblPr"}
_TINY = 4
"""Half points: nobody reads letters of two points."""
_TITLE_LENGTH = 80
_INDENT_LEVELS = 6


def load(stem: str, data: bytes) -> Document:
    """Parse a .docx file. Title: the paragraph in the style Title, else the properties', else the first heading."""
    check_archive(data, ".docx")
    import docx

    word = docx.Document(io.BytesIO(data))
    writer = Writer()
    reader = _Reader(word)
    before = ""  # the marker of the block before
    for element in _blocks(word.element.body):
        if element.tag == _W + "tbl":
            writer.block(table(_rows(element, reader.hidden)))
            before = ""
            continue
        text = lines(_text(element, reader.hidden))
        level = reader.heading_level(element)
        if level == 0:
            continue  # the title: it is said of the whole document
        marker = reader.marker(element) if text and level is None else ""
        if level:
            writer.heading(level, text)
        else:
            tight = bool(marker and before) and marker.endswith("- ") == before.endswith("- ")
            writer.block(marker + text.replace("\n", "\n" + " " * len(marker)), tight=tight)
        before = marker
    text, marks = writer.finish()
    properties = one_line(word.core_properties.title or "")
    first = text.split("\n", 1)[0]
    title = reader.title or properties or writer.first_heading or (first if len(first) <= _TITLE_LENGTH else "")
    return Document(title or stem, text, language(text), marks, modified(data))


def _blocks(root: Any) -> Iterator[Any]:
    """Paragraphs and tables in their order; content controls and the like are looked through."""
    stack = list(reversed(root))
    while stack:
        element = stack.pop()
        if element.tag in (_W + "p", _W + "tbl"):
            yield element
        elif element.tag not in _UNREAD:
            stack.extend(reversed(element))


def _text(root: Any, hidden: _Hidden) -> str:
    """What a reader sees of an element; its paragraphs are parted by line ends."""
    parts: list[str] = []
    stack = [root]
    while stack:
        element = stack.pop()
        if element.tag == _W + "t":
            parts.append(element.text or "")
        elif element.tag in _SIGNS:
            parts.append(_SIGNS[element.tag])
        elif element.tag not in _UNREAD and not (element.tag == _W + "r" and hidden.run(element)):
            if element.tag == _W + "p" and element is not root:
                parts.append("\n")
            stack.extend(reversed(element))
    return "".join(parts)


class _Hidden:
    """Which runs of a text no reader sees: hidden by themselves or their style, white on nothing, or without size."""

    def __init__(self, styles: Mapping[str, Any]) -> None:
        self._styles = styles

    def run(self, run: Any) -> bool:
        properties = [one for one in self._properties(run) if one is not None]
        if any(_is_on(one, "vanish") or _is_on(one, "specVanish") for one in properties):
            return True
        size = next((value for one in properties if (value := _value(one, "sz"))), "")
        if size.isdecimal() and int(size) <= _TINY:
            return True
        colour = next((value for one in properties if (value := _value(one, "color"))), "")
        return colour.upper() == "FFFFFF" and not _on_colour(run)

    def _properties(self, run: Any) -> Iterator[Any]:
        """The run's own properties, then those of its style and the styles that one is based on."""
        own = run.find(_W + "rPr")
        yield own
        style_id = _value(own, "rStyle") if own is not None else ""
        seen: set[str] = set()
        while style_id in self._styles and style_id not in seen:
            seen.add(style_id)
            yield self._styles[style_id].find(_W + "rPr")
            style_id = _value(self._styles[style_id], "basedOn")


def _is_on(properties: Any, name: str) -> bool:
    found = properties.find(_W + name)
    return found is not None and found.get(_W + "val") not in ("0", "false", "off")


def _on_colour(run: Any) -> bool:
    """Whether a colour may lie behind a run: its own, its paragraph's, its cell's, or that of a table's style."""
    around = run
    while around is not None:
        for properties in (child for child in around if child.tag in _SHADED):
            if _value(properties, "tblStyle") or _value(properties, "highlight"):
                return True
            shade = properties.find(_W + "shd")
            if shade is not None and shade.get(_W + "fill", "auto").upper() not in ("AUTO", "FFFFFF"):
                return True
        around = around.getparent()
    return False


def _within(root: Any, tag: str) -> Iterator[Any]:
    """Rows of a table or cells of a row, also those inside content controls."""
    stack = list(reversed(root))
    while stack:
        element = stack.pop()
        if element.tag == tag:
            yield element
        elif element.tag in (_W + "sdt", _W + "sdtContent", _W + "ins", _W + "customXml"):
            stack.extend(reversed(element))


def _rows(root: Any, hidden: _Hidden) -> list[list[str]]:
    rows = []
    for row in _within(root, _W + "tr"):
        cells: list[str] = []
        for cell in _within(row, _W + "tc"):
            cells.append(_text(cell, hidden))
            span = cell.find(f"{_W}tcPr/{_W}gridSpan")
            value = span.get(_W + "val", "") if span is not None else ""
            cells.extend([""] * (min(int(value), 20) - 1 if value.isdecimal() else 0))
        rows.append(cells)
    return rows


class _Reader:
    """What styles and numbering say of a paragraph. Counts the items of numbered lists as it goes."""

    def __init__(self, word: WordDocument) -> None:
        self.title = ""
        self._styles: dict[str, Any] = {
            style.get(_W + "styleId", ""): style for style in word.styles.element.iterchildren(_W + "style")
        }
        self.hidden = _Hidden(self._styles)
        self._bullets = _bullets(word)
        self._counts: dict[tuple[str, int], int] = {}

    def heading_level(self, paragraph: Any) -> int | None:
        """1 to 9; 0 for the document's title, which is taken note of; None for what is no heading."""
        for properties, name in self._properties(paragraph):
            if name.lower() in ("title", "表題"):
                if self.title:
                    return 1
                self.title = one_line(_text(paragraph, self.hidden))
                return 0
            if heading := _HEADING_STYLE.fullmatch(name):
                return int(heading[1])
            outline = properties.find(_W + "outlineLvl") if properties is not None else None
            value = outline.get(_W + "val", "") if outline is not None else ""
            if value in tuple("012345678"):
                return int(value) + 1
        return None

    def marker(self, paragraph: Any) -> str:
        """`- ` or `1. ` with its indentation for a list item, else ""."""
        number, level = "", -1
        for properties, _ in self._properties(paragraph):
            numbering = properties.find(_W + "numPr") if properties is not None else None
            if numbering is not None:
                number = number or _value(numbering, "numId")
                level = level if level >= 0 else int(_value(numbering, "ilvl") or -1)
        if number in ("", "0"):
            return ""
        level = max(level, 0)
        indent = "  " * min(level, _INDENT_LEVELS)
        if self._bullets.get((number, level), True):
            return indent + "- "
        self._counts[number, level] = self._counts.get((number, level), 0) + 1
        for deeper in [key for key in self._counts if key[0] == number and key[1] > level]:
            del self._counts[deeper]
        return f"{indent}{self._counts[number, level]}. "

    def _properties(self, paragraph: Any) -> Iterator[tuple[Any, str]]:
        """The paragraph's own properties, then those of its style and the styles that one is based on, with their names."""
        own = paragraph.find(_W + "pPr")
        yield own, ""
        style_id = _value(own, "pStyle") if own is not None else ""
        seen: set[str] = set()
        while style_id in self._styles and style_id not in seen:
            seen.add(style_id)
            style = self._styles[style_id]
            yield style.find(_W + "pPr"), _value(style, "name")
            style_id = _value(style, "basedOn")


def _value(element: Any, child: str) -> str:
    found = element.find(_W + child)
    return found.get(_W + "val", "") if found is not None else ""


def _bullets(word: WordDocument) -> dict[tuple[str, int], bool]:
    """For each numbering and level: whether its sign is a bullet."""
    from docx.opc.constants import RELATIONSHIP_TYPE

    related = [part.target_part for part in word.part.rels.values() if part.reltype == RELATIONSHIP_TYPE.NUMBERING]
    if not related:
        return {}
    root = related[0].element
    formats: dict[str, dict[int, bool]] = {}
    for abstract in root.iterchildren(_W + "abstractNum"):
        formats[abstract.get(_W + "abstractNumId", "")] = {
            int(level.get(_W + "ilvl", "0")): _value(level, "numFmt") in ("bullet", "none", "")
            for level in abstract.iterchildren(_W + "lvl")
        }
    return {
        (number.get(_W + "numId", ""), level): bullet
        for number in root.iterchildren(_W + "num")
        for level, bullet in formats.get(_value(number, "abstractNumId"), {}).items()
    }
