"""The buttons below messages, by their custom ids; what happens at a press is elsewhere (`cogs/`). Knows no answer.

Buttons are told apart by their ids alone, so that they work after a restart: `kura:ACTION:WHICH`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import discord

from bot.discord_bot.words import Words

Action = Literal["stop", "up", "down", "wrong", "sources", "all", "forget", "keep"]
_GREY, _RED, _BLUE = discord.ButtonStyle.secondary, discord.ButtonStyle.danger, discord.ButtonStyle.primary


def custom_id(action: Action, which: str | int) -> str:
    """The id of a button."""
    return f"kura:{action}:{which}"


def pattern(action: Action) -> str:
    """Finds the ids of an action's buttons; the group `which` is what they are for."""
    return rf"kura:{action}:(?P<which>[0-9A-Za-z_-]{{1,80}})"


def stop_view(event: int, words: Words) -> discord.ui.View:
    """Below a placeholder."""
    return _view([discord.ui.Button(style=_RED, label=words.stop_label, custom_id=custom_id("stop", event))])


def answer_view(answer: str, fuller: bool, words: Words) -> discord.ui.View:
    """Below an answer: whether it helped, its sources, and where the asker may read more the fuller one."""
    buttons: list[discord.ui.Button[discord.ui.View]] = [
        discord.ui.Button(style=_GREY, emoji="👍", label=words.up_label, custom_id=custom_id("up", answer)),
        discord.ui.Button(style=_GREY, emoji="👎", label=words.down_label, custom_id=custom_id("down", answer)),
        discord.ui.Button(style=_GREY, emoji="📄", label=words.sources_label, custom_id=custom_id("sources", answer)),
    ]
    if fuller:
        buttons.append(discord.ui.Button(style=_BLUE, label=words.fuller_label, custom_id=custom_id("all", answer)))
    return _view(buttons)


def forget_view(person: int, words: Words) -> discord.ui.View:
    """Below the question whether to forget somebody."""
    return _view(
        [
            discord.ui.Button(style=_RED, label=words.forget_label, custom_id=custom_id("forget", person)),
            discord.ui.Button(style=_GREY, label=words.keep_label, custom_id=custom_id("keep", person)),
        ]
    )


def _view(buttons: Sequence[discord.ui.Button[discord.ui.View]]) -> discord.ui.View:
    """Buttons whose presses reach the `DynamicItem` of their id: the view itself is kept nowhere."""
    view = discord.ui.View(timeout=None)
    for button in buttons:
        view.add_item(button)
    view.stop()
    return view
