"""What Markdown and MDX hold that no reader of the page sees, taken out: comments, scripts, imports, component tags.

Hidden text must not give orders to a model. Line ends stay, so that line numbers are those of the file. Fences and code
spans are shown to readers and stay untouched.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ingest.loaders.commonmark import blocks

_TRACES = re.compile(r"<!--|<script|<style|\]:\s*(?:#|<>)", re.IGNORECASE)
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
