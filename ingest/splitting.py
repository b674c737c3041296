"""A document's text into chunks: contiguous, ascending ranges of it that follow its structure.

Knows the look of lists, tables, fenced code and paragraphs in plain text and Markdown, and the headings from the
document's marks; no file format, no model, no tokens. Sizes are weights: a Latin character counts 1, a CJK one 2.
Everything is linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ingest.loaders.front_matter import front_matter_end
from retrieval.documents import Chunk, Document, Mark

SPLITTER_VERSION = "1"
"""Changes whenever the same document would be split another way."""

_SMALL = 200
"""Weight from which a block is a chunk of its own; smaller neighbours are put together..."""
_TOGETHER = 400
"""...up to this weight."""
_TINY = 80
"""Weight of a block that says nothing alone ("See below."): it joins whatever stands next to it."""
_WHOLE = 3
"""Tables and code are kept whole up to this many times the size: half a table misleads more than a long chunk costs."""

# atomic groups and possessive repeats: no text, however odd, may make a pattern try the same characters again and again
_CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]+"
)
_WORDS = re.compile(r"\w")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_ITEM = re.compile(r"(\s*)(?:[-*+•‣–][ \t]|[・●○◆◇■□]|\(?\d{1,3}[.)][ \t]|[(（]\d{1,3}[)）]|[①-⑳])")
_TABLE_RULE = re.compile(r"\s*+\|?\s*+:?-++:?\s*+(?:\|\s*+:?-++:?\s*+)*+\|?\s*+")
_UNDERLINED = re.compile(r"(?>[^\S\n]*+\S[^\n]*+\n){1,4}? {0,3}(?:=+|-+|~+|＝+|─+)[ \t]*(?:\n|\Z)")
_ATX = re.compile(r" {0,3}#{1,6}(?!#)")

PASSAGE = 1600
"""Weight a chunk should not exceed. An answer is easiest to find and to check in a whole paragraph: of 150 encyclopaedia
paragraphs (XQuAD, English) 95 stay whole at 800, 133 at 1,200 and 144 at 1,600."""

_Kind = Literal["prose", "list", "table", "code"]

_SENTENCE = re.compile(r"[。！？．]+[」』）)”’]*\s*|(?<![.!?])[.!?]++[\"')\]”’]*+\s++(?![a-z])")
_LINE = re.compile(r"\n")
_SPACE = re.compile(r"[、，]|\s+")
_CUTS: dict[_Kind, tuple[re.Pattern[str], ...]] = {
    # where to cut, best places first; a cut stands at the end of a match
    "prose": (_SENTENCE, _LINE, _SPACE),
    "list": (re.compile(r"\n(?=[-*+•‣–・●○◆◇■□(（①-⑳\d])"), _LINE, _SENTENCE, _SPACE),
    "table": (_LINE, _SPACE),
    "code": (re.compile(r"\n[ \t]*\n"), _LINE, _SPACE),
}


@dataclass(slots=True)
class _Block:
    """A range of the text with one look. `body` is where it starts without the sentence that leads in to it."""

    start: int
    end: int
    kind: _Kind
    body: int
    worded: bool = True


def split(document: Document, *, size: int = PASSAGE) -> list[Chunk]:
    """Chunks of `document`, ascending, none overlapping, none with outer whitespace, none across a heading.

    `size` is the weight a chunk should not exceed (tables and code: three times). Every character that is not
    whitespace stands in exactly one chunk, except front matter, headings that have text below them, and
    sections without a letter or digit.
    """
    if size < 1:
        raise ValueError("size must be at least 1")
    text = document.text
    mark_starts = [mark.start for mark in document.marks]
    line_ends = [match.start() for match in _LINE.finditer(text)]
    chunks = []
    for start, end in _ranges(document, size):
        at = bisect_right(mark_starts, start) - 1
        mark = document.marks[at] if at >= 0 else Mark(0)
        chunks.append(Chunk(start, end, mark.heading, bisect_right(line_ends, start - 1) + 1, mark.page))
    return chunks


def weight(text: str) -> int:
    """Length of `text` with CJK characters counted twice: roughly proportional to what it says and to its tokens."""
    return len(text) if text.isascii() else len(text) + sum(map(len, _CJK.findall(text)))


def _ranges(document: Document, size: int) -> Iterator[tuple[int, int]]:
    text = document.text
    start = front_matter_end(text)
    heading_start = start
    heading: tuple[str, ...] = ()
    sections: list[tuple[int, int, tuple[str, ...]]] = []  # where the heading starts, where the content starts, heading
    for mark in document.marks:
        content = _heading_end(text, mark) if mark.start >= start and mark.heading else mark.start
        if content > mark.start or mark.heading != heading:
            sections.append((heading_start, start, heading))
            heading_start, start, heading = mark.start, content, mark.heading
    sections.append((heading_start, start, heading))
    for i, (heading_start, start, heading) in enumerate(sections):
        end, below = (sections[i + 1][0], sections[i + 1][2]) if i + 1 < len(sections) else (len(text), ())
        found = False
        for found_range in _section(text, start, end, size):
            found = True
            yield found_range
        if not found and start > heading_start and below[: len(heading)] != heading:
            # nothing stands below this heading that would carry it: the heading is the text
            yield from _trimmed(text, heading_start, start)


def _heading_end(text: str, mark: Mark) -> int:
    """Where the heading that stands at the mark ends; the mark itself if none stands there."""
    line_end = text.find("\n", mark.start)
    line_end = len(text) if line_end < 0 else line_end + 1
    line = text[mark.start : line_end]
    if _ATX.match(line):
        return line_end
    if underlined := _UNDERLINED.match(text, mark.start):
        return underlined.end()
    return line_end if line.strip() == mark.heading[-1] else mark.start


def _section(text: str, start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Ranges of one section: small neighbours put together, large blocks cut."""
    group_start, group_end, group_weight = start, start, 0  # weight 0: no group is open
    for block in _joined(text, _blocks(text, start, end)):
        whole = size if block.kind in ("prose", "list") else _WHOLE * size
        body_weight = weight(text[block.body : block.end])
        lead_weight = weight(text[block.start : block.body])
        total = lead_weight + body_weight
        if body_weight > whole or lead_weight > size:
            if group_weight:
                yield from _trimmed(text, group_start, group_end)
                group_weight = 0
            for piece in _pieces(text, block.start, block.end, size, _CUTS[block.kind]):
                yield from _trimmed(text, *piece)
            continue
        small = max(group_weight, total) < _SMALL and group_weight + total <= _TOGETHER
        tiny = min(group_weight, total) < _TINY and group_weight + total <= size
        if group_weight and (small or tiny):
            group_end, group_weight = block.end, group_weight + total
            continue
        if group_weight:
            yield from _trimmed(text, group_start, group_end)
        group_start, group_end, group_weight = block.start, block.end, total
    if group_weight:
        yield from _trimmed(text, group_start, group_end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    end = start + len(piece.strip())
    if start < end:
        yield start, end


def _joined(text: str, blocks: Iterator[_Block]) -> list[_Block]:
    """Lead-in lines put to what they lead in to, and rulers ("---", "* * *") to their neighbours."""
    joined: list[_Block] = []
    for block in blocks:
        last = joined[-1] if joined else None
        leads = (
            last is not None
            and last.kind == "prose"
            and block.kind != "prose"
            and text[last.start : last.end].rstrip()[-1:] in (":", "：")
        )
        if last is not None and (leads or not last.worded):
            joined[-1] = _Block(last.start, block.end, block.kind, block.body, last.worded or block.worded)
        else:
            joined.append(block)
    if joined and not joined[-1].worded:
        ruler = joined.pop()
        if joined:
            joined[-1].end = ruler.end
    return joined


def _blocks(text: str, start: int, end: int) -> Iterator[_Block]:
    """The paragraphs, lists, tables and fenced blocks between two offsets, each with its last line end."""
    lines = _lines(text, start, end)
    i = 0
    while i < len(lines):
        line = lines[i][1]
        if not line.strip():
            i += 1
            continue
        kind: _Kind
        if _FENCE.match(line):
            kind, after = "code", _after_fence(lines, i)
        elif _table_begins(lines, i):
            kind, after = "table", _after_table(lines, i)
        elif _ITEM.match(line):
            kind, after = "list", _after_list(lines, i)
        else:
            kind, after = "prose", _after_paragraph(lines, i)
        first, last = lines[i][0], lines[after - 1][0] + len(lines[after - 1][1])
        yield _Block(first, last, kind, first, _WORDS.search(text, first, last) is not None)
        i = after


def _lines(text: str, start: int, end: int) -> list[tuple[int, str]]:
    lines = []
    for line in text[start:end].split("\n"):
        lines.append((start, line))
        start += len(line) + 1
    return lines


def _after_fence(lines: list[tuple[int, str]], i: int) -> int:
    opening = _FENCE.match(lines[i][1])
    fence = opening[1] if opening else ""
    for after in range(i + 1, len(lines)):
        line = lines[after][1].strip()
        if line.startswith(fence) and not line.strip(fence[0]):
            return after + 1
    return len(lines)


def _table_begins(lines: list[tuple[int, str]], i: int) -> bool:
    line = lines[i][1]
    if line.lstrip().startswith("|"):
        return True
    rule = lines[i + 1][1] if i + 1 < len(lines) else ""
    return "|" in line and "|" in rule and _TABLE_RULE.fullmatch(rule) is not None


def _after_table(lines: list[tuple[int, str]], i: int) -> int:
    while i < len(lines) and "|" in lines[i][1]:
        i += 1
    return i


def _after_list(lines: list[tuple[int, str]], i: int) -> int:
    """Items, their continuations, blank lines between items, and what is indented below an item."""
    after = i + 1
    while after < len(lines):
        line = lines[after][1]
        if _FENCE.match(line):
            if not line[0].isspace():
                break
            after = _after_fence(lines, after)
        elif line.strip():
            if not lines[after - 1][1].strip() and not (_ITEM.match(line) or line.startswith(("  ", "\t", "　"))):
                break
            after += 1
        else:
            after += 1
    while not lines[after - 1][1].strip():
        after -= 1
    return after


def _after_paragraph(lines: list[tuple[int, str]], i: int) -> int:
    after = i + 1
    while after < len(lines) and (line := lines[after][1]).strip():
        if _FENCE.match(line) or _ITEM.match(line) or _table_begins(lines, after):
            break
        after += 1
    return after


def _pieces(text: str, start: int, end: int, size: int, cuts: tuple[re.Pattern[str], ...]) -> Iterator[tuple[int, int]]:
    """Cut a range at the first kind of place; what is still too long there, at the next kind."""
    total = weight(text[start:end])
    if total <= size:
        yield start, end
        return
    if not cuts:
        yield from _hard_pieces(text, start, end, size)
        return
    goal = total / -(-total // size)  # pieces of even weight, so that no crumb is left at the end
    borders = [match.end() for match in cuts[0].finditer(text, start, end)]
    piece_weight = 0
    at = piece_start = start
    for border in [*borders, end]:
        step = weight(text[at:border])
        if piece_weight and (piece_weight + step > size or piece_weight >= goal):
            yield piece_start, at
            piece_start, piece_weight = at, 0
        if step > size:
            yield from _pieces(text, at, border, size, cuts[1:])
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
