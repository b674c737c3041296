"""Where a passage that is too long is cut: the places that hurt least, best kind first. Knows no headings and no blocks.

Sizes are weights: a Latin character counts 1, a CJK one 2. Everything is linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

# atomic groups and possessive repeats: no text, however odd, may make a pattern try the same characters again and again
_CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]+"
)

_OPENING = "「『（(【“"
_CLOSING = "」』）)】”"
_STOP = r"(?:[。！？]|．(?![0-9０-９]))++"
_WESTERN_STOP = r"(?<![.!?])[.!?]++"
_SENTENCE = re.compile(rf"{_STOP}[」』）)”’]*\s*|{_WESTERN_STOP}[\"')\]”’]*+\s++(?![a-z])")
_NESTED = re.compile(
    rf"[{_OPENING}]|(?<=(.))[{_CLOSING}]\s*(?![とがのをにではもへや、，。])|[{_CLOSING}]"
    rf"|{_STOP}(?![{_CLOSING}’])\s*|{_WESTERN_STOP}[\"'’]*+\s++(?![a-z])",
    re.DOTALL,
)
_QUOTE = 300
"""Characters after which a bracket that is still open counts as forgotten."""

_OTHER_SCRIPT = "一-鿿々〆㐀-䶿ァ-ヺーA-Za-z0-9Ａ-Ｚａ-ｚ０-９"

Cut = Callable[[str, int, int], list[int]]
"""The offsets between two others where a text may be cut, ascending."""


def _after(pattern: str) -> Cut:
    compiled = re.compile(pattern)
    return lambda text, start, end: [match.end() for match in compiled.finditer(text, start, end)]


def _outer_sentences(text: str, start: int, end: int) -> list[int]:
    """Ends of sentences that do not stand inside brackets or quotation marks."""
    borders = []
    depth, opened = 0, start
    for match in _NESTED.finditer(text, start, end):
        first = match[0][0]
        if depth and match.start() - opened > _QUOTE:
            depth = 0
        if first in _OPENING:
            opened = opened if depth else match.start()
            depth += 1
        elif first in _CLOSING:
            depth = max(0, depth - 1)
            if (
                not depth and match[1] and match[1] in "。！？．.!?"
            ):  # 「……。」 is a sentence, 「……。」と is not yet one
                borders.append(match.end())
        elif not depth:
            borders.append(match.end())
    return borders


def _sentences(text: str, start: int, end: int) -> list[int]:
    return [match.end() for match in _SENTENCE.finditer(text, start, end)]


LINES: Cut = _after(r"\n")
_ITEMS = _after(r"\n(?=[-*+•‣–・●○◆◇■□(（①-⑳\d])")
_BLANK_LINES = _after(r"\n[ \t]*\n")
_SPACES = _after(r"[、，]|\s+")
_WITHOUT_SPACES: tuple[Cut, ...] = (
    # behind a particle, where a phrase ends; then where any word in kana ends (お知らせ and ご案内 are one word)
    _after(rf"[はがをにでともへや](?=[{_OTHER_SCRIPT}])"),
    _after(rf"[ぁ-ゖ](?<![おご])(?=[{_OTHER_SCRIPT}])"),
    # between kanji and katakana or letters, but 5メートル and 3回 stay together; behind the joints of addresses and code
    _after(
        r"[一-鿿々](?=[ァ-ヺA-Za-zＡ-Ｚａ-ｚ])|(?<![0-9０-９])[ァ-ヺー](?=[一-鿿A-Za-zＡ-Ｚａ-ｚ])"
        r"|[A-Za-z](?=[一-鿿ぁ-ゖァ-ヺ])|[/?&=;,|}]"
    ),
)

PROSE: tuple[Cut, ...] = (_outer_sentences, _sentences, LINES, _SPACES, *_WITHOUT_SPACES)
LIST: tuple[Cut, ...] = (_ITEMS, LINES, _outer_sentences, _sentences, _SPACES, *_WITHOUT_SPACES)
TABLE: tuple[Cut, ...] = (LINES, _SPACES, *_WITHOUT_SPACES)
CODE: tuple[Cut, ...] = (_BLANK_LINES, LINES, _SPACES, *_WITHOUT_SPACES)


def weight(text: str) -> int:
    """Length of `text` with CJK characters counted twice: roughly proportional to what it says and to its tokens."""
    return len(text) if text.isascii() else len(text) + sum(map(len, _CJK.findall(text)))


def pieces(text: str, start: int, end: int, size: int, cuts: Sequence[Cut]) -> Iterator[tuple[int, int]]:
    """Cut a range at the first kind of place; what still weighs more than `size` there, at the next kind."""
    total = weight(text[start:end])
    if total <= size:
        yield start, end
        return
    if not cuts:
        yield from _hard_pieces(text, start, end, size)
        return
    goal = total / -(-total // size)  # pieces of even weight, so that no crumb is left at the end
    piece_weight = 0
    at = piece_start = start
    for border in [*cuts[0](text, start, end), end]:
        step = weight(text[at:border])
        if piece_weight and (piece_weight + step > size or piece_weight >= goal):
            yield piece_start, at
            piece_start, piece_weight = at, 0
        if step > size:
            yield from pieces(text, at, border, size, cuts[1:])
            piece_start = border
        else:
            piece_weight += step
        at = border
    if piece_start < end:
        yield piece_start, end


_CLUSTER_LIMIT = 64
"""Combining characters that stay with their base; more than these are no writing."""


def _hard_pieces(text: str, start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    while start < end:
        piece = text[start : min(end, start + size)]
        cut = start + (len(piece) if weight(piece) <= size else max(1, size // 2))
        for _ in range(_CLUSTER_LIMIT):
            if cut >= end or not _continues(text[cut - 1], text[cut]):
                break
            cut += 1
        yield start, min(cut, end)
        start = cut


def _continues(before: str, character: str) -> bool:
    """True if a cut between the two would break one visible character (accents, emoji sequences, voiced sound marks)."""
    return (
        before == "\u200d"
        or character in "\u200d\uff9e\uff9f"
        or unicodedata.category(character).startswith("M")
        or "\udc00" <= character <= "\udfff"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
