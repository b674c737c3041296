from __future__ import annotations

from dataclasses import replace

from bot.discord_bot.ledger import Cited
from bot.discord_bot.quotes import LONGEST, block, quotes
from bot.discord_bot.recall import Reread
from bot.discord_bot.splitting import LIMIT, units
from bot.discord_bot.words import words

CITED = Cited(1, "d1", "Travel *policy*", "https://wiki.example/travel", ("Hotels",), 12, 3, "A night costs 180 EUR.")
EN, JA = words("en-GB"), words("ja")


def test_a_quote_stands_under_its_number_and_place() -> None:
    assert quotes([Reread(CITED, stands=True)], EN) == [
        "**[1]** Travel \\*policy\\* › Hotels · <https://wiki.example/travel>, p. 3\n> A night costs 180 EUR."
    ]


def test_what_the_document_says_no_more_is_not_shown() -> None:
    [shown] = quotes([Reread(CITED, stands=False)], JA)
    assert "180" not in shown
    assert "文書が変更され" in shown


def test_nothing_to_show_is_said() -> None:
    assert quotes([], EN) == [EN.no_sources]


def test_nothing_in_a_quote_is_alive() -> None:
    shown = block("# Title\n\n@everyone [this](https://evil.example)\n```\ncode\n")
    assert shown.splitlines() == [
        "> \\# Title",
        "> @\u200beveryone [this]\\(https\\://evil.example)",
        "> \\`\\`\\`",
        "> code",
    ]


def test_long_quotes_are_cut_and_many_fill_several_messages() -> None:
    long = replace(CITED, quote="経費は月末までに申請してください。" * 200)
    shown = quotes([Reread(replace(long, n=n), stands=True) for n in range(1, 9)], JA)
    assert len(shown) > 1
    assert max(map(units, shown)) <= LIMIT
    assert block(long.quote).endswith("…")
    assert len(block(long.quote)) <= LONGEST + 2
