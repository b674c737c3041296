"""Where sentences end in a paragraph of English or Japanese. Knows no blocks: `bot/sentences.py` finds those."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator

_END = re.compile(r"[。！？．]+|[.!?…]+")
_ENDS = frozenset("。！？．.!?…")
_CLOSERS = "\"')]}”’」』）】〕》〉］｝"
_PAIRS = dict(zip("「『（【〔《〈［(", "」』）】〕》〉］)", strict=True))
_LONGEST_BRACKET = 400
"""Characters; an opening bracket without its other half within these is taken for a slip and hides no sentence end."""
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'“‘])(?:[A-Z]|(?:[A-Za-z]\.)+[A-Za-z]|mr|mrs|ms|dr|prof|st|sr|jr|no|nos|vol|fig|figs|eq|sec|ch|p|pp|cf|vs"
    r"|ed|eds|al|approx|dept|est|gen|gov|sen|rep|lt|col|capt|sgt|rev|hon|inc|ltd|co|corp|e\.g|i\.e|jan|feb|mar|apr|jun|jul|aug"
    r"|sept?|oct|nov|dec)$",
    re.IGNORECASE,
)
_INITIAL_ENDS = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]$")
_OPENS_SENTENCE = re.compile(
    r"[\"'“‘(\[]?(?:The|A|An|In|On|At|It|This|That|These|They|He|She|We|You|If|For|But|And|However)\b"
)
_OPENS_JAPANESE = re.compile(
    "[こそあ](?:れ|の|こ|う|ちら)|しか(?:し|も)|また|なお|ただ|そして|さら|だが|だから|で[はも]、|とこ|とく|もし|もっとも|やが|つま|すな|ゆえ|したが"
    "|よって|まず|つぎ|さて|いま|かつて|けれど|われ|わた|あな|ぼく|ひと|みな"
)
"""What a new sentence in hiragana begins with; other hiragana behind a bracket go on with its sentence (「……。」と言った)."""
_SAYS = re.compile(
    r"\s+(?:[A-Z][\w.’'-]*\s+){1,3}(?:said|says|asked|asks|replied|answered|wrote|added|cried|shouted)\b"
)
_NAME_LENGTH = 10
"""Characters; what is shorter in brackets may be a name that ends like a sentence (「モーニング娘。」, "(Yahoo!)")."""
_LABEL = re.compile(r"(?!https?:)[^\s:：|。.]{1,20}(?: [^\s:：|。.]{1,20}){0,3}(?:：|:\s)")
_NARROW = 40
"""Columns; lines that are all shorter were not wrapped, they were written one by one."""
_JOINERS = "\u200d\ufe0e\ufe0f"


def sentence_ranges(text: str, start: int, end: int, language: str) -> Iterator[tuple[int, int]]:
    """The sentences of the paragraph `text[start:end]`: ascending ranges of `text` without outer whitespace."""
    paragraph = text[start:end]
    cuts = sorted({*_stops(paragraph, language), *_deliberate_breaks(paragraph), len(paragraph)})
    at = 0
    for cut in cuts:
        piece = paragraph[at:cut]
        left = len(piece) - len(piece.lstrip())
        right = len(piece.rstrip())
        if right > left:
            yield start + at + left, start + at + right
        at = cut


def _stops(paragraph: str, language: str) -> Iterator[int]:
    """Offsets behind a sentence's last character."""
    brackets = _brackets(paragraph)
    opened = [opening for opening, _ in brackets]
    for match in _END.finditer(paragraph):
        at = match.end()
        while at < len(paragraph) and (paragraph[at] in _CLOSERS or _belongs_to_the_left(paragraph[at])):
            at += 1
        following = paragraph[at : at + 60]
        inside = bisect_right(opened, match.start()) - 1
        if inside >= 0 and brackets[inside][1] >= at:
            opening, closing = brackets[inside]
            if closing > at or not (at - opening > _NAME_LENGTH or _begins_a_sentence(paragraph, opening)):
                continue
        wide = match[0][0] in "。！？．"
        if wide:
            closed = at > match.end()
            if closed and _goes_on(following):
                continue
            yield at
        elif language == "ja" and match[0][0] in "!?" and following[:1] and ord(following[0]) > 0x2E7F:
            yield at
        elif not following or following[0].isspace():
            if match[0] == "." and _is_abbreviation(paragraph, match.start(), following.lstrip()):
                continue
            if following.lstrip()[:1].islower() or (match[0] != "." and at > match.end() and _SAYS.match(following)):
                continue
            yield at


def _begins_a_sentence(paragraph: str, opening: int) -> bool:
    before = paragraph[:opening].rstrip()
    return not before or before[-1] in _ENDS or (before[-1] in _CLOSERS and before[-2:-1] in _ENDS)


def _goes_on(following: str) -> bool:
    """Whether a Japanese sentence goes on behind a closing bracket: 「……。」と言った."""
    if not following or _OPENS_JAPANESE.match(following):
        return False
    return following[0] in "、，,。．" or "ぁ" <= following[0] <= "ゖ"


def _is_abbreviation(paragraph: str, dot: int, following: str) -> bool:
    before = paragraph[max(0, dot - 16) : dot]
    if not _ABBREVIATION.search(before):
        return False
    if before.lower().endswith("no"):  # "No. 5", but "the answer is no. Then"
        return following[:1].isdigit()
    # "in the U.S. The law": an abbreviation may end a sentence too
    return not (_INITIAL_ENDS.search(before) and _OPENS_SENTENCE.match(following))


def _brackets(paragraph: str) -> list[tuple[int, int]]:
    """The outermost pairs of brackets, ascending."""
    stack: list[tuple[str, int]] = []
    pairs: list[tuple[int, int]] = []
    for at, character in enumerate(paragraph):
        if character in _PAIRS:
            stack.append((_PAIRS[character], at))
        elif any(character == closer for closer, _ in stack[-3:]):
            while stack[-1][0] != character:
                stack.pop()
            opening = stack.pop()[1]
            if at - opening <= _LONGEST_BRACKET:
                pairs.append((opening, at + 1))
    outermost: list[tuple[int, int]] = []
    for opening, closing in sorted(pairs):
        if not outermost or opening >= outermost[-1][1]:
            outermost.append((opening, closing))
    return outermost


def _deliberate_breaks(paragraph: str) -> Iterator[int]:
    """Offsets of line breaks that the writer meant: the next word would have fitted, or the next line has a label."""
    lines = paragraph.split("\n")
    widths = [_width(line.rstrip()) for line in lines]
    widest = max(widths)
    at = 0
    for line, width, below in zip(lines, widths, lines[1:], strict=False):
        at += len(line)
        word = re.match(r"\s*([!-~]+|.)", below)
        room = widest - width
        if widest < _NARROW or line.endswith("  ") or _LABEL.match(below) or (word and room > _width(word[1]) + 1):
            yield at
        at += 1


def _width(text: str) -> int:
    return sum(2 if ord(character) > 0x2E7F else 1 for character in text)


def _belongs_to_the_left(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character).startswith("M")
