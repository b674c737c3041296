"""What `kura doctor` says of Discord: what may be shown there, and what keeps the bot from doing its work. Calls nobody."""

from __future__ import annotations

import stat
from pathlib import Path

from bot.settings import Settings, discord_server_token, discord_token
from ingest.wording import counted
from retrieval.access import EVERYBODY


def discord_detail(settings: Settings) -> str:
    """How Discord stands, and the sources whose text may go there. Raises SettingsError for a token that cannot be read."""
    chosen = settings.discord
    bot = "a token is set" if discord_token(settings) else "no token, so no bot"
    if chosen.server:
        return f"{bot}; it asks {chosen.server}, whose settings say what may be shown"
    shown = [source.name for source in settings.sources if source.discord]
    may = f"may show {', '.join(shown)}" if shown else "may show nothing (no source has discord = true)"
    where = f", in {counted(len(chosen.guilds), 'server')}" if chosen.guilds else ""
    return f"{bot}; it {may}{where}"


def discord_faults(settings: Settings) -> list[str]:
    """What is wrong, each with what to do. Nothing is while no token is set. Raises as `discord_detail` does."""
    chosen = settings.discord
    if not discord_token(settings):
        return []
    faults = [_open_to_others(file) for file in (chosen.token_file, chosen.server_token_file) if file]
    if not chosen.guilds:
        faults.append(
            "it answers nowhere: set discord.guilds to the ids of the Discord servers it is for (ask it there once: it"
            " names the id)"
        )
    if chosen.server:
        if not discord_server_token(settings):
            faults.append(f"there is no token to ask {chosen.server} with: set discord.server_token_file")
        return list(filter(None, faults))
    shown = [source for source in settings.sources if source.discord]
    if not shown:
        faults.append("it may show nothing: set discord = true for the sources whose text may go there")
    known = {EVERYBODY, *(group for source in shown for group in source.readers)}
    unknown = sorted({group for one in chosen.members for group in one.groups} - known)
    if shown and unknown:
        faults.append(
            f"discord.members names {counted(len(unknown), 'group')} that no source shown there has among its readers"
            f" ({', '.join(unknown)}): correct the name, or the source's readers"
        )
    return list(filter(None, faults))


def _open_to_others(file: Path) -> str:
    if not file.exists():
        return f"{file} is not there: put the token into it, or take the setting out"
    mode = stat.S_IMODE(file.stat().st_mode)
    return f"{file} can be read by others (mode {mode:o}): run chmod 600 {file}" if mode & 0o077 else ""
