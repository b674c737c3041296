"""`kura init`, `kura status`, `kura doctor`, `kura config show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.options import Config, DataDir, Json, settings
from ingest.wording import counted

if TYPE_CHECKING:
    from bot.inspection import Finding
    from bot.settings import Settings


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path("kura.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented kura.toml."""
    from bot.errors import SettingsError
    from bot.settings_file import template

    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        raise SettingsError(f"{path} is there already: edit it, or replace it with `kura init --force`.") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({error.strerror}): choose another place.") from error
    typer.echo(f"Wrote {path}. Next: list your folders under [[sources]], then run `kura ingest`.")


def status(context: typer.Context, as_json: Json = False, data_dir: DataDir = None, config: Config = None) -> None:
    """What is in the index: sources, readers, documents, passages, when they were last brought up to date."""
    from bot.cli.output import print_json, printable
    from bot.inspection import describe
    from bot.stored import unconfigured
    from bot.trusting import trust_in
    from bot.wiring.parts import make_parts
    from bot.wiring.sources import configured

    chosen = settings(context, data_dir, config)
    trusted = trust_in(chosen.data_dir)
    described, left = describe(chosen, make_parts(chosen)), unconfigured(chosen, lambda: configured(chosen))
    if as_json:
        print_json(described.as_json() | {"unconfigured": [one.source for one in left], "trusted": trusted})
        return
    typer.echo(
        f"Data folder: {described.data_dir}" + (f" (in use by {described.held_by})" if described.held_by else "")
    )
    typer.echo(f"Model:       {described.model}\nEmbedder:    {described.embedder}")
    typer.echo(
        f"Documents:   {described.documents}, {counted(described.chunks, 'passage')}, {described.bytes / 2**20:.1f} MiB"
    )
    typer.echo(f"Trusted:     {trusted}")
    typer.echo(f"Refusals:    {described.refusals}")
    for source in described.sources:
        discord = ", shown on Discord" if source.discord else ""
        who = ", ".join(source.readers)
        typer.echo(
            f"  {printable(source.name)}: {counted(source.documents, 'document')}, read by {who}{discord},"
            f" from {printable(source.root)}, last {source.synced_at or 'never'}"
        )
    for one in left:
        typer.echo(f"{printable(one.unreachable)}.")
    if not described.sources:
        typer.echo("  Nothing has been ingested yet: run `kura ingest FOLDER`.")


def doctor(context: typer.Context, as_json: Json = False, data_dir: DataDir = None, config: Config = None) -> None:
    """Check the installation: one line each, exit 1 on a fault."""
    from bot.cli.output import print_json
    from bot.inspection import examine
    from bot.wiring.parts import make_parts

    chosen = settings(context, data_dir, config)
    findings = examine(chosen, make_parts(chosen))
    if all(one.ok for one in findings if one.check == "index"):  # else there may be nothing that could be read
        findings.append(_sources(chosen))
    if as_json:
        print_json([{"check": one.check, "ok": one.ok, "detail": one.detail} for one in findings])
    else:
        for one in findings:
            typer.echo(f"{'ok   ' if one.ok else 'FAULT'}  {one.check}: {one.detail}")
    if not all(one.ok for one in findings):
        raise typer.Exit(1)


def _sources(chosen: Settings) -> Finding:
    from bot.cli.output import printable
    from bot.inspection import Finding
    from bot.stored import unconfigured
    from bot.wiring.sources import configured

    left = [printable(one.unreachable) for one in unconfigured(chosen, lambda: configured(chosen))]
    return Finding("sources", not left, "; ".join(left) or "each one stored is configured, or a folder")


def config_show(context: typer.Context, as_json: Json = False, data_dir: DataDir = None, config: Config = None) -> None:
    """The settings in force, secrets masked."""
    from bot.cli.output import print_json
    from bot.settings_file import shown

    values = shown(settings(context, data_dir, config))
    if as_json:
        print_json(values)
        return
    for key, value in values.items():
        typer.echo(f"{key} = {value}")
