"""Hits widened to the whole list, table, procedure or code block that a border between chunks cut, and to short sections. Pure.

Small chunks are found best; what is read must be whole. Knows no index and no question.
Sizes are weights: a Latin character counts 1, a wide one 2.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace

from retrieval.blocks import blocks, is_piece
from retrieval.documents import Around, Chunk, Hit

MOST = 4800
"""Weight a hit may be widened to: two of the longest passages of prose, so that several hits still fit a small context."""
SECTION = 1200
"""Weight up to which a section is read whole, if several of its chunks were found or the one found says hardly anything."""
_TINY = 80
"""Weight of a chunk that says hardly anything."""


def wanted(hits: Sequence[Hit]) -> list[str]:
    """The chunks (by id) whose surroundings `widen` may need: those that look like a piece of something."""
    together = _together(hits)
    return [hit.chunk_id for hit in hits if hit.chunk_id in together or len(hit.text) < _TINY or is_piece(hit.text)]


def widen(hits: Sequence[Hit], around: Mapping[str, Around], k: int) -> tuple[Hit, ...]:
    """The first `k` hits in their order, each as wide as it has to be; one that overlaps a widened one before it is part of it.

    `around` is by chunk id. A hit keeps its scores and its chunk's id; its `core` says what was found.
    """
    several = _together(hits[:k])
    wide = [
        _widened(hit, around[hit.chunk_id], several=hit.chunk_id in several) if hit.chunk_id in around else hit
        for hit in hits
    ]
    kept: list[Hit] = []
    for hit in wide:
        place = next((at for at, one in enumerate(kept) if _overlap(one, hit)), None)
        if place is None:
            kept.append(hit)
        else:
            kept[place] = _united(kept[place], hit)
    return tuple(kept[:k])


def narrowed(hit: Hit) -> Hit:
    """The hit as it was found, before it was widened."""
    if hit.core is None:
        return hit
    start, end = hit.core
    before = hit.text[: start - hit.start]
    return replace(
        hit,
        start=start,
        end=end,
        line=hit.line + before.count("\n"),
        text=hit.text[start - hit.start : end - hit.start],
        core=None,
    )


def _together(hits: Sequence[Hit]) -> set[str]:
    """The chunks (by id) that may stand in one short section with others of them."""
    found: dict[tuple[str, tuple[str, ...]], list[Hit]] = {}
    for hit in hits:
        found.setdefault((hit.document_id, hit.heading), []).append(hit)
    return {
        hit.chunk_id
        for group in found.values()
        if len(group) > 1 and max(hit.end for hit in group) - min(hit.start for hit in group) <= SECTION
        for hit in group
    }


def _widened(hit: Hit, around: Around, *, several: bool) -> Hit:
    own = next((at for at, chunk in enumerate(around.chunks) if chunk.start == hit.start), None)
    if own is None:
        return hit
    # 1. A short section, whole; what says hardly anything and stands alone leads in to the sections below it.
    run = _run(around.chunks, own)
    alone = len(run) == 1 and _weight(hit.text) < _TINY
    whole = _run(around.chunks, own, below=True) if alone else run
    if (several or alone) and _fits(around, whole[0].start, whole[-1].end, SECTION):
        return _reaching(hit, around, whole[0].start, whole[-1].end)
    # 2. What a border between chunks cut.
    first = next(chunk.start for chunk in run if chunk.start >= around.start)
    last = min(run[-1].end, around.start + len(around.text))
    start, end = hit.start, hit.end
    for block in blocks(around.text[first - around.start : last - around.start]):
        block_start, block_end = first + block.start, first + block.end
        cut = block_start < end and start < block_end and not (start <= block_start and block_end <= end)
        if cut and _fits(around, min(start, block_start), max(end, block_end), MOST):
            start, end = min(start, block_start), max(end, block_end)
    return _reaching(hit, around, start, end)


def _run(chunks: Sequence[Chunk], own: int, *, below: bool = False) -> Sequence[Chunk]:
    """The neighbours under the same heading; `below`: or under one that stands below it."""
    heading = chunks[own].heading

    def together(chunk: Chunk) -> bool:
        return chunk.heading == heading or (below and chunk.heading[: len(heading)] == heading)

    first, after = own, own + 1
    while first > 0 and together(chunks[first - 1]):
        first -= 1
    while after < len(chunks) and together(chunks[after]):
        after += 1
    return chunks[first:after]


def _fits(around: Around, start: int, end: int, most: int) -> bool:
    inside = around.start <= start and end <= around.start + len(around.text)
    return inside and _weight(around.text[start - around.start : end - around.start]) <= most


def _reaching(hit: Hit, around: Around, start: int, end: int) -> Hit:
    if (start, end) == (hit.start, hit.end):
        return hit
    before = around.text[start - around.start : hit.start - around.start]
    page = next((chunk.page for chunk in reversed(around.chunks) if chunk.start <= start), hit.page)
    return replace(
        hit,
        start=start,
        end=end,
        line=hit.line - before.count("\n"),
        page=page,
        text=around.text[start - around.start : end - around.start],
        core=(hit.start, hit.end),
    )


def _overlap(better: Hit, hit: Hit) -> bool:
    """Whether the second is (nearly) said by the first, as one of them was widened."""
    if better.document_id != hit.document_id or (better.core is None and hit.core is None):
        return False
    meet = better.start < hit.end and hit.start < better.end
    return meet and max(better.end, hit.end) - min(better.start, hit.start) <= MOST


def _united(better: Hit, hit: Hit) -> Hit:
    """The better one, as far as both reach."""
    copies = {copy.document_id: copy for copy in (*better.also, *hit.also)}
    if hit.start < better.start:
        text, line, page = hit.text[: better.start - hit.start] + better.text, hit.line, hit.page
    else:
        text, line, page = better.text, better.line, better.page
    start = min(better.start, hit.start)
    if hit.end > better.end:
        text += hit.text[better.end - hit.start :]
    return replace(
        better,
        start=start,
        end=max(better.end, hit.end),
        line=line,
        page=page,
        text=text,
        core=better.core or (better.start, better.end),
        also=tuple(copies.values()),
    )


def _weight(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
