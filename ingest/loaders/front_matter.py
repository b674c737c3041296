"""The block of settings some Markdown files begin with, between lines of three hyphens. Knows no YAML beyond `title:`."""

from __future__ import annotations

import re

_BLOCK = re.compile(
    r"---[ \t]*\n((?>(?:[\w.-]+[ \t]*:|[ \t]*#|[ \t]+|- |[ \t]*$).*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.MULTILINE
)
_TITLE = re.compile(r"^title[ \t]*:[ \t]*(.+?)[ \t]*$", re.MULTILINE)


def front_matter_end(text: str) -> int:
    """Offset behind the front matter; 0 if the text does not begin with one."""
    block = _BLOCK.match(text)
    return block.end() if block and ":" in block[1] else 0


def front_matter_title(text: str) -> str:
    """The value of `title:` in the front matter, unquoted; "" if there is none."""
    block = _BLOCK.match(text)
    title = _TITLE.search(block[1]) if block else None
    return title[1].strip().strip("\"'").strip() if title else ""
