"""Reads texts in a question's words: where a text holds a phrase that says the same, the question's terms stand there too.

Pure arithmetic over terms (`retrieval/terms.py`); knows no glossary, no spelling and no index.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

Phrase = tuple[str, ...]
"""Terms that stand side by side."""


class Phrases:
    """Phrases to look for in lists of terms."""

    def __init__(self, phrases: Collection[Phrase]) -> None:
        self._phrases = frozenset(phrases)
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for phrase in phrases:
            lengths[phrase[0]].add(len(phrase))
        self._lengths = {first: sorted(some, reverse=True) for first, some in lengths.items()}

    def every(self, terms: Sequence[str]) -> Iterator[Phrase]:
        """Each phrase that stands in the terms, those within others too."""
        listed = tuple(terms)
        for at in range(len(listed)):
            yield from self._at(at, listed)

    def longest(self, terms: Sequence[str]) -> Iterator[tuple[int, Phrase]]:
        """Where phrases stand in the terms, from the left; of those that begin at one place the longest, and none within it."""
        if self._lengths.keys().isdisjoint(terms):
            return
        listed = tuple(terms)
        at = 0
        while at < len(listed):
            found = next(self._at(at, listed), None)
            if found:
                yield at, found
            at += len(found) if found else 1

    def _at(self, at: int, listed: Phrase) -> Iterator[Phrase]:
        """The phrases that begin at a place, the longest first."""
        for length in self._lengths.get(listed[at], ()):
            if (phrase := listed[at : at + length]) in self._phrases:
                yield phrase


@dataclass(frozen=True)
class Reading:
    """What stands in documents for what terms of a question: `same` maps phrases to the terms they say."""

    same: Mapping[Phrase, Phrase] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.same)

    def read(self, terms: Sequence[str]) -> Sequence[str]:
        """The terms of a text, after each phrase the question's terms that it says; the same object if it holds none."""
        read: list[str] = []
        last = 0
        for at, phrase in self._phrases.longest(terms):
            end = at + len(phrase)
            read += (*terms[last:end], *self.same[phrase])
            last = end
        return [*read, *terms[last:]] if read else terms

    def sayings(self, term: str) -> list[Phrase]:
        """The phrases that say a term of the question in other words."""
        return self._by_term.get(term, [])

    def joined(self, other: Reading) -> Reading:
        """Both; a phrase of both says what it says in either."""
        return Reading(
            {
                phrase: tuple(dict.fromkeys((*self.same.get(phrase, ()), *other.same.get(phrase, ()))))
                for phrase in (*self.same, *other.same)
            }
        )

    @cached_property
    def _phrases(self) -> Phrases:
        return Phrases(self.same)

    @cached_property
    def _by_term(self) -> dict[str, list[Phrase]]:
        by_term: defaultdict[str, list[Phrase]] = defaultdict(list)
        for phrase, said in self.same.items():
            for term in said:
                by_term[term].append(phrase)
        return dict(by_term)


LITERAL = Reading()
"""Reads every text as it stands."""
