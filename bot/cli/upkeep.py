"""Upkeep from the command line: done by the server that holds the data folder, or here if there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from bot.settings import Settings
    from bot.upkeep import UpkeepRequest, UpkeepResult


def kept_up(chosen: Settings, request: UpkeepRequest, *, command: str) -> UpkeepResult:
    """Do what `command` asks for, and say so. Raises what the upkeep raises, HandoverFailed."""
    result = carried_out(chosen, request, command=command)
    told(result)
    return result


def told(result: UpkeepResult) -> None:
    """Say what was done; warnings go to standard error."""
    from bot.cli.output import printable

    for sentence in result.said:
        typer.echo(printable(sentence))
    warned(result)


def warned(result: UpkeepResult) -> None:
    """Say what is to be heeded, on standard error."""
    from bot.cli.output import printable

    for sentence in result.warnings:
        typer.echo(printable(sentence), err=True)


def carried_out(chosen: Settings, request: UpkeepRequest, *, command: str, style: str | None = None) -> UpkeepResult:
    """As `kept_up`, without a word but progress. `style` is how answers are to be given, if not as the settings say."""
    from bot.cli.ingest import progress_bars
    from bot.wiring.handover import check_settings, running_server

    server = running_server(chosen.data_dir)
    if server is not None:
        from bot.cli.handover import hand_over_upkeep

        check_settings(server, chosen)
        if style is not None:
            raise typer.BadParameter("the server that holds the data folder answers as its settings say: stop it first")
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

        with open_kura(chosen, holder=command, style=style) as kura:
            return make_upkeep(kura, shared=False).run(
                request, lambda at: show(at.source, at.done, at.total, at.item, at.failed)
            )
