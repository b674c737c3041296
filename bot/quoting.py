"""Quote style: chosen spans become the answer, word for word. Knows nothing of how they were chosen (`bot/evidence.py`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, zip_longest

from bot import headings
from bot.answers import Citation, Copy, Nearest
from bot.evidence import Span
from bot.headings import Above, Heading
from retrieval.documents import Hit
from retrieval.folding import holds
from retrieval.passages import StoredDocument
from retrieval.terms import content_terms, terms

MOST_NEAREST = 3
"""Documents a refusal names: enough to look into, few enough to read."""
_RULE = re.compile(r"\|(?:[ \t]*:?-+:?[ \t]*\|)+")
"""What stands between a table's header row and its rows."""


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
        dated=hit.dated,
        source_kind=hit.source_kind,
        also=tuple(
            Copy(copy.document_id, copy.title, copy.address, copy.source_kind)
            for copy in hit.also
            if holds(copy.text, quote)
        ),
    )


def answer(spans: Sequence[Span], document: Callable[[str], StoredDocument]) -> tuple[list[str], tuple[Citation, ...]]:
    """As `compose`, with the headings that stand above the spans. `document` is the searcher's; blocking."""
    return compose(spans, headings.above([span.hit for span in spans], document))


def compose(spans: Sequence[Span], above: Above) -> tuple[list[str], tuple[Citation, ...]]:
    """The pieces of the answer's text, in order, and the citations their `[n]` marks name. Repeated quotes are said once.

    What stands `above` a quote and holds a word that the quotes below it do not comes before the first of them, each
    heading on a line of its own and cited as any quote. A table's rows follow its header row directly, and are marked
    together below them.
    """
    told: dict[str, Span] = {}
    for span in spans:
        told.setdefault(_quote(span), span)
    citations: list[Citation] = []
    pieces: list[str] = []
    for _, of_document in groupby(told.values(), key=lambda span: span.hit.document_id):
        quoted = list(of_document)
        wanted = _wanted(quoted, above)
        for block in _blocks(quoted):
            lines = []
            for heading in above.get(block[0].hit.chunk_id, ()):
                if heading in wanted:
                    wanted.discard(heading)
                    citations.append(_cite_heading(len(citations) + 1, block[0].hit, heading))
                    lines.append(f"{heading.text} [{len(citations)}]")
            parted = "\n" if pieces and lines else ""
            marks = ""
            for span in block:
                citations.append(cite(len(citations) + 1, span.hit, span.start, span.end))
                marks += f"[{len(citations)}]"
            quotes = "\n".join(_ruled(block))
            lines.append(f"{quotes}{chr(10) if _is_block(quotes) else ' '}{marks}")
            gap = "\n" if pieces else ""
            pieces.append(gap + parted + "\n".join(lines))
    return pieces, tuple(citations)


def _wanted(quoted: Sequence[Span], above: Above) -> set[Heading]:
    """The headings of one document's quotes that hold a word which neither the quotes below them nor deeper headings hold."""
    said: dict[Heading, set[str]] = {}
    for span in quoted:
        words = set(terms(_quote(span)))
        for heading in reversed(above.get(span.hit.chunk_id, ())):
            said.setdefault(heading, set()).update(words)
            words.update(terms(heading.text))
    return {heading for heading, words in said.items() if not words.issuperset(content_terms(heading.text))}


def _blocks(quoted: Sequence[Span]) -> Iterator[list[Span]]:
    """The spans one by one, the rows of a table together."""
    block: list[Span] = []
    for span in quoted:
        if block and not (_is_row(_quote(span)) and _is_row(_quote(block[-1])) and _in_one_table(block[-1], span)):
            yield block
            block = []
        block.append(span)
    if block:
        yield block


def _ruled(block: Sequence[Span]) -> Iterator[str]:
    """The quotes of a block; a header row with the line of dashes below it, without which nothing shows a table."""
    for span, below in zip_longest(block, block[1:]):
        yield _quote(span)
        rule = span.hit.text[span.end - span.hit.start :].lstrip("\r\n").split("\n", 1)[0].strip()
        if below and below.start > span.end and _RULE.fullmatch(rule):
            yield rule


def _in_one_table(row: Span, below: Span) -> bool:
    """Whether nothing but other rows stands between two rows."""
    if row.hit.chunk_id != below.hit.chunk_id:
        return False
    between = below.hit.text[row.end - row.hit.start : below.start - row.hit.start]
    return all("|" in line for line in between.split("\n")[1:-1])


def _cite_heading(n: int, hit: Hit, heading: Heading) -> Citation:
    return Citation(
        n=n,
        document_id=hit.document_id,
        chunk_id=hit.chunk_id,
        title=hit.title,
        heading=heading.path,
        address=hit.address,
        line=heading.line,
        page=None,  # of a heading nobody knows it: the passage may have begun pages below
        quote=heading.text,
        start=heading.start,
        end=heading.end,
        dated=hit.dated,
        source_kind=hit.source_kind,
    )


def _quote(span: Span) -> str:
    return span.hit.text[span.start - span.hit.start : span.end - span.hit.start]


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
