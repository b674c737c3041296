"""Plots as inline SVG: bars of shares, changes around zero, a distribution of times. Pure; knows no run.

Colours come from classes of the page's style, so that they follow light and dark; numbers stand beside the plots as text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bot.evaluation.intervals import Interval
from ingest.wording import counted

STYLE = """
td.plot { padding-right: 1rem; } td.plot svg { margin-top: .3rem; } svg { max-width: 100%; height: auto; }
@media (max-width: 45rem) { td.plot svg { width: 7rem; max-width: none; } }
.track { fill: var(--line); } .bar { fill: var(--bar); } .up { fill: var(--good); } .down { fill: var(--bad); }
.unsure { fill: var(--faint); } line { stroke: var(--ink); stroke-width: 1.5; } line.zero { stroke: var(--faint); }
line.mark { stroke: var(--bad); stroke-dasharray: 3 3; } svg text { fill: var(--faint); font-size: 11px; }
"""
_WIDTH, _HEIGHT = 260, 16
"""Pixels of a plot in a row of a table."""
_WIDE, _TALL, _FOOT = 640, 150, 18
"""Pixels of the distribution, and of the numbers under it."""
_BINS = 40
_SLOWEST = 0.99
"""The distribution ends at this quantile; the last bin holds what is slower, so that one outlier hides nothing."""


def share(over: Interval) -> str:
    """A bar from 0 to 1 with its interval."""
    parts = [
        f'<rect class="track" y="4" width="{_WIDTH}" height="8" rx="2"/>',
        f'<rect class="bar" y="4" width="{_x(over.mean):.1f}" height="8" rx="2"/>',
    ]
    if over.low is not None and over.high is not None:
        parts.append(_whisker(_x(over.low), _x(over.high)))
    return _svg(_WIDTH, _HEIGHT, parts)


def change(over: Interval, widest: float, *, sure: bool) -> str:
    """A difference of shares left or right of 0; `widest` (> 0) is the difference that reaches the edge."""
    middle = _WIDTH / 2

    def at(value: float) -> float:
        return middle + min(max(value / widest, -1.0), 1.0) * (middle - 2)

    left, right = sorted((middle, at(over.mean)))
    kind = ("up" if over.mean > 0 else "down") if sure else "unsure"
    parts = [
        f'<rect class="{kind}" x="{left:.1f}" y="4" width="{max(right - left, 1):.1f}" height="8" rx="1"/>',
        f'<line class="zero" x1="{middle}" y1="0" x2="{middle}" y2="{_HEIGHT}"/>',
    ]
    if over.low is not None and over.high is not None:
        parts.append(_whisker(at(over.low), at(over.high)))
    return _svg(_WIDTH, _HEIGHT, parts)


def distribution(values: Sequence[float]) -> str:
    """How often which time (ms, ≥ 0) was taken; lines at the median and at 95 %. Nothing for no values."""
    if not values:
        return ""
    ordered = sorted(values)
    end = quantile(ordered, _SLOWEST) or 1.0
    counts = [0] * _BINS
    for value in ordered:
        counts[min(int(value / end * _BINS), _BINS - 1)] += 1
    step, most = _WIDE / _BINS, max(counts)
    parts = [
        f'<rect class="bar" x="{place * step + 0.5:.1f}" y="{_TALL - height:.1f}" width="{step - 1:.1f}" height="{height:.1f}"/>'
        for place, count in enumerate(counts)
        if (height := count / most * (_TALL - 14))
    ]
    for name, level in (("median", 0.5), ("95 %", 0.95)):
        x = min(quantile(ordered, level) / end, 1.0) * _WIDE
        anchor = "end" if x > _WIDE / 2 else "start"
        parts.append(f'<line class="mark" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{_TALL}"/>')
        parts.append(f'<text x="{x + (-4 if anchor == "end" else 4):.1f}" y="10" text-anchor="{anchor}">{name}</text>')
    parts.append(f'<text x="0" y="{_TALL + 14}">0 ms</text>')
    parts.append(f'<text x="{_WIDE}" y="{_TALL + 14}" text-anchor="end">{end:,.0f} ms and more</text>')
    told = (
        f"{counted(len(ordered), 'answer')}: half within {quantile(ordered, 0.5):,.0f} ms, 95 % within"
        f" {quantile(ordered, 0.95):,.0f} ms, the slowest after {ordered[-1]:,.0f} ms"
    )
    return _svg(_WIDE, _TALL + _FOOT, parts, told) + f"<p>{told}.</p>"


def quantile(ordered: Sequence[float], level: float) -> float:
    """The smallest of ascending values that at least this share of them does not exceed."""
    return ordered[max(math.ceil(level * len(ordered)) - 1, 0)]


def _x(value: float) -> float:
    return min(max(value, 0.0), 1.0) * _WIDTH


def _whisker(low: float, high: float) -> str:
    middle = _HEIGHT / 2
    ends = "".join(f'<line x1="{x:.1f}" y1="3" x2="{x:.1f}" y2="{_HEIGHT - 3}"/>' for x in (low, high))
    return f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>{ends}'


def _svg(width: int, height: int, parts: Sequence[str], told: str = "") -> str:
    """A plot; `told` is for who cannot see one that no numbers stand beside."""
    label = f'role="img" aria-label="{told}"' if told else 'aria-hidden="true"'
    return f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" {label}>{"".join(parts)}</svg>'
