"""Quote style: chosen spans become the answer, word for word. Knows nothing of how they were chosen (`bot/evidence.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

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
        source_kind=hit.source_kind,
    )


def compose(spans: Sequence[Span]) -> tuple[list[str], tuple[Citation, ...]]:
    """The pieces of the answer's text, in order, and the citations their `[n]` marks name. Repeated quotes are said once.

    A table's rows follow its header row directly, and are marked together below them.
    """
    citations: list[Citation] = []
    for span in spans:
        if all(
            span.hit.text[span.start - span.hit.start : span.end - span.hit.start] != one.quote for one in citations
        ):
            citations.append(cite(len(citations) + 1, span.hit, span.start, span.end))
    pieces: list[str] = []
    for _, group in groupby(
        citations, key=lambda one: (one.chunk_id,) if _is_row(one.quote) else (one.chunk_id, one.n)
    ):
        together = list(group)
        quotes = "\n".join(one.quote for one in together)
        marks = "".join(f"[{one.n}]" for one in together)
        gap = "\n" if pieces else ""
        pieces.append(f"{gap}{quotes}{chr(10) if _is_block(quotes) else ' '}{marks}")
    return pieces, tuple(citations)


def nearest(hits: Sequence[Hit], owners: Mapping[str, str] | None = None) -> tuple[Nearest, ...]:
    """The documents of the best hits, each once; `owners` says by the name of a source whom to ask."""
    found: dict[str, Nearest] = {}
    for hit in hits:
        owner = (owners or {}).get(hit.source, "")
        found.setdefault(hit.document_id, Nearest(hit.document_id, hit.title, hit.address, hit.source_kind, owner))
    return tuple(found.values())[:MOST_NEAREST]


def _is_row(quote: str) -> bool:
    last = quote.rsplit("\n", 1)[-1].strip()
    return last.startswith("|") and last.endswith("|")


def _is_block(quote: str) -> bool:
    """Whether a mark on the last line would spoil it: a fence or a table row."""
    return _is_row(quote) or quote.rsplit("\n", 1)[-1].strip().startswith(("```", "~~~"))
