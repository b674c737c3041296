"""What a misspelt word was meant to be: the nearest of the words that the asker may read, if one is clearly nearest. Pure.

Only plain English words are looked at, in lower case and long enough that a neighbour is hardly a chance: never a name, a
number, an identifier or a word that stands somewhere. Knows terms; no index, and nothing of how sure an answer may be.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice

from retrieval.terms import terms

SHORTEST = 5
"""Letters of a word that is looked at; four-letter words have neighbours everywhere (form, from, farm)."""
LONGEST = 30
"""Letters of the longest word that is looked at: longer runs are no words with a slip."""
MOST = 6
"""Unknown words of a question that are looked at, from its beginning: one with more is not misspelt but of something else."""
TWICE = 7
"""Letters of a stem from which on two slips are forgiven."""
CLEARLY = 5
"""How many times as many chunks hold the nearest word as the next one that is as near."""

Vocabulary = Callable[[str, int, int], Mapping[str, int]]
"""The terms that begin with a letter and have from so many to so many letters, each with the number of chunks that hold it."""

_WORD = re.compile(rf"(?<![\w.\-@/#+:'’])[a-z]{{{SHORTEST},{LONGEST}}}(?![\w\-@/#+'’]|[.:]\w)")
_ANY_WORD = re.compile(r"[^\W\d_]+")


def guesses(text: str, unknown: Collection[str], vocabulary: Vocabulary) -> dict[str, str]:
    """Of each misspelt word of a question, as written, the term it is taken for; `unknown` terms stand nowhere."""
    stems = ((word, terms(word)[0]) for word in dict.fromkeys(_WORD.findall(text)))
    looked_at = dict(islice(((word, term) for word, term in stems if term in unknown), MOST))
    lengths: defaultdict[str, list[int]] = defaultdict(list)
    for term in looked_at.values():
        lengths[term[0]] += (len(term) - _slips(term), len(term) + _slips(term))
    known = {
        first: [
            (one, {*one}, chunks) for one, chunks in vocabulary(first, min(some), max(some)).items() if _is_plain(one)
        ]
        for first, some in lengths.items()
    }
    meant = {word: _nearest(term, known[term[0]]) for word, term in looked_at.items()}
    return {word: term for word, term in meant.items() if term}


def spelt(meant: Mapping[str, str], texts: Iterable[str]) -> dict[str, str]:
    """What misspelt words were taken for, as words: of the texts' words with that term the nearest, else the term itself."""
    if not meant:
        return {}
    first = {term[0] for term in meant.values()}
    every = dict.fromkeys(other.lower() for text in texts for other in _ANY_WORD.findall(text))
    forms: defaultdict[str, list[str]] = defaultdict(list)
    for other in every:
        if other[0] in first and len(made := terms(other)) == 1:
            forms[made[0]].append(other)
    return {
        word: min(forms[term], key=lambda form: distance(word, form, len(word)), default=term)
        for word, term in meant.items()
    }


def respelt(text: str, meant: Mapping[str, str]) -> str:
    """A question with its misspelt words as they were taken."""
    return _WORD.sub(lambda match: meant.get(match[0], match[0]), text)


def _slips(term: str) -> int:
    """How many slips are forgiven."""
    return 2 if len(term) >= TWICE else 1


def _is_plain(term: str) -> bool:
    return term.isascii() and term.isalpha()


def _nearest(term: str, known: Sequence[tuple[str, set[str], int]]) -> str:
    """The known term (each with its letters and its chunks) with the fewest slips, "" if there is none or another is about
    as likely."""
    letters = {*term}
    for slips in range(1, _slips(term) + 1):
        # a slip makes two letters differ at most
        alike = ((one, chunks) for one, others, chunks in known if len(letters ^ others) <= 2 * slips)
        near = [(-chunks, one) for one, chunks in alike if distance(term, one, slips) == slips]
        if near:
            best, *others = sorted(near)
            return best[1] if all(best[0] <= CLEARLY * other[0] for other in others) else ""
    return ""


def distance(one: str, other: str, most: int) -> int:
    """Letters dropped, added, mistaken or swapped with their neighbour (Damerau and Levenshtein's distance in the form that
    edits no letter twice); `most` + 1 for any that is larger."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        before, above, row = row, before, [at]
        for place, against in enumerate(other, 1):
            cost = min(before[place] + 1, row[-1] + 1, before[place - 1] + (letter != against))
            if at > 1 and place > 1 and letter == other[place - 2] and one[at - 2] == against:
                cost = min(cost, above[place - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]
