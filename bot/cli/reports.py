"""How the report of an ingest looks on a terminal, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from bot.cli.output import print_json, printable
from ingest.wording import counted

if TYPE_CHECKING:
    from bot.reporting import ReportPayload, SourceReportPayload

MOST_NAMED = 20
"""Files named one by one under a report; the rest are counted."""
MOST_SKIPPED = 5
"""Of those that were passed over for the same reason."""


def print_report(report: ReportPayload, *, as_json: bool) -> None:
    """What an ingest did, or would do; faults on standard error."""
    if as_json:
        print_json(
            {
                "sources": [_as_json(source) for source in report.sources],
                "faults": list(report.faults.values()),
                "generation": report.generation,
            }
        )
    else:
        for source in report.sources:
            _print_source(source)
        if report.generation:
            typer.echo(printable(report.generation))
    for name, fault in report.faults.items():
        named = "" if name in fault else f"{printable(name)}: "
        typer.echo(f"kura: {named}{printable(fault)}", err=True)


def _print_source(report: SourceReportPayload) -> None:
    counts = [
        (len(report.added), "added"),
        (len(report.updated), "changed"),
        (len(report.moved), "moved"),
        (len(report.repermitted), "given other readers"),
        (len(report.removed), "removed"),
        (report.unchanged, "unchanged"),
    ]
    said = ", ".join(f"{count} {what}" for count, what in counts if count) or "nothing to do"
    who = ", ".join(report.readers)
    cost = (
        "nothing was done" if report.dry_run else f"{counted(report.passages, 'new passage')}; {report.seconds:.1f} s"
    )
    typer.echo(f"{printable(report.source)} (read by {printable(who)}): {said}; {cost}")
    if report.dry_run:
        _print_items(report)
    for sentence in list(report.failed.values())[:MOST_NAMED]:
        typer.echo(f"  not read: {printable(sentence)}", err=True)
    if len(report.failed) > MOST_NAMED:
        typer.echo(f"  and {len(report.failed) - MOST_NAMED} more.", err=True)
    _print_skipped(report.skipped)


def _print_skipped(skipped: Mapping[str, str]) -> None:
    """One line for each reason."""
    items: dict[str, list[str]] = {}
    for item, why in skipped.items():
        items.setdefault(why, []).append(printable(item))
    for why, named in items.items():
        more = f" and {len(named) - MOST_SKIPPED} more" if len(named) > MOST_SKIPPED else ""
        typer.echo(f"  passed over, {printable(why)}: {', '.join(named[:MOST_SKIPPED])}{more}", err=True)


def _print_items(report: SourceReportPayload) -> None:
    lists = [
        ("+", report.added),
        ("~", report.updated),
        (">", [f"{was} -> {now}" for now, was in report.moved.items()]),
        ("r", report.repermitted),
        ("-", report.removed),
    ]
    for sign, items in lists:
        for item in items:
            typer.echo(f"  {sign} " + printable(item).replace("\n", "\\n"))


def _as_json(report: SourceReportPayload) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "source": report.source,
        "readers": report.readers,
        "added": len(report.added),
        "replaced": len(report.updated),
        "moved": len(report.moved),
        "repermitted": len(report.repermitted),
        "removed": len(report.removed),
        "unchanged": report.unchanged,
        "chunks": report.passages,
        "embedded": report.embedded,
        "failed": report.failed,
        "skipped": report.skipped,
        "seconds": report.seconds,
        "dry_run": report.dry_run,
    }
    if report.dry_run:
        shown["plan"] = {
            "add": report.added,
            "replace": report.updated,
            "move": report.moved,
            "repermit": report.repermitted,
            "remove": report.removed,
        }
    return shown
