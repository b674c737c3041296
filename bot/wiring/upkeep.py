"""Upkeep of an open Kura (`bot/upkeep.py`), built from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.upkeep import Upkeep
from bot.wiring.asking import Asking
from bot.wiring.sources import configured

if TYPE_CHECKING:
    from bot.wiring import Kura


def make_upkeep(kura: Kura, *, shared: bool) -> Upkeep:
    """`shared` is for a server, which answers from the index meanwhile."""

    def remove(name: str) -> int:
        count = kura.ingesting.remove(name)
        configured(kura.settings)  # where a source still takes uploads, their folder is there again
        return count

    return Upkeep(
        kura.settings.data_dir,
        kura.index,
        configured(kura.settings),
        remove=remove,
        asking=Asking(kura),
        shared=shared,
    )
