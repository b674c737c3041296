"""The settings of search."""

from __future__ import annotations

from pydantic import Field

from bot.settings_base import NamedPath, Section


class SearchSettings(Section):
    """How passages are found."""

    glossary: NamedPath | None = Field(
        None, description="A file of words that say the same (`glossary.toml`), in one language or several."
    )
