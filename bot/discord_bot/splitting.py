"""Cutting a long text into messages. Knows Discord's limit and Markdown's shapes, not what the text says.

The pieces joined are the text, to the character, but for the fences that are closed at a cut and opened again after it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

from bot.discord_bot.escaping import FENCE, INLINE_CODE

LIMIT = 2_000
"""Characters in a message without a paid plan. Whether Discord counts code points or UTF-16 units differs between its
parts; we count units, which are never fewer."""

_CLOSING = "\n```"

_CUTS = (
    re.compile(r"\n{2,}"),
    re.compile(r"\n"),
    re.compile(r"[。！？．][」』）】”’]*|[.!?][)\]\"'”’]*\s+"),
    re.compile(r"[、，；]|\s+"),
)
"""Where to cut, best first: paragraphs, lines, sentences, clauses and words."""

_LINK = r"\[[^\[\]\n]{1,200}\]\\?\([^()\s]{1,500}\)"
_TABLE_ROW = r"(?m:^\\?\|[^\n]*\|[ \t]*$)"
_ATOMS = re.compile(rf"{_TABLE_ROW}|{_LINK}|{INLINE_CODE.pattern}|\\.|<[^<>\s]+>|\w+\\?://[^\s、。）」』>]+|\[\d+\]")
"""What loses its meaning when cut: a table's row, a link, inline code, an escape, an address, a citation's mark."""

_JOINERS = frozenset("\u200d\uff9e\uff9f")  # zero-width joiner; half-width katakana's voicing marks
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_TAGS = range(0xE0020, 0xE0080)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)


@dataclass(frozen=True, slots=True)
class _Fence:
    start: int
    body: int
    end: int
    language: str

    @property
    def opening(self) -> str:
        return f"```{self.language}\n"


def units(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text) + sum(character > "\uffff" for character in text)


def split(text: str, limit: int = LIMIT) -> list[str]:
    """Cut `text` into pieces of at most `limit` UTF-16 units; pieces of nothing but space are left out."""
    fences = [_Fence(m.start(), m.start("body"), m.end(), m["language"] or "") for m in FENCE.finditer(text)]
    shapes = _Shapes(text, fences, limit)
    pieces, start, opening = [], 0, ""
    while len(text) - start > (room := limit - units(opening)) or units(text[start:]) > room:
        window = _reach(text, start, room - len(_CLOSING))
        cut = shapes.cut(start, window)
        fence = shapes.fence_around(cut)
        closing = _CLOSING.lstrip("\n") if text[cut - 1] == "\n" else _CLOSING
        pieces.append(opening + text[start:cut] + (closing if fence else ""))
        start, opening = cut, fence.opening if fence else ""
    pieces.append(opening + text[start:])
    return [piece for piece in pieces if piece.strip()]


def _reach(text: str, start: int, room: int) -> int:
    """The greatest end, after `start`, for which `text[start:end]` is at most `room` units (at least one character)."""
    end = start
    while end < len(text) and room > 0:
        room -= 2 if text[end] > "\uffff" else 1
        end += room >= 0
    return max(end, start + 1)


class _Shapes:
    """Where `text` must not be cut, and where it had best be."""

    def __init__(self, text: str, fences: list[_Fence], limit: int) -> None:
        self._text = text
        self._fences = fences
        whole = limit - len(_CLOSING)
        kept = [(m.start(), m.end()) for m in _ATOMS.finditer(text) if not _within(fences, m.start())]
        for fence in fences:
            if units(text[fence.start : fence.end]) <= whole:
                kept.append((fence.start, fence.end))
            else:
                # one character stays with each mark, so that no piece opens or closes an empty block
                kept += [(fence.start, fence.body + 1), (fence.end - len(_CLOSING), fence.end)]
        self._kept = sorted(kept)
        self._starts = [start for start, _ in self._kept]

    def fence_around(self, cut: int) -> _Fence | None:
        return _within(self._fences, cut)

    def cut(self, start: int, window: int) -> int:
        """The best place to cut in `start < cut <= window`: one that fills half the window, then any, then by force."""
        found = [place for pattern in _CUTS if (place := self._last(pattern, start, window)) is not None]
        half = (start + window) // 2
        for place in found:
            if place >= half:
                return place
        if found:
            return max(found)
        whole = (place for place in range(window, start, -1) if self._allowed(place) and self._apart(place))
        apart = (place for place in range(window, start, -1) if self._apart(place))
        return next(whole, None) or next(apart, None) or window

    def _last(self, pattern: re.Pattern[str], start: int, window: int) -> int | None:
        # a boundary that ends exactly at the window may go on beyond it (more line ends, more space): that is fine
        places = [m.end() for m in pattern.finditer(self._text, start, window)]
        return next((p for p in reversed(places) if p > start and self._allowed(p) and self._apart(p)), None)

    def _allowed(self, cut: int) -> bool:
        """False inside something that is to stay whole."""
        before = bisect_right(self._starts, cut - 1) - 1
        return before < 0 or self._kept[before][1] <= cut

    def _apart(self, cut: int) -> bool:
        """False between characters that are seen as one."""
        if cut >= len(self._text):
            return True
        left, right = self._text[cut - 1], self._text[cut]
        if left == "\u200d" or right in _JOINERS or unicodedata.category(right).startswith("M"):
            return False
        if ord(right) in _SKIN_TONES or ord(right) in _TAGS:
            return False
        return not (ord(left) in _FLAG_LETTERS and ord(right) in _FLAG_LETTERS)


def _within(fences: list[_Fence], place: int) -> _Fence | None:
    return next((fence for fence in fences if fence.start < place < fence.end), None)
