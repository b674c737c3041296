"""`kura ingest --watch`: each change of a folder is taken in as soon as it is saved, until interrupted."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from bot.ingesting import IngestRequest
    from bot.reporting import SourceReportPayload
    from bot.wiring import Kura


def watch_sources(kura: Kura, request: IngestRequest) -> None:
    """Watch the folders a request names (all configured ones, if none); each change is one more ingest of that folder."""
    from bot.cli.reports import print_report
    from bot.ingesting import IngestRequest
    from bot.watching import watched

    requests: dict[str, IngestRequest] = {}
    folders: dict[str, Path] = {}
    for source in kura.settings.sources:
        if source.path and (source.name in request.sources or not (request.sources or request.paths)):
            folders[source.name] = source.path
            requests[source.name] = IngestRequest(sources=(source.name,), watched=True)
    for path in request.paths:
        folders[str(path)] = path
        requests[str(path)] = IngestRequest(paths=(path,), readers=request.readers, watched=True)
    if not folders:
        raise typer.BadParameter("--watch is for folders: name one, or list one in kura.toml")
    typer.echo(f"Watching {', '.join(folders)}. Ctrl-C ends it.", err=True)
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    with watched(folders, waiting.put):
        while True:
            changed = {waiting.get()}
            while not waiting.empty():
                changed.add(waiting.get())
            for name in sorted(changed):
                report = kura.ingest(requests[name], lambda _: None)
                if report.faults or any(_tells(source) for source in report.sources):
                    print_report(report, as_json=False)


def _tells(source: SourceReportPayload) -> bool:
    """Whether anything happened."""
    return bool(source.added or source.updated or source.moved or source.repermitted or source.removed or source.failed)
