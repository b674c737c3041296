"""What the Discord bot works with, from the settings. Starts no client (`bot/discord_bot/supervise.py` does)."""

from __future__ import annotations

from contextlib import ExitStack
from importlib import metadata
from typing import TYPE_CHECKING

from bot.bridge import Bridge
from bot.discord_bot.desk import Desk
from bot.discord_bot.ledger import Ledger
from bot.discord_bot.limits import Limits
from bot.discord_bot.local import LocalPlatform
from bot.discord_bot.ports import Platform
from bot.overview import Overview
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.jobs import IngestJobs
    from bot.wiring import Kura


def make_desk(settings: Settings, platform: Platform, closing: ExitStack) -> Desk:
    """The desk of a bot whose ledger lies in the data folder. Raises DataFolderError, IndexDamaged."""
    ledger = Ledger(settings.data_dir)
    closing.callback(ledger.close)
    bridge = Bridge(threads=1)
    closing.callback(bridge.close)
    chosen = settings.discord
    return Desk(platform, chosen, ledger, bridge, Limits(chosen.per_person, chosen.per_channel))


def local_platform(kura: Kura, jobs: IngestJobs) -> Platform:
    """The platform of a bot that runs inside a server."""
    shown = [source.name for source in kura.settings.sources if source.discord]
    return LocalPlatform(
        kura.assistant, feedback=kura.feedback, jobs=jobs, overview=make_overview(kura, jobs), shown=shown
    )


def make_overview(kura: Kura, jobs: IngestJobs) -> Overview:
    """How a server stands."""
    return Overview(
        version=metadata.version("kurabot"),
        readiness=kura.readiness,
        engine=kura.assistant.engine_state,
        jobs=jobs,
        reports=kura.reports,
    )
