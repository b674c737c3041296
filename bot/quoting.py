"""Quote style: chosen spans become the answer, word for word. Knows nothing of how they were chosen (`bot/evidence.py`)."""

from __future__ import annotations

from collections.abc import Sequence

from bot.answers import Citation, Nearest
from bot.evidence import Span
from retrieval.documents import Hit

MOST_NEAREST = 3
"""Documents a refusal names: enough to look into, few enough to read."""


def cite(n: int, hit: Hit, start: int, end: int) -> Citation:
    """The citation of the document's text from `start` to `end`, which must lie within the hit."""
    if not hit.start <= start < end <= hit.end:
        raise ValueError(f"the span {start}-{end} is not within the passage {hit.start}-{hit.end}")
    quote = hit.text[start - hit.start : end - hit.start]
    line = hit.line + hit.text.count("\n", 0, start - hit.start)
    return Citation(
        n=n,
        document_id=hit.document_id,
        chunk_id=hit.chunk_id,
        title=hit.title,
        heading=hit.heading,
        address=hit.address,
        line=line,
        page=hit.page,
        quote=quote,
        start=start,
        end=end,
    )


def compose(spans: Sequence[Span]) -> tuple[list[str], tuple[Citation, ...]]:
    """The pieces of the answer's text, in order, and the citations their `[n]` marks name. Repeated quotes are said once."""
    pieces: list[str] = []
    citations: list[Citation] = []
    for span in spans:
        citation = cite(len(citations) + 1, span.hit, span.start, span.end)
        if any(citation.quote == earlier.quote for earlier in citations):
            continue
        citations.append(citation)
        gap = "\n" if pieces else ""
        mark_gap = "\n" if _is_block(citation.quote) else " "
        pieces.append(f"{gap}{citation.quote}{mark_gap}[{citation.n}]")
    return pieces, tuple(citations)


def nearest(hits: Sequence[Hit]) -> tuple[Nearest, ...]:
    """The documents of the best hits, each once."""
    found: dict[str, Nearest] = {}
    for hit in hits:
        found.setdefault(hit.document_id, Nearest(hit.document_id, hit.title, hit.address))
    return tuple(found.values())[:MOST_NEAREST]


def _is_block(quote: str) -> bool:
    """Whether a mark on the last line would spoil it: a fence or a table row."""
    last = quote.rsplit("\n", 1)[-1].strip()
    return last.startswith(("```", "~~~")) or last.endswith("|")
