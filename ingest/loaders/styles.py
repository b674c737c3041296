"""Which styles take a text out of its readers' sight: of CSS in an attribute or a page's own sheet. Knows no page.

Only what a page says itself is looked at: no sheet is fetched, and selectors of more than one part are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_HIDING = re.compile(
    r"(?:^|;)(?:display:['\"]?none|visibility:['\"]?(?:hidden|collapse)|opacity:0*+\.?0*+(?:%|;|$)"
    r"|(?:font-size|max-height|zoom):0*(?:\.0*)?(?:;|$|[a-z%])|font-size:(?:0?\.\d+|1)(?:px|pt)"
    r"|(?:left|right|top|bottom|text-indent|margin-(?:left|top)):-\d{3,}|clip:rect\(0|clip-path:inset\((?:50|100)%|clip-path:circle\(0)"
)
_COLOUR = re.compile(r"(?:^|;)color:([^;]+)")
_BACKGROUND = re.compile(r"(?:^|;)background(?:-color|-image)?:([^;]+)")
_WHITE = re.compile(
    r"white|#f{3,4}|#(?:f[c-f]){3}(?:ff)?|rgba?\(25[2-5],25[2-5],25[2-5](?:,(?:1|1\.0|100%))?\)|hsl\(\d+,\d+%,100%\)"
)
_CLEAR = re.compile(r"transparent|#[0-9a-f]{3}0|#[0-9a-f]{6}00|rgba\([^)]*,0?\.?0*\)")
_NESTED = re.compile(r"@[^@{};]*+\{(?:[^{}]*+\{[^{}]*+\})*+[^{}]*+\}")
_RULE = re.compile(r"(?<![^{}])([^{}]++)\{([^{}]*+)\}")
_SIMPLE = re.compile(r"[a-z][\w-]*|(?:[a-z][\w-]*)?[.#][\w-]+", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
"""To the end of all if it is never closed, as browsers take it."""


def hides(style: str) -> bool:
    """Whether these declarations hide what they are said of, or write it in the colour of paper."""
    plain = _plain(style)
    colour, background = _COLOUR.search(plain), _BACKGROUND.search(plain)
    if _HIDING.search(plain) or (colour and _CLEAR.fullmatch(colour[1])):
        return True
    return bool(colour and background and colour[1] == background[1])


def writes_white(style: str) -> bool:
    """Whether these declarations write in white, and put no other colour behind it."""
    plain = _plain(style)
    colour = _COLOUR.search(plain)
    return bool(colour and is_white(colour[1])) and not has_background(style)


def has_background(style: str) -> bool:
    """Whether these declarations put a colour or a picture behind the text that is not white."""
    background = _BACKGROUND.search(_plain(style))
    return background is not None and not (_WHITE.fullmatch(background[1]) or background[1] in {"none", "transparent"})


def is_white(colour: str) -> bool:
    """Whether a colour is that of paper, by name or number."""
    return _WHITE.fullmatch(_plain(colour).removeprefix(";")) is not None


def hiding_selectors(sheet: str) -> Iterator[str]:
    """The simple selectors (`p`, `.a`, `p.a`, `#a`) of a sheet whose rules hide; what stands in @media is passed over."""
    for selectors, style in _RULE.findall(_NESTED.sub("", _COMMENT.sub("", sheet))):
        if hides(style):
            yield from (one.strip() for one in selectors.split(",") if _SIMPLE.fullmatch(one.strip()))


def _plain(style: str) -> str:
    return re.sub(r"\s+|!\s*important", "", _COMMENT.sub("", style).lower())
