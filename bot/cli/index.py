"""`kura index list|switch|drop`: the generations of the index, one of which answers."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.options import Anyway, Config, DataDir, Json, settings
from ingest.wording import counted

index_app = typer.Typer(
    no_args_is_help=True,
    help="Generations of the index: another embedder or size of passages makes a new one beside the one that answers.",
)

Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="As `kura index list` shows it.")]


@index_app.command("list")
def list_generations(
    context: typer.Context, as_json: Json = False, data_dir: DataDir = None, config: Config = None
) -> None:
    """What generations there are, and which one answers."""
    from bot.cli.output import print_json, printable
    from bot.inspection import describe_generations

    found = describe_generations(settings(context, data_dir, config))
    if as_json:
        print_json([one.as_json() for one in found])
        return
    for one in found:
        sign, state = ("*", "answers") if one.answers else (" ", "ready" if one.ready else "not whole yet")
        typer.echo(
            f"{sign} {one.number}  {state}: {counted(one.documents, 'document')}, {counted(one.chunks, 'passage')}, embedder"
            f" {printable(one.embedder)}, made by {printable(one.recipe) or 'an older Kura'}, {one.created_at or ''}".rstrip(
                ", "
            )
        )
    if not found:
        typer.echo("Nothing has been ingested yet: run `kura ingest FOLDER`.")


@index_app.command("switch")
def switch(
    context: typer.Context, number: Number, anyway: Anyway = False, data_dir: DataDir = None, config: Config = None
) -> None:
    """Let another generation answer, if golden questions fare no worse; what changed since it last did is taken in first."""
    from bot.cli.upkeep import kept_up
    from bot.upkeep import UpkeepRequest

    request = UpkeepRequest("switch", generation=number, anyway=anyway)
    kept_up(settings(context, data_dir, config), request, command="kura index switch")


@index_app.command("drop")
def drop(context: typer.Context, number: Number, data_dir: DataDir = None, config: Config = None) -> None:
    """Remove a generation that does not answer, with its words and vectors."""
    from bot.cli.upkeep import kept_up
    from bot.upkeep import UpkeepRequest

    request = UpkeepRequest("drop", generation=number)
    kept_up(settings(context, data_dir, config), request, command="kura index drop")
