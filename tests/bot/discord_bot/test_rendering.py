from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answers import Answer, Nearest, Style
from bot.discord_bot import rendering
from bot.discord_bot.escaping import FENCE, INVISIBLE
from bot.discord_bot.rendering import render_sentence
from bot.discord_bot.splitting import LIMIT, units
from bot.discord_bot.words import words
from tests.bot.discord_bot.fakes import HOTELS, answer


def render(said: Answer, locale: str = "en-US") -> list[str]:
    return rendering.render(said, words(locale)).pieces


def test_an_answer_is_followed_by_its_numbered_sources() -> None:
    paged = replace(HOTELS, n=2, title="Handbook", heading=(), address="手引き.pdf", page=7)
    assert render(answer("180 EUR [1], more in towns [2].", citations=(HOTELS, paged))) == [
        "180 EUR [1], more in towns [2].\n\n"
        "-# [1] Travel policy › Hotels › Limits · `travel.md:12`\n"
        "-# [2] Handbook · `手引き.pdf`, p. 7"
    ]


def test_a_refusal_names_the_nearest_documents() -> None:
    refusal = answer(
        "The documents do not say.",
        citations=(),
        style="refusal",
        nearest=(Nearest("d1", "Travel policy", "travel.md"), Nearest("d2", "Leave", "https://wiki.example/leave")),
    )
    assert render(refusal) == [
        "The documents do not say.\n\n-# • Travel policy · `travel.md`\n-# • Leave · <https://wiki.example/leave>"
    ]


def test_the_address_of_a_citation_is_a_link_without_a_preview() -> None:
    linked = replace(HOTELS, heading=(), address="https://wiki.example/travel?page=1#hotels")
    assert render(answer("x [1]", citations=(linked,))) == [
        "x [1]\n\n-# [1] Travel policy · <https://wiki.example/travel?page=1#hotels>"
    ]


@pytest.mark.parametrize(
    "address", ["https://a.example/> <@123456789012345678> @everyone", "https://a.example/\n@here"]
)
def test_an_address_cannot_break_out_of_its_link(address: str) -> None:
    [piece] = render(answer("x [1]", citations=(replace(HOTELS, address=address),)))
    assert piece.count(">") == piece.count("<") == 1
    assert "\n@" not in piece
    assert " @everyone" not in piece


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "https://[", "a `b` @everyone.md", "<@123456789012345678>", "x\ny.md"]
)
def test_what_is_no_web_address_is_no_link(address: str) -> None:
    [piece] = render(answer("x [1]", citations=(replace(HOTELS, address=address),)))
    shown = piece.splitlines()[-1].partition(" · ")[2]
    assert not any(live in shown for live in ("@everyone", "<@"))
    assert shown.startswith("`") == shown.endswith("`") == ("`b" not in shown)
    assert piece.count("\n") == 2


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/srv/kura/hr private/travel.md", "travel.md"),
        ("C:\\Users\\mori\\travel.md", "travel.md"),
        ("file:///srv/kura/travel.md", "travel.md"),
        ("/srv/kura/a\nb/travel.md", "travel.md"),
        ("/srv/規程/旅費`.md", "旅費\\`.md"),
    ],
)
def test_no_folder_of_the_server_is_shown(address: str, shown: str) -> None:
    [piece] = render(answer("x [1]", citations=(replace(HOTELS, address=address),)))
    assert piece.splitlines()[-1].partition(" · ")[2].strip("`") == f"{shown}:12"
    near = answer("Not there.", citations=(), style="refusal", nearest=(Nearest("d1", "Travel", address),))
    assert render(near)[0].partition(" · ")[2].strip("`") == shown


def test_titles_and_headings_are_data() -> None:
    hostile = replace(HOTELS, title="**@everyone**", heading=("[x](https://evil.example)", "two\nlines", " "))
    [piece] = render(answer("x [1]", citations=(hostile,)))
    assert piece.splitlines()[-1] == (
        f"-# [1] \\*\\*@{INVISIBLE}everyone\\*\\* › [x]\\(https\\://evil.example) › two lines · `travel.md:12`"
    )


def test_a_quotation_is_literal_and_prose_is_markdown() -> None:
    assert render(answer("**bold**", citations=()))[0] == "\\*\\*bold\\*\\*"
    assert render(answer("**bold**", citations=(), style="generate"))[0] == "**bold**"


def test_an_answer_of_nothing_is_still_something_to_send() -> None:
    assert render(answer("  ", citations=())) == ["…"]
    assert render_sentence("") == ["…"]


def test_many_long_citations_fit() -> None:
    many = tuple(replace(HOTELS, n=n, heading=("見出し" * 40,)) for n in range(1, 60))
    pieces = render(answer("本文。" * 900, citations=many))
    assert max(map(units, pieces)) <= LIMIT
    assert "".join(pieces).count("travel.md:12") == 59


def test_a_sentence_may_quote_what_somebody_wrote() -> None:
    assert render_sentence("No such source: @everyone") == [f"No such source: @{INVISIBLE}everyone"]


def test_a_file_that_has_changed_since_it_was_read_is_said_in_the_language_of_the_answer() -> None:
    said = answer("180 EUR [1]", citations=(replace(HOTELS, changed=True),))
    assert render(said)[0].endswith("`travel.md:12` (the file has changed since it was read)")
    assert render(said, "ja")[0].endswith("(読み込み後に変更されています)")


TABLE = "| City | Limit |\n|---|--:|\n| 東京 | 180 |"


@pytest.mark.parametrize("style", ["quote", "generate"])
def test_a_table_is_an_aligned_block(style: Style) -> None:
    said = answer(f"These hold:\n\n{TABLE}\n\nAnd **so** on.", citations=(), style=style)
    assert render(said)[0].startswith("These hold:\n\n```\nCity | Limit\n-----+------\n東京 |   180\n```\n\nAnd ")


def test_a_table_too_wide_or_too_long_is_a_file() -> None:
    wide = "| " + " | ".join(["a long heading of a column"] * 3) + " |\n|---|---|---|\n| 1 | 2 | 3 |"
    long = "| a | b |\n|---|---|\n" + "| some words | 東京 |\n" * 200
    rendered = rendering.render(answer(f"See:\n\n{wide}\n\n{long}", citations=()), words("en"))
    assert rendered.pieces == ["See:\n\n*(table: see the file table-1.csv)*\n\n*(table: see the file table-2.csv)*"]
    assert [name for name, _ in rendered.files] == ["table-1.csv", "table-2.csv"]
    assert rendered.files[1][1].count("some words,東京\r\n") == 200
    assert all(text.startswith("\ufeff") for _, text in rendered.files)


def test_more_tables_than_a_message_carries_are_blocks() -> None:
    long = "| a | b |\n|---|---|\n" + "| some words | 東京 |\n" * 150
    rendered = rendering.render(answer(f"{long}\n\n" * 11, citations=()), words("en"))
    assert len(rendered.files) == 10
    assert "".join(rendered.pieces).count("some words | 東京") == 150
    assert all(units(piece) <= LIMIT and piece.count("```") % 2 == 0 for piece in rendered.pieces)


MARKDOWN = st.lists(
    st.sampled_from(
        [
            "経費は月末まで。",
            "```python\nprint(1)\n",
            "```",
            "`",
            "\n",
            "| a | b |\n",
            "|---|---|\n",
            "👍🏽",
            "@everyone ",
            "x" * 300,
        ]
    ),
    max_size=60,
).map("".join)


@settings(deadline=None)
@given(MARKDOWN)
def test_every_state_of_an_answer_is_one_safe_closed_message(text: str) -> None:
    partial = rendering.render_partial(text, words("en"))
    assert 0 < units(partial) <= LIMIT
    assert partial.strip()
    assert "@everyone" not in partial
    assert not re.search(r"(?<!\\)```", FENCE.sub("", partial))


def test_an_open_fence_is_shown_closed() -> None:
    assert rendering.render_partial("Run:\n```sh\nkura ing", words("en")) == "Run:\n```sh\nkura ing\n```"
    assert rendering.render_partial("", words("ja")) == words("ja").writing
