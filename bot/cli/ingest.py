"""`kura ingest`, `kura remove`, `kura repair`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.options import Config, DataDir, Json, named_path, settings

if TYPE_CHECKING:
    from bot.settings import Settings
    from ingest.sync import Progress, SyncReport
    from retrieval.access import Readers

MOST_NAMED = 20
"""Files named one by one under a report; the rest are counted."""


def ingest(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=named_path,
            metavar="PATH...",
            help="Folders or files. Default: the sources in kura.toml.",
            show_default=False,
        ),
    ] = None,
    readers: Annotated[
        str | None,
        typer.Option(
            "--readers",
            metavar="GROUPS",
            help="Who may read them, such as hr,legal. Default: as before; at first, all.",
        ),
    ] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Bring the index to the present state of folders: new documents added, changed replaced, deleted gone."""
    from bot.wiring import open_kura
    from ingest.errors import IngestError

    chosen = settings(context, data_dir, config)
    wanted = _wanted(paths or [], readers, chosen)
    reports: list[SyncReport] = []
    faults: list[str] = []
    failed: list[Path] = []
    with _progress() as on_progress, open_kura(chosen, holder="kura ingest") as kura:
        for path, who, name in wanted:
            try:
                reports += kura.ingestor(on_progress).ingest(path, readers=who, name=name, without=failed)
            except IngestError as error:  # the other paths go on
                faults.append(str(error))
                failed.append(path)  # an outer folder must not take it in for readers of its own
    if as_json:
        from bot.cli.output import print_json

        print_json({"sources": [_report_json(report) for report in reports], "faults": faults})
    else:
        for report in reports:
            _print_report(report)
    for fault in faults:
        typer.echo(f"kura: {fault}", err=True)
    if faults or any(report.failed for report in reports):
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
        count = kura.ingestor(lambda _: None).remove(name)
    typer.echo(f"Removed {name}: {count} documents.")


def repair(context: typer.Context, data_dir: DataDir = None, config: Config = None) -> None:
    """Make the indexes anew from the stored documents, without their sources; embeds with the embedder now set."""
    from bot.wiring import open_kura

    with open_kura(settings(context, data_dir, config), holder="kura repair") as kura:
        count = kura.index.rebuild()
    typer.echo(f"Made anew: {count} passages.")


def _wanted(paths: list[Path], readers: str | None, chosen: Settings) -> list[tuple[Path, Readers | None, str]]:
    """What to ingest: path, readers (None: as before), name (empty: the folder's).

    With a path come the configured sources below it: its own readers must not get what the settings keep from them.
    """
    from retrieval.access import Readers

    configured = {source.path.resolve(): source for source in chosen.sources}
    if not paths and not configured:
        raise typer.BadParameter(
            "name a folder or file to ingest, or list [[sources]] in kura.toml (`kura init` writes one)"
        )
    if readers is not None and not paths:
        raise typer.BadParameter("--readers goes with a PATH; the readers of configured sources stand in kura.toml")
    groups = None if readers is None else frozenset(part.strip() for part in readers.split(",") if part.strip())
    if groups is not None and not groups:
        raise typer.BadParameter("--readers names no group: give one or more, such as --readers hr,legal")
    named = {path.resolve(): path for path in paths or configured}
    below = [
        root
        for root in configured
        if root not in named and root.exists() and any(root.is_relative_to(outer) for outer in named)
    ]
    wanted: list[tuple[Path, Readers | None, str]] = []
    for root, path in [*named.items(), *((root, root) for root in below)]:
        source = configured.get(root)
        if source is not None and (groups is None or root in below):
            wanted.append((path, Readers(frozenset(source.readers), source.discord), source.name))
        else:
            wanted.append((path, None if groups is None else Readers(groups), source.name if source else ""))
    # An inner folder comes before the outer one, so that its documents are never read by the outer one's readers.
    return sorted(wanted, key=lambda one: -len(one[0].resolve().parts))


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
        TextColumn("{task.fields[item]}", markup=False),
    )
    with Bars(*columns, console=err(), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def on_progress(progress: Progress) -> None:
            if progress.source not in tasks:
                tasks[progress.source] = bars.add_task(printable(progress.source), total=progress.total, item="")
            bars.update(
                tasks[progress.source],
                completed=progress.done,
                total=progress.total,
                item=printable(progress.item)[:60],
            )

        yield on_progress


def _print_report(report: SyncReport) -> None:
    from bot.cli.output import printable

    counts = [
        (report.added, "added"),
        (report.replaced, "changed"),
        (report.repermitted, "given other readers"),
        (report.removed, "removed"),
        (report.unchanged, "unchanged"),
    ]
    said = ", ".join(f"{count} {what}" for count, what in counts if count) or "nothing to do"
    who = ", ".join(sorted(report.readers.groups))
    typer.echo(
        f"{printable(report.source)} (read by {who}): {said}; {report.chunks} new passages; {report.seconds:.1f} s"
    )
    for sentence in list(report.failed.values())[:MOST_NAMED]:
        typer.echo(f"  not read: {printable(sentence)}", err=True)
    if len(report.failed) > MOST_NAMED:
        typer.echo(f"  and {len(report.failed) - MOST_NAMED} more.", err=True)
    if report.skipped:
        shown = ", ".join(printable(item) for item in report.skipped[:5])
        more = f" and {len(report.skipped) - 5} more" if len(report.skipped) > 5 else ""
        typer.echo(f"  passed over, not a kind of document Kura reads: {shown}{more}", err=True)


def _report_json(report: SyncReport) -> dict[str, Any]:
    return {
        "source": report.source,
        "root": report.root,
        "readers": sorted(report.readers.groups),
        "added": report.added,
        "replaced": report.replaced,
        "repermitted": report.repermitted,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "chunks": report.chunks,
        "failed": report.failed,
        "skipped": list(report.skipped),
        "seconds": round(report.seconds, 3),
    }
