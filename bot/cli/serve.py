"""`kura serve`: the HTTP server, and Discord when there is a token."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from bot.cli.options import Anyway, Config, DataDir, settings

if TYPE_CHECKING:
    from bot.settings import Settings


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = None,
    anyway: Anyway = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Answer over HTTP, and in Discord when a token is set, until interrupted."""
    import uvicorn

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await asyncio.to_thread(served.jobs.close)  # streams of jobs end by themselves then
            await super().shutdown(sockets)

    from bot.logs import configure_logs
    from bot.wiring import listen, open_kura
    from bot.wiring.handover import announced, new_server
    from bot.wiring.serving import make_served

    configure_logs("info")
    chosen = settings(context, data_dir, config)
    with ExitStack() as stack:
        wanted = host or chosen.server.host, chosen.server.port if port is None else port
        with listen(*wanted):
            pass  # it can be had; nobody is let in to wait while golden questions are asked
        _ask_golden(chosen, anyway=anyway)
        listening = stack.enter_context(listen(*wanted))
        kura = stack.enter_context(open_kura(chosen, holder="kura serve", alone=False))
        address, number = listening.getsockname()[:2]
        here = new_server(address, number, chosen.server.hosts[0] if chosen.server.hosts else "localhost", chosen)
        served = make_served(kura, here)
        serving = uvicorn.Config(
            served.app,
            log_config=None,
            access_log=False,
            lifespan="on",
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=5,
        )
        with announced(chosen.data_dir, here):
            shown = f"[{address}]" if ":" in address else address
            typer.echo(f"Kura answers on http://{shown}:{number} (documentation: /docs). Ctrl-C ends it.", err=True)
            Server(serving).run(sockets=[listening])


def _ask_golden(chosen: Settings, *, anyway: bool) -> None:
    """Ask the golden questions if what answers is not what was accepted last. Raises GoldenWorse or GoldenUnasked:
    nobody is answered then.

    It is done in an installation of its own, opened before that of the server: no connection and no engine outlives it.
    """
    if chosen.answer.golden is None:
        return
    from bot.cli.ingest import progress_bars
    from bot.evaluation.errors import GoldenWorse
    from bot.wiring import open_kura
    from bot.wiring.golden import passed, present, refused_before, unchanged

    with open_kura(chosen, holder="kura serve") as kura:
        kura.ingesting.apply_readers()  # as the server does before its first question
        if unchanged(kura):
            return
        instead = "Set it back, or start with `kura serve --anyway`: this is the measure then."
        if not anyway and (why := refused_before(kura)):
            raise GoldenWorse(f"{why} {instead}")
        typer.echo("kura: What answers was not asked the golden questions yet: they come first.", err=True)
        try:
            with progress_bars() as show:
                run, heeded = present(
                    kura, lambda at: show(at.source, at.done, at.total, at.item, at.failed), anyway=anyway
                )
        except GoldenWorse as worse:
            raise GoldenWorse(f"{worse} {instead}") from worse
    log = structlog.get_logger(__name__)
    log.info(passed(run))
    if heeded:
        log.warning(heeded)
