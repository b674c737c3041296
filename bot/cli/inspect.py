"""`kura init`, `kura status`, `kura doctor`, `kura config show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.options import Config, DataDir, Json, settings


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

    described = describe(settings(context, data_dir, config))
    if as_json:
        print_json(described.as_json())
        return
    typer.echo(
        f"Data folder: {described.data_dir}" + (f" (in use by {described.held_by})" if described.held_by else "")
    )
    typer.echo(f"Model:       {described.model}\nEmbedder:    {described.embedder}")
    typer.echo(f"Documents:   {described.documents}, {described.chunks} passages, {described.bytes / 2**20:.1f} MiB")
    for source in described.sources:
        discord = ", shown on Discord" if source.discord else ""
        who = ", ".join(source.readers)
        typer.echo(
            f"  {printable(source.name)}: {source.documents} documents, read by {who}{discord},"
            f" from {printable(source.root)}, last {source.synced_at or 'never'}"
        )
    if not described.sources:
        typer.echo("  Nothing has been ingested yet: run `kura ingest FOLDER`.")


def doctor(context: typer.Context, as_json: Json = False, data_dir: DataDir = None, config: Config = None) -> None:
    """Check the installation: one line each, exit 1 on a fault."""
    from bot.cli.output import print_json
    from bot.inspection import examine

    findings = examine(settings(context, data_dir, config))
    if as_json:
        print_json([{"check": one.check, "ok": one.ok, "detail": one.detail} for one in findings])
    else:
        for one in findings:
            typer.echo(f"{'ok   ' if one.ok else 'FAULT'}  {one.check}: {one.detail}")
    if not all(one.ok for one in findings):
        raise typer.Exit(1)


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
