"""Near-duplicates among hits: one that says what a better one says is told beside it and not once more. Pure.

Knows hits and their texts; no index and no question. A copy stands in the better one sentence by sentence, in one run: texts
that share their words and differ in who does what are two statements, however much alike they look. What contradicts stays
visible.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from retrieval.documents import Hit

MOST_ALSO = 5
"""Other places a hit names: enough to see that it is a copy; a template may stand in thousands of documents."""
_ENDS = re.compile(r"(?<=[.!?]) |(?<=。) ?")
"""Of sentences, where a text has no line breaks any more. A cut too many does no harm: what is left out is at an end."""
_WIDE = re.compile(r"[\uff01-\uffee]+")
"""Wide Latin and narrow kana. All else of NFKC may say another thing: 10² is not 102."""
_KEPT = re.compile(
    r"[\d²³¹⁰-₉¼-¾⅐-⓿]"  # amounts, dates, versions, part numbers
    r"|\w[._/@#-]+\w"  # identifiers
    r"|\b(?:no|not|never|none|nor|neither|without|cannot|except|unless|only)\b|\wn['’]t\b"
    r"|[不非無未禁除]|ない|なく|なけ|なし|ません|まい|ずに|[のをが]みを?除"
)
"""What a sentence that a copy lacks may not hold: it could take back or narrow what the copy says."""


def fold(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """The hits, best first, without those that say what a better one says; that one names their places in `also`.

    Of equal scores the youngest stays, else the first. A text under another heading says another thing.
    """
    kept: list[_Read] = []
    holding: dict[str, list[_Read]] = {}
    for hit in sorted(hits, key=lambda hit: (-hit.score, -(hit.dated or date.min).toordinal())):
        said = _Read(hit)
        # whoever says all of it holds its rarest sentence: of filled-in forms, the one that is held by none
        fewest = min((holding.get(sentence, []) for sentence in said.sentences), key=len)
        same = next((better for better in fewest if better.says(said)), None)
        if same is not None:
            same.copies += (hit, *hit.also)
            continue
        kept.append(said)
        for sentence in said.sentences:
            holding.setdefault(sentence, []).append(said)
    return tuple(said.folded() for said in kept)


def holds(text: str, quote: str) -> bool:
    """Whether a text has the quote in it, but for width, case and white space."""
    return _plain(quote) in _plain(text)


class _Read:
    """A hit, its text and its place as they are compared, and the copies of it that were found."""

    def __init__(self, hit: Hit) -> None:
        self.hit = hit
        self.copies = list(hit.also)
        sentences = [sentence for sentence in _ENDS.split(_plain(hit.text)) if sentence] or [""]
        self.sentences = frozenset(sentences)
        self._lines = "\n".join(("", *sentences, ""))
        self._place = _place(hit)

    def says(self, other: _Read) -> bool:
        """Whether this text says all that the other says, in the same words, and takes nothing of it back."""
        return (
            self._place == other._place
            and other._lines in self._lines
            and not any(map(_KEPT.search, self.sentences - other.sentences))
        )

    def folded(self) -> Hit:
        """The hit, with one place for each other document that says the same."""
        if not self.copies:
            return self.hit
        places = {copy.document_id: copy for copy in self.copies if copy.document_id != self.hit.document_id}
        return replace(self.hit, also=tuple(places.values())[:MOST_ALSO])


def _plain(text: str) -> str:
    narrow = _WIDE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), unicodedata.normalize("NFC", text))
    return " ".join(narrow.casefold().split())


def _place(hit: Hit) -> tuple[str, ...]:
    """The headings a text stands under, without the title: a copy may be called otherwise."""
    title = _plain(hit.title)
    return tuple(plain for heading in hit.heading if (plain := _plain(heading)) != title)
