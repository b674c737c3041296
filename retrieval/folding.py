"""Near-duplicates among hits: one that says what a better one says is told beside it and not once more. Pure.

Knows hits and their words; no index and no question. Texts that differ in a number, an identifier, a denial, or in any word
the better one lacks are two statements, however much alike they look: a copy that contradicts stays visible.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from retrieval.documents import Hit
from retrieval.terms import terms

ALIKE = 0.9
"""Share of a text's shingles that the better one must hold: a sentence more or less in a page, not another page."""
SHINGLE = 3
"""Terms in a row."""
MOST_ALSO = 5
"""Other places a hit names: enough to see that it is a copy; a template may stand in thousands of documents."""
_TOLD = 20
"""Characters of a sentence that two texts must share before they are compared word by word."""
_ENDS = re.compile(r"[.!?。！？] ?| [-*|] ")
"""Of sentences, list items and cells, where a text has no line breaks any more."""
_KEPT = re.compile(
    r"[\w.,:/@#+-]*\d[\w.,:/@#%+-]*"  # amounts, dates, versions, part numbers
    r"|\w+(?:[._/@#-]+\w+)+"  # identifiers as written
    r"|\b(?:no|not|never|none|nor|neither|without|cannot|except|unless|only)\b|\w+n['’]t\b"
    r"|[不非無未禁除]|ない|なく|なけ|なし|ません|まい|ずに|[のをが]みを?除"
)
"""What must be the same in the same surroundings, in a text of NFKC and case folded."""
_AROUND = 8
"""Characters of the surroundings, on either side."""


def fold(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """The hits, best first, without those that say what a better one says; that one names their places in `also`.

    Of equal scores the youngest stays, else the first. A text under another heading says another thing.
    """
    kept: list[_Read] = []
    holding: dict[str, list[_Read]] = {}
    for hit in sorted(hits, key=lambda hit: (-hit.score, -(hit.dated or date.min).toordinal())):
        said = _Read(hit)
        told = {id(better): better for piece in said.pieces for better in holding.get(piece, ())}
        same = next((better for better in told.values() if better.says(said)), None)
        if same is not None:
            same.copies.append(hit)
            continue
        kept.append(said)
        for piece in said.pieces:
            holding.setdefault(piece, []).append(said)
    return tuple(said.folded() for said in kept)


def holds(text: str, quote: str) -> bool:
    """Whether a text has the quote in it, but for width, case and white space."""
    return _plain(quote) in _plain(text)


class _Read:
    """A hit, its text read as far as it is needed, and the copies of it that were found."""

    def __init__(self, hit: Hit) -> None:
        self.hit = hit
        self.copies = list(hit.also)
        self._plain = _plain(hit.text)
        self.pieces = {piece for piece in _ENDS.split(self._plain) if len(piece) >= _TOLD} or {self._plain}
        self._terms: list[str] | None = None

    def says(self, other: _Read) -> bool:
        """Whether this text says all that the other says, in the same words."""
        if _place(self.hit) != _place(other.hit):
            return False
        if self._plain == other._plain:
            return True
        if _kept(self._plain) != _kept(other._plain) or not set(other.terms) <= set(self.terms):
            return False
        theirs = _shingles(other.terms)
        return bool(theirs) and len(theirs & _shingles(self.terms)) >= ALIKE * len(theirs)

    @property
    def terms(self) -> list[str]:
        """The terms of the text, cut when they are first asked for: most texts look like no other."""
        if self._terms is None:
            self._terms = terms(self.hit.text)
        return self._terms

    def folded(self) -> Hit:
        """The hit, with one place for each other document that says the same."""
        if not self.copies:
            return self.hit
        places = {copy.document_id: copy for copy in self.copies if copy.document_id != self.hit.document_id}
        return replace(self.hit, also=tuple(places.values())[:MOST_ALSO])


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _place(hit: Hit) -> tuple[str, ...]:
    """The headings a text stands under, without the title: a copy may be called otherwise."""
    title = _plain(hit.title)
    return tuple(plain for heading in hit.heading if (plain := _plain(heading)) != title)


def _kept(plain: str) -> list[tuple[str, str, str]]:
    """What may not differ, with its surroundings, in the order of the text."""
    return [
        (plain[max(0, match.start() - _AROUND) : match.start()], match[0], plain[match.end() : match.end() + _AROUND])
        for match in _KEPT.finditer(plain)
    ]


def _shingles(found: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(found[at : at + SHINGLE]) for at in range(len(found) - SHINGLE + 1)}
