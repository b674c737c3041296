"""PowerPoint presentations into a `Document`: a section for each slide, its texts as they stand, then its notes.

Left out: hidden slides and shapes, what lies beside a slide, tiny letters, dates, footers and slide numbers, pictures,
charts, SmartArt and comments. Numbers of slides count the hidden ones, as PowerPoint does. python-pptx parses with entities
unresolved and libxml2's limits on depth and size; the archive is measured before.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ingest.loaders.office import check_archive, modified
from ingest.loaders.writer import Writer, lines, one_line, table
from retrieval.documents import Document
from retrieval.language import language

if TYPE_CHECKING:
    from pptx.slide import Slide
    from pptx.text.text import TextFrame

NOTES = "Speaker notes"
"""Heading of a slide's notes, below that of the slide."""

_JUNK_TITLE = re.compile(
    r"(?:power\s*point|pptx?|slide|presentation|プレゼンテーション|スライド|\s|\d)*", re.IGNORECASE
)
"""What programs write as the title of a presentation that has none."""
_BAND = 200_000
"""English metric units (914,400 an inch): shapes whose tops differ by less stand side by side."""
_INDENT_LEVELS = 6
_TINY = 2
"""Points: nobody reads smaller letters."""
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_SIGNS = tuple(_A + name for name in ("buChar", "buAutoNum", "buBlip"))


def load(stem: str, data: bytes) -> Document:
    """Parse a .pptx file. Title: the properties', else the first slide's, else `stem`."""
    check_archive(data, ".pptx")
    import pptx

    presentation = pptx.Presentation(io.BytesIO(data))
    writer = Writer()
    first_title = ""
    for number, slide in enumerate(presentation.slides, start=1):
        if slide._element.get("show") in ("0", "false"):
            continue
        size = presentation.slide_width or 0, presentation.slide_height or 0
        title, blocks, notes = _title(slide), list(_blocks(slide, size)), _notes(slide)
        if not (title or blocks or notes):
            continue
        first_title = first_title or title
        writer.page = number
        writer.heading(1, title or f"Slide {number}")
        for text, tight in blocks:
            writer.block(text, tight=tight)
        if notes:
            writer.heading(2, NOTES)
            writer.block(notes)
    text, marks = writer.finish()
    properties = one_line(presentation.core_properties.title or "")
    title = "" if _JUNK_TITLE.fullmatch(properties) else properties
    return Document(title or first_title or stem, text, language(text), marks, modified(data))


def _title(slide: Slide) -> str:
    shape = slide.shapes.title
    return one_line(shape.text_frame.text) if shape is not None else ""


def _notes(slide: Slide) -> str:
    frame = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    return lines(frame.text.replace("\v", "\n")) if frame is not None else ""


def _blocks(slide: Slide, size: tuple[int, int]) -> Iterator[tuple[str, bool]]:
    """What stands on a slide besides its title: texts, and whether each stands close to the one before."""
    title = slide.shapes.title
    for shape in _in_order(slide.shapes):
        if (title is not None and shape.shape_id == title.shape_id) or _unseen(shape, size):
            continue
        if getattr(shape, "has_table", False):
            if text := table(_rows(shape.table)):
                yield text, False
        elif shape.has_text_frame and not _furniture(shape):
            yield from _paragraphs(shape.text_frame, listed=shape.is_placeholder and _holds_list(shape))


def _in_order(shapes: Iterable[Any]) -> Iterator[Any]:
    """Shapes from top to bottom and left to right, those of a group together; no group itself."""

    def place(shape: Any) -> tuple[int, int]:
        return round((shape.top or 0) / _BAND), shape.left or 0

    for shape in sorted(shapes, key=place):
        if hasattr(shape, "shapes"):
            yield from _in_order(shape.shapes)
        else:
            yield shape


def _unseen(shape: Any, size: tuple[int, int]) -> bool:
    """Whether a shape is hidden, or lies wholly beside the slide, whose width and height are `size`."""
    if any(
        named.get("hidden") in ("1", "true")
        for named in shape._element.iter("{*}cNvPr")
        if named.get("id") == str(shape.shape_id)
    ):
        return True
    if shape.left is None or shape.top is None or not shape.width or not shape.height:
        return False  # as its design says
    width, height = size
    return bool(
        shape.left >= width or shape.top >= height or shape.left + shape.width <= 0 or shape.top + shape.height <= 0
    )


def _furniture(shape: Any) -> bool:
    from pptx.enum.shapes import PP_PLACEHOLDER

    return shape.is_placeholder and shape.placeholder_format.type in (
        PP_PLACEHOLDER.DATE,
        PP_PLACEHOLDER.FOOTER,
        PP_PLACEHOLDER.HEADER,
        PP_PLACEHOLDER.SLIDE_NUMBER,
    )


def _holds_list(shape: Any) -> bool:
    from pptx.enum.shapes import PP_PLACEHOLDER

    return shape.placeholder_format.type in (PP_PLACEHOLDER.BODY, PP_PLACEHOLDER.OBJECT)


def _paragraphs(frame: TextFrame, *, listed: bool) -> Iterator[tuple[str, bool]]:
    """The paragraphs of a frame; those of a list as its items. `listed`: the frame's design gives them signs."""
    paragraphs = [
        (paragraph, text) for paragraph in frame.paragraphs if (text := lines(_legible(paragraph).replace("\v", "\n")))
    ]
    listed = listed and len(paragraphs) > 1
    before = False
    for paragraph, text in paragraphs:
        properties = paragraph._p.pPr
        own = {child.tag for child in properties} if properties is not None else set()
        item = not own.isdisjoint(_SIGNS) or ((listed or paragraph.level > 0) and _A + "buNone" not in own)
        marker = "  " * min(paragraph.level, _INDENT_LEVELS) + "- " if item else ""
        yield marker + text.replace("\n", "\n" + " " * len(marker)), item and before
        before = item


def _legible(paragraph: Any) -> str:
    """A paragraph's text without runs in tiny letters."""
    tiny = any(run.font.size is not None and run.font.size.pt <= _TINY for run in paragraph.runs)
    if not tiny:
        return str(paragraph.text)
    return "".join(run.text for run in paragraph.runs if run.font.size is None or run.font.size.pt > _TINY)


def _rows(grid: Any) -> list[list[str]]:
    """The cells of a table; one merged into another is empty."""
    return [["" if cell.is_spanned else cell.text_frame.text for cell in row.cells] for row in grid.rows]
