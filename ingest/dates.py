"""Days out of what people and programs write of a document: front matter, metadata, time stamps. Knows no format, no source."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

_WRITTEN = re.compile(
    r"\s*[\"']?(?:\$Date:\s*|D:)?(\d{4})(?:([-/.])(\d{1,2})\2(\d{1,2})|\s?年\s?(\d{1,2})\s?月\s?(\d{1,2})\s?日|(\d\d)(\d\d))(?!\d{1,5}(?:\D|$))",
    re.ASCII,
)
"""2025-01-31, 2025/1/31, 2025.1.31, 20250131, 2025年1月31日, with or without a time; as PDF and version control write it."""
_CLOCKS_ZERO = frozenset({date(1970, 1, 1), date(1980, 1, 1)})
"""What systems and zip files say of a file whose time they do not know."""


def day(year: int, month: int, day_of_month: int) -> date | None:
    """That day; None if there is none, or if it is where clocks begin."""
    try:
        found = date(year, month, day_of_month)
    except ValueError:
        return None
    return None if found in _CLOCKS_ZERO else found


def day_in(text: str) -> date | None:
    """The day that a text begins with; None for anything else: "01/02/2025" is two days, by where its writer comes from."""
    match = _WRITTEN.match(text)
    if match is None:
        return None
    year, _, *others = match.groups()
    month, day_of_month = (int(one) for one in others if one is not None)
    return day(int(year), month, day_of_month)


def day_of(seconds: float) -> date | None:
    """The day (UTC) of a time stamp in seconds since 1970; None for its very first day and for what no calendar holds."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return day(moment.year, moment.month, moment.day)


def latest(texts: Iterable[str]) -> date | None:
    """The latest day that one of these begins with: of when a text was written, changed and looked over, the last counts."""
    return max((found for text in texts if (found := day_in(text))), default=None)
