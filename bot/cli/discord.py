"""`kura discord`: the Discord bot alone, asking a running server over HTTP."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.options import Config, DataDir, settings

if TYPE_CHECKING:
    from bot.settings import Settings


def discord(
    context: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(
            "--server", metavar="URL", help="The Kura to ask. Default: discord.server, else the one on this machine."
        ),
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Be on Discord for a running server, until interrupted; what must outlive a restart is in the data folder."""
    from bot.logs import configure_logs

    configure_logs("info")
    named = {"discord": {"server": server}} if server else {}
    asyncio.run(_until_ended(settings(context, data_dir, config, **named)))


async def _until_ended(chosen: Settings) -> None:
    from bot.wiring.discord import run_beside, server_address

    running = asyncio.ensure_future(run_beside(chosen))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    typer.echo(f"Kura asks {server_address(chosen)} for people on Discord. Ctrl-C ends it.", err=True)
    with suppress(asyncio.CancelledError):  # ended as it was told to, with those who wait told so
        await running
