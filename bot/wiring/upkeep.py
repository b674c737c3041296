"""Upkeep of an open Kura (`bot/upkeep.py`), built from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.upkeep import Upkeep
from bot.wiring.sources import configured

if TYPE_CHECKING:
    from bot.wiring import Kura


def make_upkeep(kura: Kura, *, shared: bool) -> Upkeep:
    """`shared` is for a server, which answers from the index meanwhile."""
    return Upkeep(
        kura.settings.data_dir,
        kura.index,
        configured(kura.settings),
        remove=lambda name: kura.ingesting.remove(name),  # noqa: PLW0108 - its parser is made when it is needed
        shared=shared,
    )
