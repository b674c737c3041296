"""`kura serve`: the HTTP server, and Discord when there is a token."""

from __future__ import annotations

import asyncio
import socket
from typing import Annotated

import typer

from bot.cli.options import Config, DataDir, settings


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = None,
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
    with (
        listen(host or chosen.server.host, chosen.server.port if port is None else port) as listening,
        open_kura(chosen, holder="kura serve", alone=False) as kura,
    ):
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
