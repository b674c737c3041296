"""`kura ingest` and `kura remove`: the index brought to the present state of its sources."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.options import Config, DataDir, Json, settings
from ingest.wording import counted

if TYPE_CHECKING:
    from bot.ingesting import IngestRequest
    from bot.reporting import ReportPayload
    from bot.settings import Settings
    from bot.wiring.handover import RunningServer
    from ingest.reports import Progress


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
    server = running_server(chosen.data_dir)
    if watch:
        _check_watch(request, chosen, beside_server=server is not None)
    if server is not None:
        report = _hand_over(server, request, chosen)
        _print(report, request, chosen, as_json=as_json)
    else:
        with open_kura(chosen, holder="kura ingest") as kura:
            with progress_bars() as show:
                report = kura.ingest(request, lambda at: show(at.source, at.done, at.total, told(at), at.failed))
            _print(report, request, chosen, as_json=as_json)
            if watch:
                from bot.cli.watching import watch_sources

                watch_sources(kura, request)
    if report.faults or any(source.failed for source in report.sources):
        raise typer.Exit(1)


def _print(report: ReportPayload, request: IngestRequest, chosen: Settings, *, as_json: bool) -> None:
    """The report; and under one of all sources, what is stored and no source brings up to date any more."""
    from bot.cli.output import printable
    from bot.cli.reports import print_report
    from bot.stored import unconfigured
    from bot.wiring.sources import configured

    print_report(report, as_json=as_json)
    if not (request.sources or request.paths):
        for one in unconfigured(chosen, lambda: configured(chosen)):
            typer.echo(f"kura: {printable(one.unreachable)}.", err=True)


def _check_watch(request: IngestRequest, chosen: Settings, *, beside_server: bool) -> None:
    every = not (request.sources or request.paths)
    folders = [source for source in chosen.sources if source.path and (every or source.name in request.sources)]
    if not (request.paths or folders):
        raise typer.BadParameter("--watch is for folders: name one, or list one in kura.toml")
    if request.dry_run:
        raise typer.BadParameter("--watch and --dry-run do not go together")
    if beside_server:
        raise typer.BadParameter("a server is running: set watch = true for the source in kura.toml, and it watches")


def _hand_over(server: RunningServer, request: IngestRequest, chosen: Settings) -> ReportPayload:
    from bot.cli.handover import hand_over
    from bot.wiring.handover import check_settings

    check_settings(server, chosen)
    return hand_over(server, request, show=progress_bars)


def remove(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SOURCE", help="Its name, as `kura status` shows it.")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Remove a source and all its documents; its files stay where they are, but for uploads, which are removed."""
    from bot.cli.upkeep import kept_up
    from bot.upkeep import UpkeepRequest

    kept_up(settings(context, data_dir, config), UpkeepRequest("remove", (name,)), command="kura remove")


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
    paths = tuple(_path(word, chosen) for word in what if word not in configured)
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


def _path(word: str, chosen: Settings) -> Path:
    """The path that a word is, or names; raises BadParameter for what rather is the name of a source, misspelt."""
    path = Path(word).absolute()
    if os.sep in word or not chosen.sources or os.path.lexists(path):
        return path
    from difflib import get_close_matches

    from bot.cli.output import printable
    from bot.stored import stored

    folders = [one.name for one in stored(chosen) if one.kind == "folder"]  # ingested by their paths, some of them
    if word in folders:
        return path
    known = {name.casefold(): name for name in (*folders, *(source.name for source in chosen.sources))}
    near = get_close_matches(word.casefold(), known, n=1)
    hint = f"the nearest is {known[near[0]]}" if near else f"sources are {', '.join(sorted(known.values()))}"
    raise typer.BadParameter(f"there is no source, folder or file {printable(word)}: {printable(hint)}")


Show = Callable[[str, int, int, str, Mapping[str, str]], None]
"""Told a source, how many of its documents are done, of how many, what else is to be said, and what failed and why."""


def told(progress: Progress) -> str:
    """What stands behind a progress bar."""
    return f"{counted(progress.chunks, 'passage')}  {progress.item}"


@contextmanager
def progress_bars() -> Iterator[Show]:
    """A progress bar for each source on standard error, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _source, _done, _total, _said, _failed: None
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

        shown: set[tuple[str, str]] = set()

        def show(source: str, done: int, total: int, said: str, failed: Mapping[str, str]) -> None:
            if source not in tasks:
                tasks[source] = bars.add_task(printable(source), total=total, said="")
            for item, sentence in failed.items():
                if (source, item) not in shown:
                    shown.add((source, item))
                    bars.console.print(f"not read: {printable(sentence)}", style="yellow")
            speed = next(task.speed for task in bars.tasks if task.id == tasks[source])
            rate = f"{speed:.0f}/s, " if speed else ""
            bars.update(tasks[source], completed=done, total=total, said=rate + printable(said)[:60])

        yield show
