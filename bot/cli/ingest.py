"""`kura ingest` and `kura remove`: the index brought to the present state of its sources."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.options import Config, DataDir, Json, settings

if TYPE_CHECKING:
    from bot.ingesting import IngestRequest, Outcome
    from bot.settings import Settings
    from ingest.reports import Progress, SyncReport

MOST_NAMED = 20
"""Files named one by one under a report; the rest are counted."""


def ingest(
    context: typer.Context,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Names of sources in kura.toml, or folders or files. Default: every source in kura.toml.",
            show_default=False,
        ),
    ] = None,
    readers: Annotated[
        str | None,
        typer.Option(
            "--readers",
            metavar="GROUPS",
            help="Who may read a folder or file, such as hr,legal. Default: as before; at first, all.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on: take in each change of a folder as soon as it is saved.")
    ] = False,
    confirm_removal: Annotated[
        bool,
        typer.Option("--confirm-removal", help="Let go what is not there any more, however large a share it is."),
    ] = False,
    as_json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Bring the index to the present state of its sources: new documents added, changed replaced, deleted gone."""
    from bot.wiring import open_kura
    from bot.wiring.handover import running_server

    chosen = settings(context, data_dir, config)
    request = _request(what or [], readers, chosen, confirmed=confirm_removal, dry_run=dry_run)
    if watch and dry_run:
        raise typer.BadParameter("--watch and --dry-run do not go together")
    server = running_server(chosen.data_dir)
    if server is not None:
        if watch:
            raise typer.BadParameter(
                "a server is running: set watch = true for the source in kura.toml, and it watches"
            )
        from bot.cli.handover import hand_over

        hand_over(server, request, as_json=as_json)
        return
    with open_kura(chosen, holder="kura ingest") as kura:
        with _progress() as on_progress:
            outcome = kura.ingest(request, on_progress)
        print_outcome(outcome, as_json=as_json)
        if watch:
            from bot.cli.watching import watch_sources

            watch_sources(kura, request)
    if not outcome.whole:
        raise typer.Exit(1)


def remove(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SOURCE", help="Its name, as `kura status` shows it.")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Remove a source and all its documents from the index; the files stay where they are."""
    from bot.wiring import open_kura

    with open_kura(settings(context, data_dir, config), holder="kura remove") as kura:
        count = kura.ingesting.remove(name)
    typer.echo(f"Removed {name}: {count} documents.")


def _request(
    what: list[str], readers: str | None, chosen: Settings, *, confirmed: bool, dry_run: bool
) -> IngestRequest:
    """What was typed: a word that is the name of a configured source means that source, any other a path."""
    from bot.ingesting import IngestRequest
    from retrieval.access import Readers

    if any(not word for word in what):
        raise typer.BadParameter("the path is empty: name a source, a folder or a file")
    configured = {source.name for source in chosen.sources}
    if not what and not configured:
        raise typer.BadParameter(
            "name a folder or file to ingest, or list [[sources]] in kura.toml (`kura init` writes one)"
        )
    paths = tuple(Path(word).absolute() for word in what if word not in configured)
    if readers is not None and not paths:
        raise typer.BadParameter("--readers goes with a PATH; the readers of configured sources stand in kura.toml")
    groups = None if readers is None else frozenset(part.strip() for part in readers.split(",") if part.strip())
    if groups is not None and not groups:
        raise typer.BadParameter("--readers names no group: give one or more, such as --readers hr,legal")
    return IngestRequest(
        sources=tuple(word for word in what if word in configured),
        paths=paths,
        readers=None if groups is None else Readers(groups),
        confirmed=confirmed,
        dry_run=dry_run,
    )


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A progress bar on standard error, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from bot.cli.output import err, printable

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}", markup=False),
    )
    with Bars(*columns, console=err(), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def on_progress(progress: Progress) -> None:
            if progress.source not in tasks:
                tasks[progress.source] = bars.add_task(printable(progress.source), total=progress.total, said="")
            failed = f", {len(progress.failed)} failed" if progress.failed else ""
            bars.update(
                tasks[progress.source],
                completed=progress.done,
                total=progress.total,
                said=f"{progress.chunks} passages{failed}  {printable(progress.item)[:50]}",
            )

        yield on_progress


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """What happened, for people or programs; faults on standard error."""
    from bot.cli.output import printable

    if as_json:
        from bot.cli.output import print_json

        reports = [_report_json(report) for report in outcome.reports]
        print_json({"sources": reports, "faults": list(outcome.faults.values()), "generation": outcome.generation})
    else:
        for report in outcome.reports:
            _print_report(report)
        if outcome.generation:
            typer.echo(outcome.generation)
    for fault in outcome.faults.values():
        typer.echo(f"kura: {printable(fault)}", err=True)


def _print_report(report: SyncReport) -> None:
    from bot.cli.output import printable

    counts = [
        (len(report.added), "added"),
        (len(report.replaced), "changed"),
        (len(report.moved), "moved"),
        (len(report.repermitted), "given other readers"),
        (len(report.removed), "removed"),
        (report.unchanged, "unchanged"),
    ]
    said = ", ".join(f"{count} {what}" for count, what in counts if count) or "nothing to do"
    who = ", ".join(sorted(report.readers.groups))
    cost = "would be done" if report.dry_run else f"{report.chunks} new passages; {report.seconds:.1f} s"
    typer.echo(f"{printable(report.source)} (read by {who}): {said}; {cost}")
    if report.dry_run:
        _print_items(report)
    for sentence in list(report.failed.values())[:MOST_NAMED]:
        typer.echo(f"  not read: {printable(sentence)}", err=True)
    if len(report.failed) > MOST_NAMED:
        typer.echo(f"  and {len(report.failed) - MOST_NAMED} more.", err=True)
    if report.skipped:
        shown = ", ".join(printable(item) for item in report.skipped[:5])
        more = f" and {len(report.skipped) - 5} more" if len(report.skipped) > 5 else ""
        typer.echo(f"  passed over, not a kind of document Kura reads: {shown}{more}", err=True)


def _print_items(report: SyncReport) -> None:
    from bot.cli.output import printable

    moved = tuple(f"{was} -> {now}" for now, was in report.moved.items())
    lists = [
        ("+", report.added),
        ("~", report.replaced),
        (">", moved),
        ("r", report.repermitted),
        ("-", report.removed),
    ]
    for sign, items in lists:
        for item in items:
            typer.echo(f"  {sign} {printable(item)}".replace("\n", "\\n"))


def _report_json(report: SyncReport) -> dict[str, Any]:
    return {
        "source": report.source,
        "root": report.root,
        "readers": sorted(report.readers.groups),
        "added": len(report.added),
        "replaced": len(report.replaced),
        "moved": len(report.moved),
        "repermitted": len(report.repermitted),
        "removed": len(report.removed),
        "unchanged": report.unchanged,
        "chunks": report.chunks,
        "embedded": report.embedded,
        "failed": report.failed,
        "skipped": list(report.skipped),
        "seconds": round(report.seconds, 3),
        "dry_run": report.dry_run,
        **(
            {"plan": {"add": report.added, "replace": report.replaced, "move": report.moved, "remove": report.removed}}
            if report.dry_run
            else {}
        ),
    }
