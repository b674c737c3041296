"""What a sentence states that somebody could ask for: a date, a number, a name, what something is. Pure.

Knows the look of English and Japanese sentences; makes no question (`bot/calibration/wording.py` does).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from retrieval.terms import is_function, terms

Kind = Literal["time", "number", "name", "what"]

_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_EN: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "time",
        re.compile(
            rf"\b(?:(?:{_MONTH})(?: \d{{1,2}}(?:st|nd|rd|th)?)?(?:,? \d{{4}})?|\d{{1,2}} (?:{_MONTH})(?: \d{{4}})?"
            r"|(?:1\d|20)\d\d|\d{1,2}:\d\d|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?)\b"
        ),
    ),
    (
        "number",
        re.compile(
            r"(?<![\w.])[$€£¥]?\d[\d,.]*(?<![,.])%?"
            r"|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty)\b"
        ),
    ),
    ("name", re.compile(r"(?<=[a-z,;] )[A-Z][\w’'-]+(?: (?:of |the |and )?[A-Z][\w’'-]+){0,3}")),
    ("what", re.compile(r"(?<= (?:is|as) )an? [a-z][^,.;:()]{8,80}|(?<= are )(?:the )?[a-z][^,.;:()]{8,80}")),
)
_JA: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "time",
        re.compile(
            r"[0-9０-９一二三四五六七八九十]+(?:年|月|日|時|世紀)(?:[0-9０-９]+[月日時分])*|[月火水木金土日]曜日?"
        ),
    ),
    (
        "number",
        re.compile(
            r"[0-9０-９][0-9０-９,，.．]*[万億]?(?:人|円|個|回|台|本|歳|件|割|倍|種|度|位|%|％|メートル|キロ|時間|日間|名)"
        ),
    ),
    ("name", re.compile(r"[ァ-ヺー・]{4,}|(?<=[はがをにでの、])[一-鿿々]{3,8}(?=[はがをにでの、])")),
    ("what", re.compile(r"(?<=とは、)[^、。]{4,40}|(?<=は、)[^、。]{6,40}(?=(?:である|です|のこと)。)")),
)
_WORD = {
    "en": re.compile(r"[A-Za-z][\w’'-]{2,}|\d[\d,.]*\w"),
    "ja": re.compile(r"[一-鿿々]{2,}|[ァ-ヺー]{2,}|[A-Za-z][\w-]*|[0-9０-９]+[年月日時人円個回]?"),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """`sentence[start:end]` is what could be asked for."""

    kind: Kind
    start: int
    end: int


def facts(sentence: str, language: str) -> list[Fact]:
    """Everything the sentence states that can be asked for, in no order; nothing in another language than en or ja."""
    patterns = {"en": _EN, "ja": _JA}.get(language, ())
    return [Fact(kind, *match.span()) for kind, pattern in patterns for match in pattern.finditer(sentence)]


def content_words(text: str, language: str) -> list[str]:
    """The words of a text that carry matter, each once, in its order."""
    found = _WORD[language].findall(text)
    return [word for word in dict.fromkeys(found) if not all(map(is_function, terms(word)))]
