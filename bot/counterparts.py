"""Puts what a fragment names in place of its counterpart in the question before it: number for number, name for name. Pure.

"And in Oslo?" after "What is the hotel limit in Bergen?" makes "What is the hotel limit in Oslo?". Only where the counterpart
can be told, from the form alone and as the one there is; knows no dictionary, no model and no documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_PREPOSITIONS = "in|at|for|from|to|with|without|on|by|as|of|under|during|after|before|per"
_LED = re.compile(rf"^(?P<by>{_PREPOSITIONS})\s+(?P<rest>.+)$", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:the|a|an|my|our|your)\s+", re.IGNORECASE)
_PHRASE_END = (
    rf"(?=\s+(?:{_PREPOSITIONS}|and|or|if|when|while|is|are|was|were|do|does|can|may|must|should|will)\b"
    r"|\s*[,;.?!]|\s*$)"
)
_NOT_BUT = re.compile(
    r"^not (?P<old>.+?)(?:,? but|,)\s+(?P<new>.+)$"
    r"|^(?P<new2>.+?),?\s+(?:and not|not|instead of|rather than) (?P<old2>.+)$"
    r"|^(?P<old3>.+?)(?:では|じゃ|で)な(?:くて|く)、?(?P<new3>.+)$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    # a code (E-4012, G4, Hoshi-3S), or a number with what it counts (10 years, 500万円)
    r"(?P<letters>[A-Za-z][A-Za-z]*[-_]?)(?P<code>\d[\w.-]*\w|\d)"
    r"|(?<![\w.])(?P<before>[€$£¥])?(?P<number>\d[\d,]*(?:\.\d+)*)\s?(?P<unit>[一-鿿]{1,2}|km|cm|mm|kg|[A-Za-z]{2,}|[%℃])?"
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_DAY = re.compile(r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b|[月火水木金土日]曜日?", re.IGNORECASE)
_NAME = re.compile(r"(?<![\w’'-])[A-ZÀ-Þ][\w’'-]*(?:\s+[A-ZÀ-Þ][\w’'-]*)*")
_BEGINS = re.compile(r"(?:^|[.?!]\s+)$")
_KATAKANA = re.compile(r"[ァ-ヺー]{2,}")
_PLACE_JA = re.compile(r"(?P<name>[一-鿿々ァ-ヺー]{2,8})(?=では|での|で)")
_WHEN_JA = re.compile(r"(?:(?<=[、。？?])|^)(?P<phrase>[^、。？?]{1,16}?)(?=とき|場合)")


class Replaced(NamedTuple):
    """A question with something `new` in it."""

    question: str
    new: str


class _Spot(NamedTuple):
    """Where something stands in a text."""

    start: int
    end: int
    text: str


def replaced(before: str, fragment: str, ending: str = "") -> Replaced | None:
    """The question `before` with the fragment in place of its counterpart; None where that cannot be told.

    `fragment` is without opening words ("and", "no,"); `ending` is the Japanese particle it was said with (では, のとき).
    """
    old, fragment = correction(fragment)
    if old:
        spot = _only(_occurrences(before, old) or _occurrences(before, _bare(old)))
        if spot is not None:
            new = fragment if spot.text.casefold() == old.casefold() else _bare(fragment)
            return Replaced(_put(before, spot, new), new)
    for find in (_numbers, _days, _led, _names, _japanese):
        if (made := find(before, fragment, ending)) and made != before:
            return Replaced(made, fragment)
    return None


def correction(text: str) -> tuple[str, str]:
    """What was wrong and what is right: "in Japan" and "in Norway" of "not in Japan, in Norway"; else nothing and the text."""
    explicit = _NOT_BUT.match(text)
    found = explicit.groupdict() if explicit else {}
    return next(((found[f"old{n}"], found[f"new{n}"]) for n in ("", "2", "3") if found.get(f"old{n}")), ("", text))


def _numbers(before: str, fragment: str, _: str) -> str | None:
    """A code for one with the same letters, a number for one of the same unit; without a unit, for one like it in form."""
    said = _only([*_numbered(fragment)])
    if said is None:
        return None
    kind, with_unit = _kind(said.text), bool(_unit(said.text))
    others = [_numbered_alone(other, with_unit=with_unit) for other in _numbered(before)]
    spot = _only([other for other in others if _kind(other.text) == kind])
    return _put(before, spot, said.text) if spot else None


def _days(before: str, fragment: str, _: str) -> str | None:
    said, spot = (_only([_spot(found) for found in _DAY.finditer(text)]) for text in (fragment, before))
    return _put(before, spot, said.text) if said and spot else None


def _led(before: str, fragment: str, _: str) -> str | None:
    """A phrase after the same preposition, if both are names or neither is."""
    led = _LED.match(fragment)
    if led is None:
        return None
    phrases = re.finditer(rf"\b{led['by']}\s+(?P<rest>\S.*?){_PHRASE_END}", before, re.IGNORECASE)
    alike = [
        _Spot(found.start("rest"), found.end("rest"), found["rest"])
        for found in phrases
        if bool(_NAME.search(found["rest"])) == bool(_NAME.search(led["rest"]))
    ]
    spot = _only(alike)
    return _put(before, spot, led["rest"]) if spot else None


def _names(before: str, fragment: str, _: str) -> str | None:
    """The one name of the fragment for the one name of the question; what else it says, the question says, too."""
    said = _only([_spot(found) for found in _NAME.finditer(fragment)] or _katakana(fragment))
    spot = _only([*_proper(before)] or _katakana(before))
    if said is None or spot is None:
        return None
    others = re.findall(r"\w{3,}", _bare(fragment.replace(said.text, " ")))
    known = all(re.search(rf"\b{re.escape(word)}", before, re.IGNORECASE) for word in others)
    return _put(before, spot, said.text) if known or _LED.match(fragment) else None


def _japanese(before: str, fragment: str, ending: str) -> str | None:
    """A place for the one place (東京では), a case for the one case (出産のとき)."""
    if ending in {"では", "での", "で"} and re.fullmatch(r"[一-鿿々ァ-ヺー]{2,8}", fragment):
        spot = _only([_Spot(*found.span("name"), found["name"]) for found in _PLACE_JA.finditer(before)])
        return _put(before, spot, fragment) if spot else None
    if ending in {"とき", "場合"}:
        spot = _only([_Spot(*found.span("phrase"), found["phrase"]) for found in _WHEN_JA.finditer(before)])
        return _put(before, spot, f"{fragment}の") if spot else None
    return None


def _numbered(text: str) -> Iterator[_Spot]:
    return (_spot(found) for found in _NUMBERED.finditer(text))


def _unit(text: str) -> str:
    found = _NUMBERED.fullmatch(text)
    return (found["unit"] or "") if found else ""


def _numbered_alone(spot: _Spot, *, with_unit: bool) -> _Spot:
    """The spot, without what its number counts unless that is asked for."""
    text = spot.text if with_unit else spot.text.removesuffix(_unit(spot.text)).rstrip()
    return _Spot(spot.start, spot.start + len(text), text)


def _kind(text: str) -> tuple[str, ...]:
    """What makes two of them counterparts: the letters of codes; the unit of numbers, and whether they are years."""
    found = _NUMBERED.fullmatch(text)
    if found is None:
        return (text,)
    if found["letters"]:
        return ("code", found["letters"].casefold().rstrip("-_"))
    unit = (found["unit"] or "").casefold().removesuffix("s")
    if _YEAR.fullmatch(found["number"]) and unit in {"", "年"}:
        return ("year",)
    return ("number", found["before"] or "", unit, "." * found["number"].count("."))


def _proper(text: str) -> Iterator[_Spot]:
    """The names in a text; a capital that begins a sentence makes none, nor does I."""
    for found in _NAME.finditer(text):
        start, said = found.start(), found[0]
        if _BEGINS.search(text[:start]):
            _, _, said = said.partition(" ")
            start = found.end() - len(said)
        if said and said != "I":
            yield _Spot(start, found.end(), said)


def _katakana(text: str) -> list[_Spot]:
    return [_spot(found) for found in _KATAKANA.finditer(text)]


def _occurrences(text: str, wanted: str) -> list[_Spot]:
    found = re.finditer(rf"(?<![A-Za-z0-9]){re.escape(wanted)}(?![A-Za-z0-9])", text, re.IGNORECASE)
    return [_spot(one) for one in found]


def _bare(phrase: str) -> str:
    """A phrase without its preposition and article."""
    led = _LED.match(phrase)
    return _ARTICLE.sub("", led["rest"] if led else phrase)


def _spot(found: re.Match[str]) -> _Spot:
    said = found[0].rstrip()
    return _Spot(found.start(), found.start() + len(said), said)


def _only(spots: Sequence[_Spot]) -> _Spot | None:
    """The one there is, wherever it is repeated; None of several that differ."""
    return spots[0] if len({one.text.casefold() for one in spots}) == 1 else None


def _put(text: str, spot: _Spot, new: str) -> str:
    """`new` wherever the text says what stands at the spot."""
    if re.search(r"[A-Za-z0-9]", spot.text):
        return "".join(_pieces(text, _occurrences(text, spot.text) or [spot], new))
    return text[: spot.start] + new + text[spot.end :]


def _pieces(text: str, spots: Sequence[_Spot], new: str) -> Iterator[str]:
    at = 0
    for spot in spots:
        yield text[at : spot.start] + new
        at = spot.end
    yield text[at:]
