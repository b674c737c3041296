"""The lists, tables and fenced blocks of a text, by the look of its lines in plain text and Markdown. Knows no chunk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# atomic groups and possessive repeats: no text, however odd, may make a pattern try the same characters again and again
_ITEM = re.compile(
    r"[ \t　]*+(?:[-*+•‣–][ \t]|[・●○◆◇■□]|[(（]?(\d{1,3})(?:[.)][ \t]|[)）．、])|([①-⑳])"
    r"|(?:step|手順|ステップ)[ \t]*+(\d{1,3})(?!\w))",
    re.IGNORECASE,
)
_FENCE = re.compile(r"[ \t]*+(`{3,}+|~{3,}+)")
_RULE = frozenset("|:- \t")
_LEADS_IN = (":", "：")
_INDENTED = re.compile(r"^(?: {2}|\t)", re.MULTILINE)


def is_piece(text: str) -> bool:
    """Whether a text looks as if it began or ended inside a list, table or code block, or led in to one."""
    first, _, rest = text.partition("\n")
    last = rest.rsplit("\n", 1)[-1] or first
    looks = any(_ITEM.match(line) or "|" in line or _FENCE.match(line) for line in (first, last))
    return looks or last.endswith(_LEADS_IN) or _INDENTED.search(text) is not None


@dataclass(slots=True)
class Block:
    """A list, a table or a fenced block, with the sentence that leads in to it; a list's first and last number, if any."""

    start: int
    end: int
    numbers: tuple[int, int] | None = None


def blocks(text: str) -> list[Block]:
    """Ascending, with outer white space trimmed; a numbered list that goes on after something else is one block with it."""
    found: list[Block] = []
    for block in _single_blocks(text):
        former = next((at for at in reversed(range(len(found))) if _goes_on(found[at].numbers, block.numbers)), None)
        if former is not None and block.numbers and (numbers := found[former].numbers):
            found[former:] = [Block(found[former].start, block.end, (numbers[0], block.numbers[1]))]
        else:
            found.append(block)
    return found


def _goes_on(before: tuple[int, int] | None, after: tuple[int, int] | None) -> bool:
    return before is not None and after is not None and after[0] == before[1] + 1


def _single_blocks(text: str) -> Iterator[Block]:
    lines = list(_lines(text))
    lead: int | None = None
    at = 0
    while at < len(lines):
        start, line = lines[at]
        after, numbers = at + 1, None
        block = True
        if not line.strip():
            at += 1
            continue
        if fence := _FENCE.match(line):
            after = _after_fence(lines, at, fence[1])
        elif _is_table(lines, at):
            while after < len(lines) and "|" in lines[after][1]:
                after += 1
        elif _ITEM.match(line):
            after = _after_list(lines, at)
            numbers = _numbers(line for _, line in lines[at:after])
        else:
            block = False
            while after < len(lines) and not _begins(lines, after):
                after += 1
        start += len(line) - len(line.lstrip())
        end = start + len(text[start : lines[after][0] if after < len(lines) else len(text)].rstrip())
        if block:
            yield Block(start if lead is None else lead, end, numbers)
        lead = start if not block and text[start:end].endswith(_LEADS_IN) else None
        at = after


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1


def _begins(lines: Sequence[tuple[int, str]], at: int) -> bool:
    """Whether a line ends the paragraph above it."""
    line = lines[at][1]
    return not line.strip() or bool(_FENCE.match(line) or _ITEM.match(line)) or _is_table(lines, at)


def _is_table(lines: Sequence[tuple[int, str]], at: int) -> bool:
    line = lines[at][1]
    below = lines[at + 1][1] if at + 1 < len(lines) else ""
    return line.lstrip().startswith("|") or ("|" in line and "|" in below and "-" in below and _RULE.issuperset(below))


def _after_fence(lines: Sequence[tuple[int, str]], at: int, fence: str) -> int:
    for after in range(at + 1, len(lines)):
        line = lines[after][1].strip()
        if line.startswith(fence) and not line.strip(fence[0]):
            return after + 1
    return len(lines)


def _after_list(lines: Sequence[tuple[int, str]], at: int) -> int:
    """Items, the lines that go on with them, and what is indented below."""
    after = at + 1
    while after < len(lines):
        line = lines[after][1]
        if fence := _FENCE.match(line):
            if not line[0].isspace():
                break
            after = _after_fence(lines, after, fence[1])
        elif line.strip() and not lines[after - 1][1].strip() and not (_ITEM.match(line) or line[0].isspace()):
            break
        else:
            after += 1
    while not lines[after - 1][1].strip():
        after -= 1
    return after


def _numbers(lines: Iterator[str]) -> tuple[int, int] | None:
    """The numbers of the first and the last item that has one."""
    found = [_number(match) for line in lines if (match := _ITEM.match(line)) and match.lastindex]
    return (found[0], found[-1]) if found else None


def _number(match: re.Match[str]) -> int:
    digits = match[1] or match[3]
    return int(digits) if digits else ord(match[2]) - ord("①") + 1
