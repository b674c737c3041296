"""In which language Kura speaks to somebody on Discord. Knows no Discord client, and no sentence."""

from __future__ import annotations

from bot.discord_bot.words_en import English as Words
from bot.discord_bot.words_ja import Japanese

__all__ = ["Words", "words"]

_ENGLISH, _JAPANESE = Words(), Japanese()


def words(locale: str) -> Words:
    """Kura's words for Discord's code of a person's language ("ja", "en-GB"); English for all that is not Japanese."""
    return _JAPANESE if locale.partition("-")[0].lower() == "ja" else _ENGLISH
