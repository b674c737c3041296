"""Checks generated prose against the passages it was made from: a sentence no passage says is not shown. Pure.

A sentence counts as said by a passage if one of the passage's units (a sentence, table row, list item or code block) holds
its words (`bot/wording.py`) and agrees with it in what must not change (`bot/agreement.py`). The citation is that unit:
resolved here, never taken from the model's word. A sentence that comes near a unit without agreeing gives way to the unit,
word for word. Nothing is said that could come alive on a screen, and nothing on the word of a unit that gives orders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bot import phrases
from bot.agreement import difference
from bot.answers import Citation
from bot.evidence import Span
from bot.prompting import NOT_THERE
from bot.quoting import cite
from bot.sentences import Unit, units
from bot.untrusted import gives_orders, live
from bot.wording import says_less, says_more
from retrieval.documents import Hit
from retrieval.language import language
from retrieval.terms import content_terms, terms

MARK = re.compile(r"\s*\[(\d{1,2})\]")
_NUMBER = re.compile(r"\d")
_SENTENCE_END = re.compile(r"[.!?][\"')\]]?(?:\s*\[\d{1,2}\])*(?=\s|$)|[。！？](?:\s*\[\d{1,2}\])*|\n+")

SUPPORTED = 0.6
"""The share of a sentence's term weight that one unit must hold to be what it was made from."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of the model's prose, without marks, and the passages (1-based) it named."""

    text: str
    named: tuple[int, ...]


class SentenceStream:
    """Cuts streamed prose into claims as soon as each is whole."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, piece: str) -> Iterator[Claim]:
        """Take a piece; yield the claims it completes. A mark that may still follow a sentence is waited for."""
        self._rest += piece
        while (end := self._end()) is not None:
            whole, self._rest = self._rest[:end], self._rest[end:]
            yield from self._claim(whole)

    def finish(self) -> Iterator[Claim]:
        """Yield what is left."""
        whole, self._rest = self._rest, ""
        yield from self._claim(whole)

    def _end(self) -> int | None:
        for found in _SENTENCE_END.finditer(self._rest):
            after = self._rest[found.end() :].lstrip()
            if after and not after.startswith("["):
                return found.end()
            if after.startswith("[") and re.match(r"\[\d{0,2}$", after) is None and not MARK.match(after):
                return found.end()
        return None

    @staticmethod
    def _claim(whole: str) -> Iterator[Claim]:
        named = tuple(int(mark) for mark in MARK.findall(whole))
        said = MARK.sub("", whole).strip()
        if said:
            yield Claim(said, named)


def support(claim: Claim, passages: Sequence[Hit], rarity: Callable[[str], float]) -> Span | None:
    """The unit that says it, or None. The passages it named are looked at first, then all."""
    return _Passages(passages, rarity).said_by(claim)


@dataclass(frozen=True, slots=True)
class _Source:
    """A unit of a passage that a sentence may have been made from."""

    hit: Hit
    unit: Unit
    text: str
    terms: frozenset[str]


class _Passages:
    """The units of the passages, read once; those that give orders to whoever answers are left out."""

    def __init__(self, hits: Sequence[Hit], rarity: Callable[[str], float]) -> None:
        self._hits = hits
        self._rarity = rarity
        self._read: dict[int, list[_Source]] = {}

    def said_by(self, claim: Claim) -> Span | None:
        """The unit that holds most of it, of those that say it."""
        return None if live(claim.text) else self._best(claim, lambda source: self._says(claim.text, source))

    def nearest(self, claim: Claim) -> Span | None:
        """The sentence that holds most of it, fit to stand in its place."""
        return self._best(claim, lambda source: source.unit.kind in {"sentence", "item"} and not live(source.text))

    def _best(self, claim: Claim, fits: Callable[[_Source], bool]) -> Span | None:
        wanted = set(content_terms(claim.text))
        weight = sum(map(self._rarity, wanted))
        if weight <= 0 or wanted <= _numbers(claim.text):
            return None  # nothing is said: a list's number, a lone amount
        named = [n - 1 for n in claim.named if 1 <= n <= len(self._hits)]
        for group in (named, [at for at in range(len(self._hits)) if at not in named]):
            best: Span | None = None
            for source in (source for at in group for source in self._sources(at)):
                held = sum(map(self._rarity, wanted & source.terms)) / weight
                if held >= SUPPORTED and (best is None or held > best.score) and fits(source):
                    start = source.hit.start + source.unit.start
                    best = Span(source.hit, start, start + len(source.text), held)
            if best is not None:
                return best
        return None

    def _sources(self, at: int) -> list[_Source]:
        if at not in self._read:
            hit = self._hits[at]
            pieces = [(unit, hit.text[unit.start : unit.end]) for unit in units(hit.text, hit.language)]
            self._read[at] = [
                _Source(hit, unit, text, frozenset(terms(text))) for unit, text in pieces if not gives_orders(text)
            ]
        return self._read[at]

    def _says(self, claim: str, source: _Source) -> bool:
        hit, context = source.hit, source.unit.context
        about = "\n".join((hit.title, *hit.heading, hit.text[slice(*context)] if context else ""))
        return not (
            difference(claim, source.text, about)
            or says_more(claim, source.text, about)
            or says_less(claim, source.text, self._rarity)
        )


class GroundedProse:
    """Takes the model's prose as it streams, and gives back what the passages say of it, marked with `[n]`.

    `spoken` is the language of the question ("ja", "en"): a sentence in another is not told, but the quote in its place;
    "" where it cannot be told, and for any.
    """

    def __init__(self, passages: Sequence[Hit], rarity: Callable[[str], float], spoken: str = "") -> None:
        self.text = ""
        self.citations: list[Citation] = []
        self.removed: list[str] = []
        """Sentences that no passage says, or not in the question's language, for the trace: nobody was shown them."""
        self._hits = passages
        self._passages = _Passages(passages, rarity)
        self._spoken = spoken
        self._sentences = SentenceStream()
        self._said: set[str] = set()
        self._declined = False

    @property
    def declined(self) -> bool:
        """Whether the model says that the passages do not answer. Not believed where a passage may have told it to."""
        return self._declined and not any(gives_orders(hit.text) for hit in self._hits)

    def feed(self, piece: str) -> Iterator[str]:
        """Take a piece of prose; yield the pieces of text that are certain now."""
        for claim in self._sentences.feed(piece):
            yield from self._take(claim)

    def finish(self) -> Iterator[str]:
        """Yield what is left."""
        for claim in self._sentences.finish():
            yield from self._take(claim)

    def _take(self, claim: Claim) -> Iterator[str]:
        self._declined = self._declined or NOT_THERE in claim.text
        if claim.text in self._said:
            return  # small models repeat themselves
        self._said.add(claim.text)
        foreign = self._spoken and language(claim.text) not in {"", self._spoken}
        if not foreign and (span := self._passages.said_by(claim)) is not None:
            yield self._tell(claim.text, self._cited(span)[0])
            return
        self.removed.append(claim.text)
        if (near := self._passages.nearest(claim)) is not None:
            citation, is_new = self._cited(near)
            if is_new:
                self._said.add(citation.quote)
                yield self._tell(phrases.quoted(citation.quote, near.hit.language), citation)

    def _cited(self, span: Span) -> tuple[Citation, bool]:
        """The citation of a span, and whether it is cited for the first time."""
        known = (c for c in self.citations if (c.chunk_id, c.start, c.end) == (span.hit.chunk_id, span.start, span.end))
        if (citation := next(known, None)) is not None:
            return citation, False
        citation = cite(len(self.citations) + 1, span.hit, span.start, span.end)
        self.citations.append(citation)
        return citation, True

    def _tell(self, said: str, citation: Citation) -> str:
        piece = f"{' ' if self.text else ''}{said} [{citation.n}]"
        self.text += piece
        return piece


def _numbers(text: str) -> set[str]:
    return {term for term in terms(text) if _NUMBER.search(term)}
