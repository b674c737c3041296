"""Amounts, measures and dates in a sentence, in one form whatever they are written in. Pure; knows no other words."""

from __future__ import annotations

import re
from collections.abc import Iterator

Date = tuple[int, int, int]
"""Year, month, day; 0 where it is not said."""

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
    rf"(?P<before>[€$£¥])?\s?(?P<number>(?:(?<![\w)])[-−])?\d+(?:,\d{{3}})*(?:[.:]\d+)*|(?<![一二三四五六七八九十百千万億兆〇])[一二三四五六七八九十百千万億兆〇]++(?=[年月日時分円人個回名件週割倍歳])"
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
        "nok": "nok kr krone kroner ノルウェークローネ",
        "sek": "sek krona kronor スウェーデンクローナ",
        "%": "% percent パーセント",
        "ms": "ms millisecond milliseconds ミリ秒",
        "°c": "°c celsius 度",
        "°f": "°f fahrenheit",
        "second": "s sec second seconds 秒",
        "minute": "min minute minutes 分 分間",
        "hour": "h hour hours hr hrs 時間",
        "day": "day days 日 日間",
        "business day": "business working 営業日",
        "week": "week weeks 週 週間",
        "month": "month months か月 ヶ月 カ月 ヵ月 箇月 か月間",
        "year": "year years 年 年間",
        "mm": "mm",
        "cm": "cm",
        "m": "m metre metres meter meters メートル",
        "km": "km kilometre kilometres kilometer kilometers キロメートル",
        "mile": "mile miles マイル",
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
_YEARS = frozenset(map(str, range(1800, 2200)))
"""A number of this size before 年 is a date, no length of time."""

_MONTHS = {
    name[:3]: number
    for number, name in enumerate(
        "january february march april may june july august september october november december".split(), 1
    )
}
_MONTH = (
    r"(?P<{}>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925}
"""The year before the first of each era of the Japanese calendar in use since 1926."""
_DATE = re.compile(
    r"(?<![\d/-])(?P<iso_y>\d{4})(?P<gap>[-/.])(?P<iso_m>\d{1,2})(?P=gap)(?P<iso_d>\d{1,2})(?![\d/-])"
    rf"|\b(?P<day_d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH.format('day_m')}(?:,? (?P<day_y>\d{{4}}))?\b"
    rf"|\b{_MONTH.format('us_m')} (?P<us_d>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<us_y>\d{{4}}))?(?!\d)"
    rf"|\b{_MONTH.format('my_m')},? (?P<my_y>\d{{4}})\b"
    r"|(?P<era>令和|平成|昭和)(?P<era_y>元|\d{1,2})年(?:(?P<era_m>\d{1,2})月(?:(?P<era_d>\d{1,2})日)?)?"
    r"|(?P<ja_y>\d{4})年(?P<ja_m>\d{1,2})月(?:(?P<ja_d>\d{1,2})日)?|(?P<md_m>\d{1,2})月(?P<md_d>\d{1,2})日"
)


def amounts(text: str) -> Iterator[tuple[str, str]]:
    """Each number of a text (NFKC) as digits, dates left out, with its measure ("" if it has none that is known)."""
    for found in _NUMBER.finditer(without_dates(text)):
        number = found["number"].lower().replace(",", "")
        scaled = _WORD_NUMBERS.get(number, number).replace("−", "-") + _SCALES.get((found["scale"] or "").lower(), "")
        measure = _known(found)
        dated = measure == "year" and scaled in _YEARS
        yield scaled, "" if dated else measure


def dates(text: str) -> list[Date]:
    """The dates of a text (NFKC) that name at least a month with a day or a year, and years of an era."""
    return [
        _date({name: value for name, value in found.groupdict().items() if value}) for found in _DATE.finditer(text)
    ]


def without_dates(text: str) -> str:
    """The text with a blank for each date that `dates` reads."""
    return _DATE.sub(" ", text)


def without_amounts(text: str) -> str:
    """The words of a text that are no number, no known measure and no date."""
    return _NUMBER.sub(lambda found: f" {found['after'] or ''} " if not _known(found) else " ", without_dates(text))


def measures(text: str) -> set[str]:
    """Every measure a text names, with a number or without: a table's header, say."""
    return {_MEASURES[word] for word in re.findall(r"[%€$£¥]|[^\W\d_]+", text.lower()) if word in _MEASURES}


def same_date(said: Date, held: Date) -> bool:
    """Whether all that is said of a date stands in the other one."""
    return all(not part or part == other for part, other in zip(said, held, strict=True))


def _date(parts: dict[str, str]) -> Date:
    if "era" in parts:
        year = _ERAS[parts["era"]] + (1 if parts["era_y"] == "元" else int(parts["era_y"]))
        return year, int(parts.get("era_m", 0)), int(parts.get("era_d", 0))

    def part(letter: str) -> int:
        value = next((value for name, value in parts.items() if name.endswith(f"_{letter}")), "0")
        return int(value) if value.isdecimal() else _MONTHS[value[:3].lower()]

    return part("y"), part("m"), part("d")


def _known(found: re.Match[str]) -> str:
    beside = ((found["before"] or ""), (found["after"] or "").lower())
    return next((measure for name in beside if (measure := _measure(name))), "")


def _measure(word: str) -> str:
    """The measure a word begins with: what follows a Japanese counter sticks to it."""
    if word.isascii():
        return _MEASURES.get(word, "")
    return next((_MEASURES[word[:size]] for size in range(min(len(word), 10), 0, -1) if word[:size] in _MEASURES), "")
