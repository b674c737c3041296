"""The quotes of an answer as Discord messages: what its Sources button shows. Pure; knows no client and no document."""

from __future__ import annotations

from collections.abc import Sequence

from bot.discord_bot.escaping import literal
from bot.discord_bot.recall import Reread
from bot.discord_bot.rendering import cited_place
from bot.discord_bot.splitting import split
from bot.discord_bot.words import Words

LONGEST = 700
"""Characters of one quote: three of them fill a message."""


def quotes(cited: Sequence[Reread], words: Words) -> list[str]:
    """Each quote under its number and place, or that its document says it no more. At least one message."""
    said = [_one(one, words) for one in cited]
    return split("\n\n".join(said)) or [words.no_sources]


def block(text: str, *, longest: int = LONGEST) -> str:
    """Text as a block quote, every mark shown as it is written, cut if it is long."""
    cut = text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
    # line by line, so that no code block is begun: it would reach over the end of the quote
    return "\n".join(f"> {literal(line.rstrip())}" for line in cut.splitlines() if line.strip())


def _one(one: Reread, words: Words) -> str:
    cited = one.cited
    place = cited_place(cited.title, cited.heading, cited.address, line=cited.line, page=cited.page, words=words)
    return f"**[{cited.n}]** {place}\n{block(cited.quote) if one.stands else f'*{words.quote_changed}*'}"
