"""Whether a sentence says the same as the text it was made from, in what an answer must never change. Pure.

Amounts with their measures, names, bounds ("at most"), and whether something is denied. Two sentences that agree in these may
still mean different things; two that do not agree certainly do. Knows nothing of how alike their other words are
(`bot/grounding.py`), and in doubt it says no: what is lost is a paraphrase, and the quote takes its place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

from retrieval.terms import is_function, terms

Difference = Literal["amount", "measure", "name", "bound", "negation"]

_WORD_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
        " eighteen nineteen twenty".split()
    )
} | {
    word: str(10 * number)
    for number, word in enumerate("thirty forty fifty sixty seventy eighty ninety hundred".split(), 3)
}
_SCALES = {"thousand": "000", "million": "000000", "billion": "000000000", "trillion": "000000000000"}
_NUMBER = re.compile(
    rf"(?P<before>[€$£¥])?\s?(?P<number>(?:(?<![\w)])[-−])?\d+(?:,\d{{3}})*(?:[.:]\d+)*|[一二三四五六七八九十百千万億兆〇]+(?=[年月日時分円人個回名件週割倍歳])"
    rf"|\b(?:{'|'.join(_WORD_NUMBERS)})\b)"
    rf"(?:[ -](?P<scale>{'|'.join(_SCALES)})s?\b)?(?:[ \u00a0-]?(?P<after>°[CF]|[%€$£¥]|[^\W\d_]+))?",
    re.IGNORECASE,
)
_MEASURES = {
    name: measure
    for measure, names in {
        "eur": "€ eur euro euros ユーロ",
        "usd": "$ usd dollar dollars ドル",
        "gbp": "£ gbp pound pounds ポンド",
        "jpy": "¥ jpy yen 円 万円 千円 億円",
        "%": "% percent パーセント",
        "ms": "ms millisecond milliseconds ミリ秒",
        "°c": "°c celsius 度",
        "°f": "°f fahrenheit",
        "second": "s sec second seconds 秒",
        "minute": "min minute minutes 分 分間",
        "hour": "h hour hours hr hrs 時間",
        "day": "day days 日 日間 営業日",
        "week": "week weeks 週 週間",
        "month": "month months か月 ヶ月 カ月 ヵ月 箇月 か月間",
        "year": "year years 年 年間",
        "mm": "mm",
        "cm": "cm",
        "m": "m metre metres meter meters メートル",
        "km": "km kilometre kilometres kilometer kilometers キロメートル",
        "g": "g gram grams グラム",
        "kg": "kg kilo kilos kilogram kilograms キログラム",
        "kb": "kb kib",
        "mb": "mb mib",
        "gb": "gb gib",
        "tb": "tb tib",
        "person": "person persons people employees 人 名",
        "time": "times 回",
    }.items()
    for name in names.split()
}

_DENIES = re.compile(
    r"\b(?:not|no|never|none|nor|neither|nobody|nothing|nowhere|without|cannot|except|excluding|unless|hardly"
    r"|(?:prohibit|forbid|ban|refus|den[iy]|exclud|reject|unable|invalid|ineligib)\w*|forbidden)\b|n[’']t\b"
    r"|な(?:い|かっ|く(?:て|な))|ません|ず(?:に|、|。|$)|禁止|禁じ|不可|不要|除[くきい]|以外|拒否|無効|対象外|できかね"
)
_OBLIGES = re.compile(
    # a denial in form only: "must", "may", "not only"
    r"なければ(?:な[らり]|いけ)(?:ない|ません)|な(?:いと|くては)(?:な[らり]|いけ)(?:ない|ません)|ざるを得(?:ない|ません)"
    r"|かもしれ(?:ない|ません)|に(?:すぎ|過ぎ)(?:ない|ません)|だけで(?:は)?なく|のみならず|\bnot only\b|\bwhether or not\b",
)
_BOUNDS = tuple(
    (re.compile("|".join(low), re.IGNORECASE), re.compile("|".join(high), re.IGNORECASE))
    for low, high in (
        (
            (r"\b(?:at least|minimum|no less than|or more|more than|over|above)\b", "以上|最低|最小|を超え|下限"),
            (
                r"\b(?:at most|maximum|no more than|up to|or less|less than|under|below)\b",
                "以下|最大|最高|未満|上限|まで",
            ),
        ),
        (
            (r"\b(?:daily|per day|a day)\b", "毎日|1日あたり"),
            (r"\b(?:weekly|monthly|yearly|annual\w*|per (?:week|month|year))\b", "毎[週月年]"),
        ),
        (
            (r"\b(?:double|twice)\b", "2倍|二倍"),
            (r"\bhal(?:f|ve)\w*\b", "半[分額]|2分の1"),
        ),
        (
            (r"\b(?:before|prior to)\b", "以前|より前|前に|前の"),
            (r"\b(?:after|following)\b", "以後|以降|の後|後に|してから"),
        ),
        (
            (r"\b(?:increas\w*|rais\w+|rose)\b", "増[加やえし]|引き上げ|上昇"),
            (r"\b(?:decreas\w*|reduc\w*|lower\w*|fell)\b", "減[少らっし]|引き下げ|低下"),
        ),
        (
            (r"\balways\b", "必ず|常に"),
            (r"\b(?:sometimes|may|optional\w*)\b", "任意|場合がある"),
        ),
    )
)
_NAME = re.compile(r"(?<!^)\b[A-Z][\w’'-]*|[ァ-ヺー]{3,}|\b[A-Z]{2,}\w*")
_FIRST = re.compile(r"\W*([A-Za-z][\w’'-]*)")


def difference(claim: str, unit: str, about: str = "") -> Difference | None:
    """The first thing in which a sentence differs from the `unit` it is to be drawn from; None if they agree.

    `about` is what else speaks of the same thing: title, headings, a table's header. A name or measure may come from there; an
    amount may not.
    """
    claim, unit, about = (unicodedata.normalize("NFKC", text) for text in (claim, unit, f"{about}\n{unit}"))
    said, held = dict(_amounts(claim)), list(_amounts(unit))
    if not said.keys() <= {number for number, _ in held}:
        return "amount"
    for number, measure in _amounts(claim):
        beside = {other for found, other in held if found == number and other}
        if measure and measure not in (beside or {other for _, other in _amounts(about)} | _measures(about)):
            return "measure"
    if not _names(claim, unit) <= set(terms(about)):
        return "name"
    if any(_other_side(claim, unit, *sides) for sides in _BOUNDS):
        return "bound"
    return None if _denied(claim) == _denied(unit) else "negation"


def _amounts(text: str) -> Iterator[tuple[str, str]]:
    """Each number as digits, with its measure ("" if it has none that is known)."""
    for found in _NUMBER.finditer(text):
        number = found["number"].lower().replace(",", "")
        beside = ((found["before"] or ""), (found["after"] or "").lower())
        scaled = _WORD_NUMBERS.get(number, number).replace("−", "-") + _SCALES.get((found["scale"] or "").lower(), "")
        yield scaled, next((m for name in beside if (m := _measure(name))), "")


def _measure(word: str) -> str:
    """The measure a word begins with: what follows a Japanese counter sticks to it."""
    if word.isascii():
        return _MEASURES.get(word, "")
    return next((_MEASURES[word[:size]] for size in range(min(len(word), 6), 0, -1) if word[:size] in _MEASURES), "")


def _measures(text: str) -> set[str]:
    return {_MEASURES[word] for word in re.findall(r"[%€$£¥]|[^\W\d_]+", text.lower()) if word in _MEASURES}


def _names(claim: str, unit: str) -> set[str]:
    """The terms of the names in a sentence. Its first word counts if the unit begins with another one of some meaning."""
    found = {term for match in _NAME.finditer(claim) for term in terms(match[0])}  # May too, which else is a small word
    first, other = _FIRST.match(claim), _FIRST.match(unit)
    if first and other and other[1].lower() not in claim.lower() and not all(map(is_function, terms(other[1]))):
        found |= {term for term in terms(first[1]) if not is_function(term)}
    return found


def _other_side(claim: str, unit: str, low: re.Pattern[str], high: re.Pattern[str]) -> bool:
    said = (low.search(claim) is not None, high.search(claim) is not None)
    held = (low.search(unit) is not None, high.search(unit) is not None)
    return said != held and any(said) and any(held)


def _denied(text: str) -> int:
    """How often something is denied: a part of a sentence that denies twice says less than the whole."""
    return len(_DENIES.findall(_OBLIGES.sub("", text)))
