"""A document's text into chunks: contiguous, ascending ranges of it that follow its structure.

Knows the look of lists, tables, fenced code and paragraphs in plain text and Markdown, and the headings from the
document's marks; no file format, no model, no tokens. Sizes are weights: a Latin character counts 1, a CJK one 2.
Everything is linear in the length of the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from ingest.cutting import CODE, LIST, PROSE, TABLE, Cut, pieces, weight
from ingest.loaders.front_matter import front_matter_end
from retrieval.documents import Chunk, Document, Mark

SPLITTER_VERSION = "2"
"""Changes whenever the same document would be split another way."""

_SMALL = 200
"""Weight from which a block is a chunk of its own; smaller neighbours are put together..."""
_TOGETHER = 400
"""...up to this weight."""
_TINY = 80
"""Weight of a block that says nothing alone ("See below."): it joins whatever stands next to it."""
_WHOLE = 3
"""Tables, code and whole sections stay so up to this many times the size: half a table misleads more than a long chunk costs."""

# atomic groups and possessive repeats: no text, however odd, may make a pattern try the same characters again and again
_WORDS = re.compile(r"\w")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_ITEM = re.compile(r"(\s*)(?:[-*+•‣–][ \t]|[・●○◆◇■□]|\(?\d{1,3}[.)][ \t]|[(（]\d{1,3}[)）]|[①-⑳])")
_TABLE_RULE = re.compile(r"\s*+\|?\s*+:?-++:?\s*+(?:\|\s*+:?-++:?\s*+)*+\|?\s*+")
_UNDERLINED = re.compile(r"(?>[^\S\n]*+\S[^\n]*+\n){1,4}? {0,3}(?:=+|-+|~+|＝+|─+)[ \t]*(?:\n|\Z)")
_ATX = re.compile(r" {0,3}#{1,6}(?!#)")

PASSAGE = 2400
"""Weight a chunk should not exceed. An answer is easiest to find and to check in a whole paragraph: of 150 encyclopaedia
paragraphs (XQuAD, English) 95 stay whole at 800, 133 at 1,200, 144 at 1,600 and 148 at 2,400."""

_Kind = Literal["prose", "list", "table", "code"]

_CUTS: dict[_Kind, tuple[Cut, ...]] = {"prose": PROSE, "list": LIST, "table": TABLE, "code": CODE}


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

    `size` is the weight a chunk should not exceed (tables, code and sections marked as whole: three times). Every
    character that is not whitespace stands in exactly one chunk, except front matter, headings that have text below
    them, and sections without a letter or digit.
    """
    if size < 1:
        raise ValueError("size must be at least 1")
    text = document.text
    mark_starts = [mark.start for mark in document.marks]
    line_ends = [match.start() for match in re.finditer("\n", text)]
    chunks = []
    for start, end in _ranges(document, size):
        at = bisect_right(mark_starts, start) - 1
        mark = document.marks[at] if at >= 0 else Mark(0)
        chunks.append(Chunk(start, end, mark.heading, bisect_right(line_ends, start - 1) + 1, mark.page))
    return chunks


@dataclass(frozen=True, slots=True)
class _Section:
    """What stands under one heading; `heading_start` is where that itself begins, `start` where what it heads does."""

    heading_start: int
    start: int
    heading: tuple[str, ...]
    whole: bool


def _ranges(document: Document, size: int) -> Iterator[tuple[int, int]]:
    text = document.text
    sections = _sections(document)
    for section, below in zip_longest(sections, sections[1:]):
        end = below.heading_start if below else len(text)
        found = False
        for found_range in _section(text, section.start, end, size, section.whole):
            found = True
            yield found_range
        carried = below is not None and below.heading[: len(section.heading)] == section.heading
        if not found and not carried and section.start > section.heading_start:
            # nothing stands below this heading that would carry it: the heading is the text
            yield from _trimmed(text, section.heading_start, section.start)


def _sections(document: Document) -> list[_Section]:
    start = front_matter_end(document.text)
    sections = [_Section(start, start, (), False)]
    for mark in document.marks:
        begin = max(mark.start, start)
        content = _heading_end(document.text, mark) if mark.start >= start and mark.heading else begin
        if content > begin or mark.heading != sections[-1].heading or mark.whole:
            sections.append(_Section(begin, content, mark.heading, mark.whole))
    return sections


def _heading_end(text: str, mark: Mark) -> int:
    """Where the heading that stands at the mark ends; the mark itself if none stands there."""
    line_end = text.find("\n", mark.start)
    line_end = len(text) if line_end < 0 else line_end + 1
    line = text[mark.start : line_end]
    if mark.whole:  # it may begin with anything, such as the comment above a function
        return line_end if line.lstrip(" #").rstrip() == mark.heading[-1] else mark.start
    if _ATX.match(line):
        return line_end
    if underlined := _UNDERLINED.match(text, mark.start):
        return underlined.end()
    return line_end if line.strip() == mark.heading[-1] else mark.start


def _section(text: str, start: int, end: int, size: int, whole: bool) -> Iterator[tuple[int, int]]:
    """Ranges of one section: a whole one left alone, in others small neighbours put together and large blocks cut."""
    if whole:
        if _WORDS.search(text, start, end):
            fits = weight(text[start:end]) <= _WHOLE * size
            for piece in [(start, end)] if fits else pieces(text, start, end, size, CODE):
                yield from _trimmed(text, *piece)
        return
    group_start, group_end, group_weight = start, start, 0  # weight 0: no group is open
    for block in _joined(text, _blocks(text, start, end)):
        most = size if block.kind in ("prose", "list") else _WHOLE * size
        body_weight = weight(text[block.body : block.end])
        lead_weight = weight(text[block.start : block.body])
        total = lead_weight + body_weight
        if body_weight > most or lead_weight > size:
            if group_weight:
                yield from _trimmed(text, group_start, group_end)
                group_weight = 0
            for piece in pieces(text, block.start, block.end, size, _CUTS[block.kind]):
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
