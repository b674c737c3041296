"""Whether a question asks of one thing and the passages speak of its neighbour: E-4012 where only E-4011 stands. Pure.

Codes, versions, flags, file and setting names, years and numbered things (section 4, 第3条) are exact: another one is another
thing, however alike all other words are. A year that only bounds what is asked (since 1990, 1990年以降) is not exact. Amounts
are not looked at, for people ask whether 200 EUR are too much.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from bot.amounts import amounts, dates

ALIKE = 0.75
"""From this share of common letters on, two names are taken for one and a slip (`max_retry`, `max_retries`)."""

LONGEST_NAME = 80
"""Characters; what is longer is no name, and as little a code if these hold no digit."""
MOST_NAMES = 20
"""A question that names more is a text with a question in it, and not judged by one of them."""

# A run of letters or digits has one reading (`++`): with two, a long run has more of them than can be tried.
_CODE = re.compile(
    rf"(?<![a-z0-9.-])(?=[a-z0-9./-]{{0,{LONGEST_NAME}}}?\d)[a-z]++(?:[-_./]?\d++|[-_./][a-z]++)+(?![a-z0-9])"
)
_NAME = re.compile(r"(?<![a-z0-9-])--[a-z][a-z0-9-]+|(?<![a-z0-9_./-])@?[a-z]+(?:[_.:]+[a-z]+)+(?![a-z0-9])")
_YEAR = re.compile(r"(?<![\d,.])(?:1[89]|20)\d\d(?![\d,]|\.\d)")
_BOUND = re.compile(
    r"\b(?:until|till|by|before|after|since|between) (?:the year )?\d{4}\b(?: and \d{4}\b)?|\bfrom \d{4} (?:to|until) \d{4}\b"
    r"|\b\d{4}s\b|\d{4}年?(?:代|頃|ごろ|以降|以後|以前|まで|から|より|前後)"
)
"""Years that say from when or until when."""
_NUMBERED = re.compile(
    r"\b(?P<label>article|section|chapter|level|tier|grade|phase|step|room|form|line|floor|building|gate|version|release|type"
    r"|class|zone|rule|appendix|table|figure|item|no\.|number|band|site|plant|port|week|day|quarter|priority|severity)"
    r"s?[ -]?#?(?P<number>\d+)\b"
    r"|第?(?<!\d)(?P<ja_number>\d++)(?P<ja_label>条|章|節|項|号館|号室|号|階|等級|級|類|種|期|四半期|番)",
    re.IGNORECASE,
)


def names_another(question: str, passages: Sequence[str]) -> bool:
    """Whether the question names an exact thing that no passage holds, while they hold another one of its kind.

    Each passage with its title and headings. One that holds any of the question's things of a kind is enough for that kind.
    """
    asked = _things(_BOUND.sub(" ", unicodedata.normalize("NFKC", question).casefold()))
    if not asked:
        return False
    held: dict[str, set[str]] = {}
    for passage in passages:
        for kind, things in _things(passage).items():
            held.setdefault(kind, set()).update(things)
    return any(_other(kind, things, held.get(kind, set())) for kind, things in asked.items())


def _other(kind: str, asked: set[str], held: set[str]) -> bool:
    if not held or asked & held:
        return False
    if kind != "name":
        return True
    if len(asked) > MOST_NAMES:
        return False
    return any(
        (one.startswith("--") and other.startswith("--")) or _alike(one, other) for one in asked for other in held
    )


def _alike(one: str, other: str) -> bool:
    """Whether two names share their letters; the bounds that cost little are tried first."""
    names = SequenceMatcher(None, one, other)
    return names.real_quick_ratio() >= ALIKE and names.quick_ratio() >= ALIKE and names.ratio() >= ALIKE


def _things(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for kind, thing in _named(unicodedata.normalize("NFKC", text).casefold()):
        found.setdefault(kind, set()).add(thing)
    return found


def _named(text: str) -> Iterator[tuple[str, str]]:
    """Each exact thing with its kind: what it looks like without its numbers."""
    for code in _CODE.findall(text):
        yield f"code {re.sub(r'[0-9]+', '0', code)}", code
    for number, measure in amounts(text):
        if "." in number and not measure:
            yield "version", number
    for name in _NAME.findall(text):
        if len(name) <= LONGEST_NAME:
            yield "name", name.removeprefix("@")
    for year in {*_YEAR.findall(text), *(str(date[0]) for date in dates(text) if date[0])}:
        yield "year", year
    for found in _NUMBERED.finditer(text):
        yield f"number of {found['label'] or found['ja_label']}", found["number"] or found["ja_number"]
