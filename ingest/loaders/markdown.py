"""Markdown and MDX into a `Document`: its text is the decoded file, line by line, without what its readers do not see."""

from __future__ import annotations

from itertools import pairwise

from ingest.decoding import decode
from ingest.loaders.commonmark import blocks, inline
from ingest.loaders.front_matter import front_matter_day, front_matter_end, front_matter_title
from ingest.loaders.hidden import without_comments, without_components
from ingest.loaders.writer import HeadingPath, one_line, visible
from retrieval.documents import Document, Mark
from retrieval.language import language


def load(stem: str, data: bytes, suffix: str = ".md") -> Document:
    """Parse a Markdown file (".mdx": with components). Title: the front matter's, the first heading of level 1, or `stem`."""
    text = visible(decode(data))
    body = front_matter_end(text)
    shown = without_components(text[body:]) if suffix == ".mdx" else text[body:]
    text = text[:body] + without_comments(shown)
    headings = _headings(text)
    first = next((heading for _, level, heading in headings if level == 1), "")
    path = HeadingPath()
    return Document(
        title=one_line(front_matter_title(text)) or first or stem,
        text=text,
        language=language(text[body:]),
        marks=tuple(Mark(start, path.enter(level, heading)) for start, level, heading in headings),
        dated=front_matter_day(text),
    )


def _headings(text: str) -> list[tuple[int, int, str]]:
    """Offset, level and plain text of each heading outside quotes, lists and fences."""
    body = front_matter_end(text)
    starts = [body]
    for line in text[body:].split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    headings = []
    for token, content in pairwise(blocks(text[body:])):
        if token.type == "heading_open" and token.level == 0 and token.map:
            parts = [part for part in inline(content.content) if _shown(part.type)]
            heading = one_line("".join(" " if "break" in part.type else part.content for part in parts))
            if heading:
                headings.append((starts[token.map[0]], int(token.tag[1:]), heading))
    return headings


def _shown(kind: str) -> bool:
    return kind in {"text", "code_inline", "image", "softbreak", "hardbreak", "text_special"}
