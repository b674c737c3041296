"""Plain text into a `Document`: its text is the file without hidden characters. Headings only where they cannot be mistaken."""

from __future__ import annotations

import re

from ingest.decoding import decode
from ingest.loaders.writer import HeadingPath, one_line, visible
from retrieval.documents import Document, Mark
from retrieval.language import language

_TITLE_LENGTH = 80
_HEADING_LENGTH = 60
_UNDERLINE = re.compile(r"(={3,}|-{3,}|~{3,}|＝{3,}|─{3,})\s*")
_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,3})\.?[ \t　]+\S")
_CHAPTER = re.compile(r"第\s*[\d０-９一二三四五六七八九十百]{1,5}\s*([編章節条])")
_CHAPTER_LEVELS = {"編": 1, "章": 2, "節": 3, "条": 4}
_SENTENCE_END = tuple(".。:：;,、，")


def load(stem: str, data: bytes) -> Document:
    """Parse a text file; `stem` is the title when its first line is too long to be one."""
    text = visible(decode(data))
    first = next((line.strip() for line in text.split("\n") if re.search(r"\w", line)), "")
    title = one_line(first.strip("=-~*# ")) if len(first) <= _TITLE_LENGTH else stem
    return Document(title=title or stem, text=text, language=language(text), marks=_marks(text))


def _marks(text: str) -> tuple[Mark, ...]:
    lines = [*text.split("\n"), ""]
    path = HeadingPath()
    marks = []
    offset = 0
    for i, line in enumerate(lines[:-1]):
        before = lines[i - 1].strip() if i else ""
        if not before and line.strip() and len(line) <= _HEADING_LENGTH:
            level = _level(line, lines, i)
            if level:
                marks.append(Mark(offset, path.enter(level, one_line(line))))
        offset += len(line) + 1
    return tuple(marks)


def _level(line: str, lines: list[str], i: int) -> int:
    """Level of the heading in line `i`, which is short and stands below a blank line; 0 if it is none."""
    if underline := _UNDERLINE.fullmatch(lines[i + 1]):
        return 1 if underline[1][0] in "=＝" else 2
    if line.rstrip().endswith(_SENTENCE_END):
        return 0
    if chapter := _CHAPTER.match(line):
        return _CHAPTER_LEVELS[chapter[1]] if not lines[i + 1].strip() else 0
    numbered = _NUMBERED.match(line)
    following = next((later for later in lines[i + 1 : i + 4] if later.strip()), "")
    if numbered is None or not following:
        return 0
    preceding = next((earlier for earlier in lines[max(0, i - 3) : i][::-1] if earlier.strip()), "")
    above, below = _NUMBERED.match(preceding), _NUMBERED.match(following)
    in_list = (above and not numbered[1].startswith(above[1] + ".")) or (
        below and not (below[1].startswith(numbered[1] + ".") and not lines[i + 1].strip())
    )
    return 0 if in_list else numbered[1].count(".") + 1
