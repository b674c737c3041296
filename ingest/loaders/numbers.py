"""Numbers of a spreadsheet as they are displayed: places, percent, currency, leading zeros. Knows no file.

Number formats that say more than that (conditions, fractions, thousands and millions, phone numbers) are not
followed: the number itself is shown then, without the noise behind its 15th digit, and without the unit of the format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

_FORMAT_LENGTH = 255
"""Characters a number format can have in Excel."""
_EXACT = 10**15
"""Excel's numbers have 15 digits; larger ones are shown as they are."""

_TOKEN = re.compile(
    r"\[\$(?P<currency>[^\]-]*)[^\]]*\]|\[(?P<rule>[^\]]*)\]|[_*].|\\(?P<escaped>.)|\"(?P<quoted>[^\"]*)\""
    r"|(?P<digits>[#0?,]*[#0?](?:\.[#0?]+)?)(?P<scale>,?)|(?P<sign>[%$€£¥￥ ])|(?P<other>[A-Za-z/.@])"
)
_COLOURS = re.compile(r"black|blue|cyan|green|magenta|red|white|yellow|colou?r\s*\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Look:
    before: str
    after: str
    places: int
    zeros: int
    """Digits the whole part has at least."""
    grouped: bool


def displayed(value: float, number_format: str) -> str:
    """`value` as a cell of `number_format` (Excel's notation) shows it."""
    look = _look(number_format[:_FORMAT_LENGTH])
    number = Decimal(format(value, ".15g")) if isinstance(value, float) else Decimal(value)
    if look is None or not number.is_finite() or abs(number) >= _EXACT:
        return _plain(number)
    if "%" in look.before + look.after:
        number *= 100
    number = number.quantize(Decimal(1).scaleb(-look.places), ROUND_HALF_UP)
    digits = format(abs(number), f"{',' if look.grouped else ''}.{look.places}f")
    if not look.grouped:
        digits = digits.zfill(look.zeros + (look.places + 1 if look.places else 0))
    return f"{'-' if number < 0 else ''}{look.before}{digits}{look.after}"


def _plain(number: Decimal) -> str:
    if not number.is_finite():
        return ""
    if number == number.to_integral_value() and abs(number) < _EXACT:
        return str(int(number))
    return format(number.normalize(), "f" if abs(number.adjusted()) < 15 else "")


@lru_cache(maxsize=1024)
def _look(number_format: str) -> _Look | None:
    """What the part of a format for positive numbers says; None if that is nothing, or more than is followed here."""
    before, after, digits = "", "", ""
    for token in _TOKEN.finditer(number_format.split(";", 1)[0]):
        if token["digits"]:
            if digits or token["scale"]:
                return None
            digits = token["digits"]
        elif token["other"] or (token["rule"] and not _COLOURS.fullmatch(token["rule"])):
            return None
        else:
            literal = token["currency"] or token["escaped"] or token["quoted"] or token["sign"] or ""
            before, after = (before, after + literal) if digits else (before + literal, after)
    if not digits:
        return None
    whole, _, places = digits.partition(".")
    return _Look(before, after, len(places), whole.count("0"), "," in whole)
