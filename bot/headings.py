"""The title and headings that stand above a passage, found in its document's text. Knows no question and no answer's style.

A hit names its headings; where they stand is read from the text of the document when an answer is made: only those of the
few passages that are quoted are wanted, and an index needs no new column for it. A heading that does not stand in the text
(a title of the file's properties, a sheet's name) is not found, and no harm is done: citations name it anyway.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bot.untrusted import gives_orders
from retrieval.documents import Hit
from retrieval.errors import NotFound
from retrieval.passages import StoredDocument

_MARKS = re.compile(r"[ \t]*#{0,6}[ \t]*")
"""What may make a heading of the line behind it."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Heading:
    """`text` is the document's text from `start` to `end` (characters), without the marks of a heading; `line` is 1-based.

    `path` are the names of the headings above it.
    """

    path: tuple[str, ...]
    text: str
    start: int
    end: int
    line: int


Above = Mapping[str, tuple[Heading, ...]]
"""By the id of a chunk, what stands above it, outermost first."""


def above(hits: Iterable[Hit], document: Callable[[str], StoredDocument]) -> Above:
    """The headings of passages. `document` gives a document by its id, or raises NotFound if it is gone."""
    texts: dict[str, str] = {}
    found: dict[str, tuple[Heading, ...]] = {}
    for hit in hits:
        if hit.document_id not in texts:
            try:
                texts[hit.document_id] = document(hit.document_id).text
            except NotFound:  # removed since it was searched: its quotes stand without
                texts[hit.document_id] = ""
        if hit.chunk_id not in found:
            found[hit.chunk_id] = standing_above(hit, texts[hit.document_id])
    return found


def standing_above(hit: Hit, text: str) -> tuple[Heading, ...]:
    """Title and headings of a hit where they stand in its document's text, outermost first.

    None if the hit does not stand at its place there: the text is of another version. One that gives orders to whoever
    answers is left out.
    """
    if text[hit.start : hit.end] != hit.text:
        return ()
    found: list[Heading] = []
    end = hit.start
    for depth in reversed(range(len(hit.heading))):
        if heading := _last(hit.heading[: depth + 1], text, end):
            found.append(heading)
            end = heading.start
    title = _first_line(text)
    if title and title.end <= end and _words(title.text) == _words(hit.title):
        found.append(title)
    return tuple(one for one in reversed(found) if not gives_orders(one.text))


def _last(path: tuple[str, ...], text: str, end: int) -> Heading | None:
    """The last line before `end` that says what a path ends with and nothing else, whatever marks stand in it."""
    wanted = _words(path[-1])
    if not wanted:
        return None
    rarest = max(wanted, key=len)
    at = text.rfind(rarest, 0, end)
    while at >= 0:
        start = text.rfind("\n", 0, at) + 1
        begins, ends = _bare(text, start)
        if ends <= end and _words(text[begins:ends]) == wanted:
            return _heading(text, begins, ends, path[:-1])
        at = text.rfind(rarest, 0, start)
    return None


def _first_line(text: str) -> Heading | None:
    """The first line with a word."""
    word = _WORD.search(text)
    return _heading(text, *_bare(text, text.rfind("\n", 0, word.start()) + 1), ()) if word else None


def _bare(text: str, start: int) -> tuple[int, int]:
    """The range of the line that begins at `start`, without the marks of a heading before and behind it."""
    end = text.find("\n", start)
    line = text[start : end if end >= 0 else len(text)]
    opening = _MARKS.match(line)
    begins = opening.end() if opening else 0
    said = line[begins:].rstrip(" \t")
    if (open_ended := said.rstrip("#")).endswith((" ", "\t")):
        said = open_ended.rstrip(" \t")
    return start + begins, start + begins + len(said)


def _heading(text: str, begins: int, ends: int, path: tuple[str, ...]) -> Heading:
    return Heading(path, text[begins:ends], begins, ends, text.count("\n", 0, begins) + 1)


def _words(text: str) -> list[str]:
    return _WORD.findall(text)
