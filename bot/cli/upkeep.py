"""Upkeep from the command line: done by the server that holds the data folder, or here if there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from bot.settings import Settings
    from bot.upkeep import UpkeepRequest, UpkeepResult


def kept_up(chosen: Settings, request: UpkeepRequest, *, command: str) -> UpkeepResult:
    """Do what `command` asks for, and say so; warnings go to standard error. Raises what the upkeep raises, HandoverFailed."""
    result = _done(chosen, request, command)
    for sentence in result.said:
        typer.echo(sentence)
    for sentence in result.warnings:
        typer.echo(sentence, err=True)
    return result


def _done(chosen: Settings, request: UpkeepRequest, command: str) -> UpkeepResult:
    from bot.cli.ingest import progress_bars
    from bot.wiring.handover import check_settings, running_server

    server = running_server(chosen.data_dir)
    if server is not None:
        from bot.cli.handover import hand_over_upkeep

        check_settings(server, chosen)
        return hand_over_upkeep(server, request, show=progress_bars)
    with progress_bars() as show:
        if request.kind == "verify":  # needs no embedder, and opens nothing that could be damaged
            from bot.upkeep import UpkeepResult
            from bot.verifying import verify
            from bot.wiring.sources import configured

            found = verify(
                chosen.data_dir,
                configured(chosen),
                request.sources,
                on_progress=lambda at: show(at.source, at.done, at.total, at.item, at.failed),
            )
            return UpkeepResult(found=found)
        from bot.wiring import open_kura
        from bot.wiring.upkeep import make_upkeep

        with open_kura(chosen, holder=command) as kura:
            return make_upkeep(kura, shared=False).run(
                request, lambda at: show(at.source, at.done, at.total, at.item, at.failed)
            )
