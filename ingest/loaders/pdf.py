"""PDF into a `Document`: text by page, lines joined to paragraphs, larger lines as headings, no text that nobody sees.

Knows no pictures (no OCR). pdfium is not thread-safe: one lock guards every call into it, so one process reads one PDF at a time.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

from ingest.dates import latest
from ingest.errors import DocumentError, EmptyDocument
from ingest.loaders.pdf_sight import unseen
from ingest.loaders.writer import Writer, one_line, visible
from retrieval.documents import Document
from retrieval.language import language

if TYPE_CHECKING:
    import pypdfium2

_PDFIUM = threading.Lock()

_PASSWORD_ERROR = 4
"""pdfium's FPDF_ERR_PASSWORD."""

_HEADING_SIZE = 1.15
"""A line this many times as high as the text is a heading..."""
_HEADING_LENGTH = 100
"""...if it is at most so long."""
_HEADING_LEVELS = 4
_GAP = 1.35
"""Lines this many times further apart than usual belong to different paragraphs."""
_SHORT = 0.3
"""A line that leaves this share of the width free is the last of its paragraph."""
_SHORT_CJK = 0.15
"""The same for lines of Japanese, which breaks between any two characters."""
_TITLE_LENGTH = 80

_CJK = re.compile("[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
_SENTENCE_END = re.compile(r"[.!?:;。！？：．][\"'」』）)”’]*$")
_ITEM = re.compile(r"(?:[-*•‣–・●○◆◇■□▪]|\(?\d{1,3}[.)]|[(（]\d{1,3}[)）]|[①-⑳])\s*\S")
_BULLET = re.compile(r"[•‣●○▪]\s*")
_PAGE_NUMBER = re.compile(r"(?:page |p\.? ?)?[-–—\s]*\d{1,4}[-–—\s]*(?:(?:/|of) ?\d{1,4})?", re.IGNORECASE)
_BODY_LINES = 3
"""A page of fewer lines keeps them all: its first and last are its text."""
_DIGITS = re.compile(r"\d+")
_JUNK_TITLE = re.compile(r"untitled|microsoft |無題|.*\.(?:docx?|xlsx?|pptx?|pdf|html?|indd)$", re.IGNORECASE)
_BLANK = " \t\r　"
_HYPHENS = ("\x02", "\ufffe", "\u00ad")
"""What pdfium and writers of PDF put where a word is divided at a line end."""


@dataclass(slots=True)
class _Line:
    """A line of a page. Edges and `height` in points; height 0 when the page does not tell."""

    text: str
    left: float = 0.0
    right: float = 0.0
    bottom: float = 0.0
    height: float = 0.0


def load(stem: str, data: bytes) -> Document:
    """Parse a PDF. Title: the metadata's, else the first heading or short first line, else `stem`."""
    metadata, dated, pages = _read(data)
    if not any(line.text for page in pages for line in page):
        raise EmptyDocument("The PDF has no text layer, its pages are pictures: run it through OCR first.")
    _drop_running_lines(pages)
    writer = Writer()
    _write(pages, writer)
    text, marks = writer.finish()
    first = next((line.text for page in pages for line in page), "")
    title = metadata if metadata and not _JUNK_TITLE.match(metadata) else writer.first_heading
    title = title or (one_line(first) if len(first) <= _TITLE_LENGTH else "") or stem
    return Document(title, text, language(text), marks, dated)


def _read(data: bytes) -> tuple[str, date | None, list[list[_Line]]]:
    """Title and day of the metadata, and the lines of each page."""
    import pypdfium2

    with _PDFIUM:
        try:
            pdf = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            if getattr(error, "err_code", None) == _PASSWORD_ERROR:
                raise DocumentError("The PDF is protected by a password: save it without one.") from error
            raise DocumentError("The file is damaged or no PDF: export it anew.") from error
        try:
            dated = latest(pdf.get_metadata_value(key) for key in ("CreationDate", "ModDate"))
            lines = [_page_lines(pdf, number) for number in range(len(pdf))]
            return one_line(pdf.get_metadata_value("Title")), dated, lines
        finally:
            pdf.close()


def _page_lines(pdf: pypdfium2.PdfDocument, number: int) -> list[_Line]:
    page = pdf.get_page(number)
    try:
        textpage = page.get_textpage()
        try:
            text = textpage.get_text_range()
            # boxes are asked for by index, which fits the text only if every character is one unit
            boxed = len(text) == textpage.count_chars()
            hidden = unseen(page, textpage)
            if hidden and not boxed:
                raise DocumentError(
                    f"Page {number + 1} holds text that its readers cannot see, among characters that cannot be told apart:"
                    " print it into a new PDF."
                )
            lines = []
            at = 0
            for raw in text.split("\n"):
                shown = [index for index in range(at, at + len(raw)) if index not in hidden]
                while shown and text[shown[0]] in _BLANK:
                    del shown[0]
                while shown and text[shown[-1]] in _BLANK:
                    del shown[-1]
                line = _Line("".join(text[index] for index in shown))
                if boxed and shown:
                    left, bottom, _, top = textpage.get_charbox(shown[0], loose=True)
                    _, _, right, _ = textpage.get_charbox(shown[-1], loose=True)
                    line = _Line(line.text, left, right, bottom, top - bottom)
                lines.append(line)
                at += len(raw) + 1
            return lines
        finally:
            textpage.close()
    finally:
        page.close()


def _drop_running_lines(pages: list[list[_Line]]) -> None:
    """Take away page numbers, and the headers and footers that most pages share."""
    edges: Counter[str] = Counter()
    for page in pages:
        page[:] = [line for line in page if line.text]
        edges.update({_DIGITS.sub("0", page[i].text) for i in (0, -1) if page})
    for page in pages:
        for i in (0, -1):
            if len(page) < _BODY_LINES:
                continue
            shared = len(pages) > 2 and 2 * edges[_DIGITS.sub("0", page[i].text)] > len(pages)
            if shared or _PAGE_NUMBER.fullmatch(page[i].text):
                del page[i]


@dataclass(slots=True)
class _Paragraph:
    """Lines that belong together, as (page, text); `level` above 0 for a heading."""

    parts: list[tuple[int, str]]
    level: int = 0


def _write(pages: list[list[_Line]], writer: Writer) -> None:
    item_before = False
    for paragraph in _paragraphs(pages):
        whole = paragraph.parts[0][1]
        writer.page = paragraph.parts[0][0]
        if paragraph.level:
            writer.heading(paragraph.level, " ".join(text for _, text in paragraph.parts))
            item_before = False
            continue
        item = _ITEM.match(whole) is not None
        writer.block(_BULLET.sub("- ", whole, count=1) if item else whole, tight=item and item_before)
        item_before = item
        for page, text in paragraph.parts[1:]:
            writer.page = page
            writer.go_on(text)


def _paragraphs(pages: list[list[_Line]]) -> list[_Paragraph]:
    """Lines put together; a part's text holds what parts it from the line before, so that all joined are the paragraph."""
    body, levels = _sizes([line for page in pages for line in page])
    paragraphs: list[_Paragraph] = []
    before: _Line | None = None
    for number, page in enumerate(pages, start=1):
        usual = _usual_distance(page)
        edge = max((line.right for line in page), default=0.0)
        first = True
        for line in page:
            level = _level(line, body, levels)
            last = paragraphs[-1] if paragraphs else None
            text = visible(line.text)
            if last is None or before is None or last.level != level:
                paragraphs.append(_Paragraph([(number, text)], level))
            elif level:
                # a heading of two lines, or two headings
                if first or before.bottom - line.bottom > 2 * line.height:
                    paragraphs.append(_Paragraph([(number, text)], level))
                else:
                    last.parts.append((number, text))
            elif _goes_on(before, line, text) if first else not _apart(before, line, usual, edge):
                ending, gap = _joint(before.text, text)
                at, end = last.parts[-1]
                last.parts[-1] = (at, end.removesuffix(ending))
                last.parts.append((number, gap + text))
            else:
                paragraphs.append(_Paragraph([(number, text)]))
            before, first = line, False
    return paragraphs


def _sizes(every: list[_Line]) -> tuple[float, dict[int, int]]:
    """The height of the text's lines, and the heading level of each height (in whole points) above it."""
    counts: Counter[int] = Counter()
    for line in every:
        if line.height > 0:
            counts[round(line.height)] += len(line.text)
    if not counts:
        return 0.0, {}
    body = counts.most_common(1)[0][0]
    larger = sorted((size for size in counts if size >= _HEADING_SIZE * body), reverse=True)
    return float(body), {size: min(rank, _HEADING_LEVELS) for rank, size in enumerate(larger, start=1)}


def _level(line: _Line, body: float, levels: dict[int, int]) -> int:
    if not body or len(line.text) > _HEADING_LENGTH or _SENTENCE_END.search(line.text):
        return 0
    return levels.get(round(line.height), 0)


def _usual_distance(page: list[_Line]) -> float:
    """The distance of neighbouring lines inside paragraphs, in points; 0 when the page does not tell."""
    distances = [above.bottom - line.bottom for above, line in pairwise(page) if above.bottom - line.bottom > 1]
    # not the middle one: on a page of short paragraphs that is the distance between paragraphs
    return sorted(distances)[len(distances) // 5] if distances else 0.0


def _apart(before: _Line, line: _Line, usual: float, edge: float) -> bool:
    """True if a new paragraph begins with `line`, on the same page as the line before."""
    if _ITEM.match(line.text):
        return True
    if not line.height or not before.height:
        return False
    distance = before.bottom - line.bottom
    if distance < -line.height:  # the next column
        return _SENTENCE_END.search(before.text) is not None
    free = _SHORT_CJK if _CJK.match(before.text[-1:]) else _SHORT
    if edge - before.right > free * (edge - before.left) and not before.text.endswith(("-", *_HYPHENS)):
        return True  # the row of a table, or the last line of a paragraph
    indented = line.left - before.left > 0.8 * line.height and not _ITEM.match(before.text)
    return distance > _GAP * min(usual, 2 * line.height) or (indented and _SENTENCE_END.search(before.text) is not None)


def _goes_on(before: _Line, line: _Line, text: str) -> bool:
    """True if the first line of a page goes on with the last paragraph of the page before."""
    if _SENTENCE_END.search(before.text) or _ITEM.match(line.text):
        return False
    return text[:1].islower() or (_CJK.match(text) is not None and _CJK.match(before.text[-1:]) is not None)


def _joint(before: str, text: str) -> tuple[str, str]:
    """What to take from the end of a line, and what to put before the next, to make one of them."""
    if before.endswith(_HYPHENS):
        return "", ""  # invisible, already gone
    if before.endswith("-") and before[-2:-1].isalpha() and text[:1].islower():
        return "-", ""
    return "", "" if _CJK.match(before[-1:]) or _CJK.match(text) else " "
