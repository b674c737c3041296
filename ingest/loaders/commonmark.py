"""The one CommonMark parser of the loaders: the blocks of a text, and the inline parts of a line. Knows no document."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token


def blocks(text: str) -> list[Token]:
    """The blocks of a text, whose inline parts are not looked into: that would cost most of the time."""
    return _parser(only="block").parse(text)


def inline(line: str) -> list[Token]:
    """The inline parts of a heading or paragraph."""
    return _parser(only="").parseInline(line)[0].children or []


@cache
def _parser(only: str) -> MarkdownIt:
    """Made once: it takes longer than to parse a short document."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark")
    if only:
        parser.core.ruler.enableOnly([only])
    parser.parse("")  # compiles its rules, before another thread may use it
    return parser
