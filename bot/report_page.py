"""A report as one HTML page that needs nothing else: no script, no other file, no network. Knows no folder and no index.

`frame` and the two ways to show text are what every such page is made of (`bot/evaluation/report.py` has others).

Names of documents and sentences about them come from outside: each is escaped, and marks that turn text around or control
a terminal are spelled out.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.reporting import ReportPayload, SourceReportPayload

MOST_LISTED = 500
"""Documents of one list that the page shows; the JSON has all."""

STYLE = """
:root { color-scheme: light dark;
  --ink: #1d2430; --faint: #667085; --line: #d5dae3; --bar: #3f6fb5; --bad: #b3261e; --paper: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ef; --faint: #98a2b3; --line: #394252; --bar: #7aa5e3; --bad: #ff8a80; --paper: #151a22; }
}
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: var(--ink); background: var(--paper);
  font: 16px/1.6 system-ui, "Hiragino Sans", "Noto Sans CJK JP", "Yu Gothic UI", Meiryo, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0; text-align: left; font-weight: normal; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
rect { fill: var(--bar); } svg { display: block; }
.faint { color: var(--faint); } .bad { color: var(--bad); }
li, p { overflow-wrap: anywhere; } summary { cursor: pointer; } ul { padding-left: 1.4rem; }
"""


def policy(style: str) -> str:
    """The content security policy of a page whose one style this is: nothing else is applied, loaded or run."""
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


POLICY = policy(STYLE)
"""Whoever serves the page sends this too (`frame-ancestors` only counts there)."""

_BAR_WIDTH, _BAR_HEIGHT = 320, 12
"""Pixels of the longest stage's bar."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def page(report: ReportPayload) -> str:
    """The whole page."""
    dry = any(source.dry_run for source in report.sources)
    title = "What an ingest would do" if dry else "What an ingest did"
    failures = len(report.faults) + sum(len(source.failed) for source in report.sources)
    said = f'<span class="bad">{failures:,} failed</span>' if failures else "nothing failed"
    parts = [
        f"<p>{report.started:%Y-%m-%d %H:%M:%S %Z}, {report.seconds:,.1f} s, {said}."
        f' <span class="faint">Job {shown_text(report.job)}</span></p>',
    ]
    if report.generation:
        parts.append(f"<p>{shown_text(report.generation)}</p>")
    if report.faults:
        faults = {source or "the ingest": why for source, why in report.faults.items()}
        parts.append(f'<h2 class="bad">Not brought up to date</h2>{_reasons(faults)}')
    parts += [_source(source) for source in report.sources]
    return frame(title, parts)


def frame(title: str, parts: Iterable[str], *, style: str = STYLE) -> str:
    """A page under a title that is ours, of parts that are HTML already. Styles of elements are not allowed in them."""
    lines = (
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy(style)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Kura: {title[0].lower()}{title[1:]}</title>",
        f"<style>{style}</style>",
        f"<h1>{title}</h1>",
        *parts,
    )
    return "\n".join(lines) + "\n"


def _source(report: SourceReportPayload) -> str:
    counts = {
        "added": len(report.added),
        "updated": len(report.updated),
        "moved": len(report.moved),
        "given other readers": len(report.repermitted),
        "removed": len(report.removed),
        "failed": len(report.failed),
        "passed over": len(report.skipped),
        "unchanged": report.unchanged,
        "new passages": report.passages,
        "texts embedded": report.embedded,
    }
    rows = "".join(f'<tr><th>{what}</th><td class="n">{count:,}</td></tr>' for what, count in counts.items())
    moved = [f"{shown_name(was)} → {shown_name(now)}" for now, was in report.moved.items()]
    return "\n".join(
        (
            f"<h2>{shown_name(report.source)}</h2>",
            f'<p class="faint">Read by {", ".join(map(shown_name, report.readers))}; {report.seconds:,.1f} s</p>',
            f"<table>{rows}</table>",
            f"<h3>Time by stage</h3>{_bars(report.stages.model_dump())}",
            _list("Failed", len(report.failed), _reasons(report.failed), opened=True),
            _names("Added", map(shown_name, report.added), len(report.added)),
            _names("Updated", map(shown_name, report.updated), len(report.updated)),
            _names("Moved", moved, len(moved)),
            _names("Given other readers", map(shown_name, report.repermitted), len(report.repermitted)),
            _names("Removed", map(shown_name, report.removed), len(report.removed)),
            _list("Passed over", len(report.skipped), _reasons(report.skipped)),
        )
    )


def _bars(stages: Mapping[str, float]) -> str:
    """Seconds by stage. Widths are attributes: styles of elements are not allowed on the page."""
    longest = max(stages.values(), default=0.0) or 1.0
    rows = "".join(
        f'<tr><th>{stage}</th><td class="n">{seconds:,.2f} s</td><td><svg width="{_BAR_WIDTH}" height="{_BAR_HEIGHT}"'
        f' aria-hidden="true"><rect width="{max(seconds, 0.0) / longest * _BAR_WIDTH:.1f}" height="{_BAR_HEIGHT}"'
        ' rx="2"/></svg></td></tr>'
        for stage, seconds in stages.items()
    )
    return f"<table>{rows}</table>"


def _names(what: str, shown: Iterable[str], count: int) -> str:
    items = (f"<li>{one}</li>" for _, one in zip(range(MOST_LISTED), shown, strict=False))
    return _list(what, count, f"<ul>{''.join(items)}</ul>{_more(count)}")


def _reasons(reasons: Mapping[str, str]) -> str:
    shown = list(reasons.items())[:MOST_LISTED]
    items = (f'<li>{shown_name(name)}<br><span class="faint">{shown_text(why)}</span></li>' for name, why in shown)
    return f"<ul>{''.join(items)}</ul>{_more(len(reasons))}"


def _list(what: str, count: int, inner: str, *, opened: bool = False) -> str:
    if not count:
        return ""
    return f"<details{' open' if opened else ''}><summary>{what} ({count:,})</summary>{inner}</details>"


def _more(count: int) -> str:
    return f'<p class="faint">and {count - MOST_LISTED:,} more: the JSON has all.</p>' if count > MOST_LISTED else ""


def shown_name(text: str) -> str:
    """A name, kept from mixing its direction of writing with what stands beside it."""
    return f"<bdi>{shown_text(text)}</bdi>"


def shown_text(text: str) -> str:
    """Any text, as HTML."""
    return escape(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
