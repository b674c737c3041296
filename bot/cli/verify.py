"""`kura verify` and `kura repair`: is the index what the sources hold, and the index made whole again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.options import Anyway, Config, DataDir, Json, settings
from ingest.wording import counted

if TYPE_CHECKING:
    from ingest.verification import SourceProof

MOST_NAMED = 20
"""Items named one by one under a source, of each kind of difference; the rest are counted."""


def verify(
    context: typer.Context,
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE...", help="Names of sources. Default: all.", show_default=False),
    ] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Prove that the index is what the sources hold: every document is read and hashed again. Exit 1 on a difference."""
    from bot.cli.output import print_json
    from bot.cli.upkeep import kept_up
    from bot.upkeep import UpkeepRequest

    request = UpkeepRequest("verify", tuple(dict.fromkeys(sources or ())))
    found = kept_up(settings(context, data_dir, config), request, command="kura verify").found
    if found is None:
        raise typer.Exit(1)
    if as_json:
        print_json(found.as_json())
    else:
        for proof in found.sources:
            _print_proof(proof)
        for fault in found.faults:
            typer.echo(f"index: {fault.sentence}.")
        whole = "index and sources are the same" if found.agrees else "index and sources are NOT the same"
        typer.echo(
            f"{counted(found.documents, 'document')}, {counted(found.chunks, 'passage')}: {whole}; {found.seconds:.1f} s"
        )
        if found.faults:
            typer.echo("`kura repair` makes the index anew from the stored documents.")
        if not all(proof.agrees for proof in found.sources):
            typer.echo("`kura ingest` brings the index to the present state of its sources.")
    if not found.agrees:
        raise typer.Exit(1)


def repair(context: typer.Context, anyway: Anyway = False, data_dir: DataDir = None, config: Config = None) -> None:
    """Make the indexes anew from the stored documents, without their sources; embeds with the embedder now set."""
    from bot.cli.upkeep import kept_up
    from bot.upkeep import UpkeepRequest

    request = UpkeepRequest("repair", anyway=anyway)
    kept_up(settings(context, data_dir, config), request, command="kura repair")


def _print_proof(proof: SourceProof) -> None:
    from bot.cli.output import printable

    name = printable(proof.source)
    was = "it was" if proof.same == 1 else "they were"
    typer.echo(f"{name}: {counted(proof.same, 'document')} as {was} read")
    if proof.unreachable:
        typer.echo(f"  not reached: {printable(proof.unreachable)}")
    kinds = {
        "missing in the index": proof.missing,
        "not in the source any more": proof.extra,
        "changed in the source": proof.changed,
        "stored for other readers": proof.repermitted,
        "not read": tuple(proof.unreadable.values()),
        "cannot be read, and is not in the index": tuple(proof.known_unreadable.values()),
    }
    for kind, items in kinds.items():
        for item in items[:MOST_NAMED]:
            typer.echo(f"  {kind}: {printable(item)}")
        if len(items) > MOST_NAMED:
            typer.echo(f"  {kind}: {len(items) - MOST_NAMED} more")
