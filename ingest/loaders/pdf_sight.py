"""Which characters of a PDF's page nobody sees: drawn without ink, in the colour of what lies behind, tiny, or off the page.

What a scan's text layer holds has no ink either, and lies over the picture of itself: where ink is missing, the page is drawn
and looked at. Called under the lock of `ingest/loaders/pdf.py`.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pypdfium2

_TINY = 2.0
"""Points; nobody reads lower letters."""
_NO_INK = (3, 7)
"""Render modes that draw nothing (ISO 32000-1, table 106)."""
_WHITE = 235
"""Of 255; an ink this light in every colour shows on a dark ground only."""
_FAINT = 13
"""Of 255; a fainter ink is none."""
_FLAT = 24
"""Of 255; where the colours of a character's box differ by no more, nothing is drawn."""


def unseen(page: pypdfium2.PdfPage, textpage: pypdfium2.PdfTextPage) -> set[int]:
    """The indexes of the characters on a page that its readers do not see."""
    import pypdfium2.raw as pdfium

    found: set[int] = set()
    doubted: list[int] = []
    known: dict[int, str] = {}
    for index in range(textpage.count_chars()):
        drawn = pdfium.FPDFText_GetTextObject(textpage.raw, index)
        address = ctypes.cast(drawn, ctypes.c_void_p).value or 0
        if address not in known:
            known[address] = _sight(pdfium, drawn, page.get_size()) if address else "seen"
        if known[address] == "unseen":
            found.add(index)
        elif known[address] == "doubted":
            doubted.append(index)
    if doubted:
        found |= _flat(page, textpage, doubted)
    return found


def _sight(pdfium: Any, drawn: Any, size: tuple[float, float]) -> str:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    if pdfium.FPDFPageObj_GetBounds(drawn, left, bottom, right, top):
        beside = right.value <= 0 or top.value <= 0 or left.value >= size[0] or bottom.value >= size[1]
        if beside or 0 < top.value - bottom.value < _TINY / 2:
            return "unseen"
    if pdfium.FPDFTextObj_GetTextRenderMode(drawn) in _NO_INK:
        return "doubted"
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if pdfium.FPDFPageObj_GetFillColor(drawn, red, green, blue, alpha):
        white = min(red.value, green.value, blue.value) >= _WHITE
        return "doubted" if white or alpha.value < _FAINT else "seen"
    return "seen"


def _flat(page: pypdfium2.PdfPage, textpage: pypdfium2.PdfTextPage, doubted: list[int]) -> set[int]:
    """Those of the characters whose places on the drawn page hold one colour alone."""
    bitmap = page.render(scale=1, grayscale=True)
    try:
        pixels, stride, width, height = bytes(bitmap.buffer), bitmap.stride, bitmap.width, bitmap.height
    finally:
        bitmap.close()
    found = set()
    for index in doubted:
        left, bottom, right, top = textpage.get_charbox(index)
        columns = range(max(int(left), 0), min(int(right) + 1, width))
        rows = range(max(int(height - top), 0), min(int(height - bottom) + 1, height))
        shades = [pixels[row * stride + column] for row in rows for column in columns]
        if not shades or max(shades) - min(shades) <= _FLAT:
            found.add(index)
    return found
