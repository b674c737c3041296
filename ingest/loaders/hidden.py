"""What Markdown and MDX hold that no reader of the page sees, taken out: comments, scripts, hidden elements, imports, tags.

Hidden text must not give orders to a model. Line ends stay, so that line numbers are those of the file. Fences and code
spans are shown to readers and stay untouched.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

from ingest.loaders.commonmark import blocks
from ingest.loaders.styles import hides, writes_white

_TRACES = re.compile(r"<!--|<script|<style|\]:\s*(?:#|<>)", re.IGNORECASE)
_ELEMENT = re.compile(
    r"<(?P<end>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]*)(?P<said>(?:[^<>\"'`]++|\"[^\"<>]*+\"|'[^'<>]*+')*+)>"
)
_STYLE = re.compile(r"\bstyle\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_HIDES = re.compile(r"\s(?:hidden(?=[\s/=]|$)|aria-hidden\s*=\s*[\"']?true)", re.IGNORECASE)
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_COMMENT_END = "-->"
_HIDDEN_START = re.compile(r"<!--|<(script|style)\b", re.IGNORECASE)
_INLINE_SIGN = re.compile(r"(?<!\\)(`+)|<!--")
_REFERENCE_COMMENT = re.compile(r" {0,3}\[[^\]\n]{1,200}\]:[ \t]*(?:#|<>)(?:[ \t].*)?")
"""`[//]: # (text)`: a reference to nothing, which writers of Markdown use as a comment."""

_FENCE = re.compile(r"\s*(?:[-*+>]\s+)*(`{3,}|~{3,})")
_MODULE_LINE = re.compile(
    r"(?:import|export)\s(?:.*\sfrom\s*['\"]|['\"{*]|(?:const|let|var|function|default|async|type)\b)"
)
_JSX = re.compile(
    r"(`++)(?:(?!\1)[^\n])*+\1"  # a code span, which stays
    r"|\{/\*(?:[^*{]|\*(?!/)|\{(?!/\*))*+\*/\}"
    r"|</?(?:[A-Z][\w.]*+(?:[^<>{}\"']++|\"[^\"\n]*+\"|'[^'\n]*+'"
    r"|\{(?:[^{}]++|\{(?:[^{}]++|\{[^{}]*+\})*+\})*+\})*+)?>"
)


def without_comments(text: str) -> str:
    """Markdown without what is hidden from its readers."""
    text = _without_hidden_elements(text)
    if not _TRACES.search(text):
        return text
    lines = text.split("\n")
    shown: set[int] = set()
    for token in blocks(text):
        if token.map is None or token.type not in ("fence", "code_block", "html_block", "inline"):
            continue
        first, last = token.map
        shown.update(range(first, last))
        if token.type in ("html_block", "inline"):
            clean: Callable[[str], str] = _block_cleaned if token.type == "html_block" else _inline_cleaned
            lines[first:last] = clean("\n".join(lines[first:last])).split("\n")
    for number, line in enumerate(lines):
        if number not in shown and _REFERENCE_COMMENT.fullmatch(line):
            lines[number] = ""
    return "\n".join(lines)


def _block_cleaned(block: str) -> str:
    """A block of HTML without comments, scripts and styles; one that never ends goes on to the end of the block."""
    kept, at = [], 0
    while start := _HIDDEN_START.search(block, at):
        ending = re.compile(rf"</{start[1]}\s*>" if start[1] else _COMMENT_END, re.IGNORECASE)
        end = ending.search(block, start.end())
        after = end.end() if end else len(block)
        kept += [block[at : start.start()], "\n" * block.count("\n", start.start(), after)]
        at = after
    return "".join([*kept, block[at:]])


def _inline_cleaned(text: str) -> str:
    """A paragraph without the comments outside its code spans; one that never ends is shown, and stays."""
    signs = list(_INLINE_SIGN.finditer(text))
    closing: dict[int, int] = {}  # for each run of backticks, where the next of the same length ends
    last: dict[str, int] = {}
    for sign in reversed(signs):
        if sign[1]:
            closing[sign.start()] = last.get(sign[1], 0)
            last[sign[1]] = sign.end()
    kept, at, ended = [], 0, text.rfind(_COMMENT_END)
    for sign in signs:
        if sign.start() < at:
            continue
        if sign[1]:
            after = max(closing[sign.start()], sign.end())
            kept.append(text[at:after])
        elif sign.end() <= ended:
            after = text.index(_COMMENT_END, sign.end()) + len(_COMMENT_END)
            kept += [text[at : sign.start()], "\n" * text.count("\n", sign.start(), after)]
        else:
            break
        at = after
    return "".join([*kept, text[at:]])


def _without_hidden_elements(text: str) -> str:
    """The text without elements of HTML that their own attributes hide, those in code excepted.

    One that is never closed hides what is left of its paragraph.
    """
    elements = [found for found in _ELEMENT.finditer(text) if found["name"].lower() not in _VOID]
    if not any(_is_hidden(found) for found in elements):
        return text
    code = _code_ranges(text)
    elements = [found for found in elements if not _within(code, found.start())]
    closed = {found["name"].lower(): found.end() for found in elements if found["end"]}
    kept, at, inside, depth, began = [], 0, "", 0, 0
    for found in elements:
        name = found["name"].lower()
        if found.start() < at:
            continue
        if inside:
            depth += (name == inside) * (-1 if found["end"] else 1)
            if depth and found.end() != closed[inside]:
                continue
            kept += [text[at:began], "\n" * text.count("\n", began, found.end())]
            at, inside = found.end(), ""
        elif not found["end"] and _is_hidden(found):
            began = found.start()
            if closed.get(name, 0) > began:
                inside, depth = name, 1
            else:
                ending = text.find("\n\n", began)
                after = len(text) if ending < 0 else ending
                kept += [text[at:began], "\n" * text.count("\n", began, after)]
                at = after
    return "".join([*kept, text[at:]])


def _is_hidden(element: re.Match[str]) -> bool:
    style = _STYLE.search(element["said"])
    written = (style[1] or style[2] or "") if style else ""
    return _HIDES.search(element["said"]) is not None or hides(written) or writes_white(written)


def _code_ranges(text: str) -> list[tuple[int, int]]:
    """Where fences, indented code and code spans stand, ascending."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    fenced = [
        (starts[token.map[0]], starts[token.map[1]])
        for token in blocks(text)
        if token.map is not None and token.type in ("fence", "code_block")
    ]
    spans = [found.span() for found in re.finditer(r"(`++)(?:(?!\1)[^\n])*+\1", text)]
    return sorted(fenced + spans)


def _within(ranges: list[tuple[int, int]], place: int) -> bool:
    before = bisect_right(ranges, (place, place)) - 1
    return any(start <= place < end for start, end in ranges[max(0, before - 1) : before + 2])


def without_components(text: str) -> str:
    """MDX without its imports, exports, comments and component tags; the text inside components stays."""
    parts: list[str] = []
    open_lines: list[str] = []
    fence = ""
    module = False  # inside an import or export, which goes on to the next blank line

    def close() -> None:
        if open_lines:
            parts.append(_JSX.sub(_kept, "\n".join(open_lines)))
            open_lines.clear()

    for line in text.split("\n"):
        found = _FENCE.match(line)
        if fence:
            parts.append(line)
            if found and found[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif found and not module:
            close()
            fence = found[1]
            parts.append(line)
        else:
            module = bool(line.strip()) and (module or _MODULE_LINE.match(line) is not None)
            open_lines.append("" if module else line)
    close()
    return "\n".join(parts)


def _kept(match: re.Match[str]) -> str:
    return match[0] if match[1] else "\n" * match[0].count("\n")
