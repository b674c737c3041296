"""Whether a sentence says more, or less, than the text it is drawn from. Pure.

A paraphrase may turn words around and leave out a part that stands by itself; each word of meaning it uses must stand in its
source, and of a clause that it takes up hardly anything may be missing, for a limit "in Europe" is no limit everywhere.
Knows nothing of what the words say (`bot/agreement.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from bot.amounts import amounts, without_amounts
from bot.untrusted import foreign_letters
from retrieval.terms import content_terms, is_function, is_packed, terms

COVERED = 0.8
"""The share of a clause's term weight that a sentence must hold if it takes the clause up at all."""
TAKEN_UP = 0.5
"""From this share on it does."""

_CLAUSE_ENDS = re.compile(r",(?!\d)|[;:|、。；：，()（）]|\b(?:and|but|or|while|whereas)\b", re.IGNORECASE)
_HIRAGANA = re.compile(r"[ぁ-ゖー]+")
_KANJI_OR_KATAKANA = re.compile(r"[一-鿿々ァ-ヺ]")
_GLUE = frozenset("accord also document howev note passag say state therefor thus".split())
"""Stems that say nothing of the subject."""
_FUNCTION = re.compile(
    "でしょう|でした|です|ました|ません|ます|ください|という|といった|について|によって|により|において|における|として|とする|とします"
    "|されます|された|される|されて|しています|している|します|しました|した|して|する|できます|できる|でき|なります|なりません|なければ|なる"
    "|あります|ある|います|いる|おり|また|および|なお|その|この|それ|これ|から|まで|ので|など|には|では|とは|のは|こと|もの|ため|よう"
)
_PARTICLES = "はがをにへとでもやのかな"
_UNTOLD = 3
"""Characters of hiragana without a function that are a word, which the source must hold."""


def says_more(claim: str, unit: str, about: str = "") -> bool:
    """Whether a sentence uses a word of meaning that neither its unit nor what stands above it holds, amounts left aside."""
    claim, source = (unicodedata.normalize("NFKC", text) for text in (claim, f"{about}\n{unit}"))
    held = {*terms(source), *terms(without_amounts(source))}
    for term in terms(without_amounts(claim)):
        if is_packed(term):
            signs = _KANJI_OR_KATAKANA.findall(term)
            if (len(signs) == len(term) and term not in held) or any(sign not in source for sign in signs):
                return True
        elif not is_function(term) and term not in held and term not in _GLUE:
            return True
    if any(run not in source and _untold(run) for run in _HIRAGANA.findall(claim)):
        return True
    return not foreign_letters(claim) <= set(source)


def says_less(claim: str, unit: str, rarity: Callable[[str], float]) -> bool:
    """Whether a sentence takes up no clause of its unit, or one without what may narrow it."""
    claim, unit = (unicodedata.normalize("NFKC", text) for text in (claim, unit))
    said = {*terms(claim), *terms(without_amounts(claim))}
    numbers = {number for number, _ in amounts(claim)}
    clauses = _CLAUSE_ENDS.split(unit)
    shares = [_share(clause, said, numbers, rarity) for clause in clauses]
    taken_up = [share for share in shares if share is not None and share >= TAKEN_UP]
    narrowed = False
    for clause, share in zip(clauses, shares, strict=True):
        held = {number for number, _ in amounts(clause)}
        told = bool(held & numbers)
        narrowed |= share is not None and (
            (0 < share < COVERED and told) or (share >= TAKEN_UP and bool(held) and not told)
        )
    return narrowed or min(taken_up, default=1.0) < COVERED or (not taken_up and any(shares))


def _share(clause: str, said: set[str], numbers: set[str], rarity: Callable[[str], float]) -> float | None:
    """The share of a clause's weight that is said; None if it has no words of meaning and no amount that is said."""
    words = {term for term in content_terms(without_amounts(clause)) if not is_function(term)}
    if total := sum(map(rarity, words)):
        return sum(rarity(word) for word in words & said) / total
    return 1.0 if any(number in numbers for number, _ in amounts(clause)) else None


def _untold(run: str) -> bool:
    return any(len(rest.strip(_PARTICLES)) >= _UNTOLD for rest in _FUNCTION.split(run))
