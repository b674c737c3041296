from __future__ import annotations

import asyncio

import discord
import pytest
from discord import app_commands

from bot.discord_bot.translating import JAPANESE, JapaneseCommands

CONTEXT: app_commands.TranslationContextTypes = app_commands.TranslationContext(
    app_commands.TranslationContextLocation.other, None
)


@pytest.mark.parametrize("english", JAPANESE)
def test_a_text_fits_where_discord_shows_it(english: str) -> None:
    assert 0 < len(JAPANESE[english]) <= 100 >= len(english)
    assert not JAPANESE[english].isascii()


@pytest.mark.parametrize(
    ("text", "locale", "said"),
    [
        ("What to look for", discord.Locale.japanese, "探したい内容"),
        ("What to look for", discord.Locale.german, None),
        ("ask", discord.Locale.japanese, None),
    ],
)
def test_only_japanese_is_translated_and_only_what_is_known(
    text: str, locale: discord.Locale, said: str | None
) -> None:
    assert asyncio.run(JapaneseCommands().translate(app_commands.locale_str(text), locale, CONTEXT)) == said
