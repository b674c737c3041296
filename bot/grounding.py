"""Checks generated prose against the passages it was made from: a sentence no passage says is not shown. Pure.

A sentence counts as said by a passage if one of the passage's units (a sentence, table row, list item or code block) holds
most of its weight in terms, and agrees with it in what must not change (`bot/agreement.py`). The citation is that unit:
resolved here, never taken from the model's word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bot.agreement import difference
from bot.answers import Citation
from bot.evidence import Span
from bot.prompting import NOT_THERE
from bot.quoting import cite
from bot.sentences import units
from retrieval.documents import Hit
from retrieval.terms import content_terms, terms

MARK = re.compile(r"\s*\[(\d{1,2})\]")
_NUMBER = re.compile(r"\d")
_SENTENCE_END = re.compile(r"[.!?][\"')\]]?(?:\s*\[\d{1,2}\])*(?=\s|$)|[。！？](?:\s*\[\d{1,2}\])*|\n+")

SUPPORTED = 0.6
"""The share of a sentence's term weight that one unit must hold. Below it a paraphrase has left its source."""


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
    wanted = set(content_terms(claim.text))
    weight = sum(rarity(term) for term in wanted)
    if weight <= 0 or wanted <= _numbers(claim.text):
        return None  # nothing is said: a list's number, a lone amount
    named = [passages[n - 1] for n in claim.named if 1 <= n <= len(passages)]
    for group in (named, [hit for hit in passages if hit not in named]):
        best: Span | None = None
        for hit in group:
            headed = "\n".join((hit.title, *hit.heading))
            for unit in units(hit.text, hit.language):
                text = hit.text[unit.start : unit.end]
                held = sum(rarity(term) for term in wanted & set(terms(text))) / weight
                if held < SUPPORTED or (best is not None and held <= best.score):
                    continue
                context = hit.text[slice(*unit.context)] if unit.context else ""
                if difference(claim.text, text, f"{headed}\n{context}") is None:
                    best = Span(hit, hit.start + unit.start, hit.start + unit.end, held)
        if best is not None:
            return best
    return None


class GroundedProse:
    """Takes the model's prose as it streams, and gives back what the passages say of it, marked with `[n]`."""

    def __init__(self, passages: Sequence[Hit], rarity: Callable[[str], float]) -> None:
        self.text = ""
        self.declined = False
        self.citations: list[Citation] = []
        self.removed: list[str] = []
        """Sentences that no passage says, for the trace: nobody was shown them."""
        self._passages = passages
        self._rarity = rarity
        self._sentences = SentenceStream()
        self._said: set[str] = set()

    def feed(self, piece: str) -> Iterator[str]:
        """Take a piece of prose; yield the pieces of text that are certain now."""
        for claim in self._sentences.feed(piece):
            yield from self._take(claim)

    def finish(self) -> Iterator[str]:
        """Yield what is left."""
        for claim in self._sentences.finish():
            yield from self._take(claim)

    def _take(self, claim: Claim) -> Iterator[str]:
        self.declined = self.declined or NOT_THERE in claim.text
        if claim.text in self._said:
            return  # small models repeat themselves
        self._said.add(claim.text)
        span = support(claim, self._passages, self._rarity)
        if span is None:
            self.removed.append(claim.text)
            return
        known = (c for c in self.citations if (c.chunk_id, c.start, c.end) == (span.hit.chunk_id, span.start, span.end))
        citation = next(known, None)
        if citation is None:
            citation = cite(len(self.citations) + 1, span.hit, span.start, span.end)
            self.citations.append(citation)
        piece = f"{' ' if self.text else ''}{claim.text} [{citation.n}]"
        self.text += piece
        yield piece


def _numbers(text: str) -> set[str]:
    return {term for term in terms(text) if _NUMBER.search(term)}
