"""What the Discord bot works with, from the settings, inside a server or beside one. Starts no client
(`bot/discord_bot/supervise.py` does).
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from bot.bridge import Bridge
from bot.discord_bot.desk import Desk
from bot.discord_bot.ledger import Ledger
from bot.discord_bot.limits import Limits
from bot.discord_bot.local import LocalPlatform
from bot.discord_bot.ports import Platform
from bot.discord_bot.remote import RemotePlatform, ServerGone
from bot.discord_bot.supervise import run_discord
from bot.errors import SettingsError
from bot.settings import Settings, discord_server_token, discord_token

if TYPE_CHECKING:
    from bot.jobs import IngestJobs
    from bot.overview import Overview
    from bot.wiring import Kura


def make_desk(settings: Settings, platform: Platform, closing: ExitStack) -> Desk:
    """The desk of a bot whose ledger lies in the data folder. Raises DataFolderError, IndexDamaged."""
    ledger = Ledger(settings.data_dir)
    closing.callback(ledger.close)
    bridge = Bridge(threads=1)
    closing.callback(bridge.close)
    chosen = settings.discord
    return Desk(platform, chosen, ledger, bridge, Limits(chosen.per_person, chosen.per_channel))


def local_platform(kura: Kura, jobs: IngestJobs, overview: Overview) -> Platform:
    """The platform of a bot that runs inside a server."""
    shown = [source.name for source in kura.settings.sources if source.discord]
    return LocalPlatform(kura.assistant, feedback=kura.feedback, jobs=jobs, overview=overview, shown=shown)


async def run_beside(settings: Settings) -> None:
    """Be on Discord, asking a running server, until cancelled. Nothing of the index is opened here.

    Raises SettingsError for a token that is missing, and if at the start nothing of Kura answers, or refuses this client.
    """
    token, key = discord_token(settings), discord_server_token(settings)
    if not token:
        raise SettingsError(
            "There is no token of a Discord bot: name its file as discord.token_file, or set KURA_DISCORD_TOKEN."
        )
    if not key:
        raise SettingsError(
            "There is no token to ask Kura with: name its file as discord.server_token_file, or set"
            " KURA_DISCORD_SERVER_TOKEN; the server knows it by a client with discord = true."
        )
    server = server_address(settings)
    platform = RemotePlatform(server, key)
    with ExitStack() as closing:
        try:
            try:
                await platform.check()
            except ServerGone as gone:
                raise SettingsError(
                    f"No Kura answers at {server}: start `kura serve` there, or name another as --server or discord.server."
                ) from gone
            await run_discord(make_desk(settings, platform, closing), token)
        finally:
            await platform.close()


def server_address(settings: Settings) -> str:
    """Where the server is that a bot beside it asks: the one named, or that which these settings make."""
    if settings.discord.server:
        return settings.discord.server
    host = settings.server.host.removeprefix("[").removesuffix("]")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked, not listened on
    return f"http://[{host}]:{settings.server.port}" if ":" in host else f"http://{host}:{settings.server.port}"
