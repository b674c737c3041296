"""What a misspelt word was meant to be: the nearest of the words that the asker may read, if one is clearly nearest. Pure.

Only plain English words are looked at, in lower case and long enough that a neighbour is hardly a chance: never a name, a
number, an identifier or a word that stands somewhere. Knows terms; no index, and nothing of how sure an answer may be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from retrieval.terms import terms

SHORTEST = 5
"""Letters of a word that is looked at; four-letter words have neighbours everywhere (form, from, farm)."""
TWICE = 7
"""Letters of a stem from which on two slips are forgiven."""
CLEARLY = 5
"""How many times as many chunks hold the nearest word as the next one that is as near."""

Vocabulary = Callable[[str], Mapping[str, int]]
"""The terms that begin with a letter, each with the number of chunks that hold it."""

_WORD = re.compile(rf"(?<![\w.\-@/#+:'’])[a-z]{{{SHORTEST},}}(?![\w\-@/#+'’]|[.:]\w)")
_ANY_WORD = re.compile(r"[^\W\d_]+")


def guesses(text: str, unknown: Collection[str], vocabulary: Vocabulary) -> dict[str, str]:
    """Of each misspelt word of a question, as written, the term it is taken for; `unknown` terms stand nowhere."""
    found: dict[str, str] = {}
    for word in dict.fromkeys(_WORD.findall(text)):
        (term,) = terms(word)
        if term in unknown and (meant := _nearest(term, vocabulary(term[0]))):
            found[word] = meant
    return found


def spelt(word: str, term: str, texts: Iterable[str]) -> str:
    """What a misspelt word was taken for, as a word: of the texts' words with that term the nearest, else the term itself."""
    every = dict.fromkeys(other.lower() for text in texts for other in _ANY_WORD.findall(text))
    forms = [other for other in every if other[0] == term[0] and terms(other) == [term]]
    return min(forms, key=lambda form: distance(word, form, len(word)), default=term)


def respelt(text: str, meant: Mapping[str, str]) -> str:
    """A question with its misspelt words as they were taken."""
    return _WORD.sub(lambda match: meant.get(match[0], match[0]), text)


def _nearest(term: str, known: Mapping[str, int]) -> str:
    """The known term with the fewest slips, "" if there is none or another is about as likely."""
    for slips in (1, 2) if len(term) >= TWICE else (1,):
        near = [one for one in known if one.isascii() and one.isalpha() and distance(term, one, slips) == slips]
        if near:
            best, *others = sorted(near, key=lambda one: (-known[one], one))
            return best if all(known[best] >= CLEARLY * known[other] for other in others) else ""
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
