from __future__ import annotations

import pytest

from bot.discord_bot.escaping import INVISIBLE, break_mentions, literal, prose, without_code

LIVE = (
    "@everyone",
    "@here",
    "<@123456789012345678>",
    "<@!123456789012345678>",
    "<@&123456789012345678>",
    "<#123456789012345678>",
    "</ask:123456789012345678>",
    "<:smile:123456789012345678>",
    "<a:wave:123456789012345678>",
    "<t:1700000000:R>",
    "<id:customize>",
)


def shown(text: str) -> str:
    """What Discord shows of text outside of code: backslashes before a sign are taken away."""
    out, signs = [], iter(text.replace(INVISIBLE, ""))
    for sign in signs:
        out.append(next(signs, "") if sign == "\\" else sign)
    return "".join(out)


@pytest.mark.parametrize("mention", LIVE)
@pytest.mark.parametrize("around", ["{}", "a {} b", "`{}`", "```\n{}\n```", "`{}", "\\{}", "**{}**", "[{}](x)"])
def test_no_mention_survives_anywhere(mention: str, around: str) -> None:
    text = around.format(mention)
    for harmless in (prose(text), literal(text), without_code(text)):
        assert mention not in harmless
        assert INVISIBLE in harmless


@pytest.mark.parametrize(
    "text",
    [
        "see https://evil.example/x",
        "<https://evil.example/x>",
        "[click](https://evil.example/x)",
        "![chart](https://evil.example/x.png)",
        "[click](<https://evil.example/x>)",
        "\\[click](\\https://evil.example/x)",
        "`[click`](https://evil.example/x)",
    ],
)
def test_no_link_or_image_survives(text: str) -> None:
    for harmless in (prose(text), literal(text)):
        assert "https://" not in harmless
        assert "](" not in harmless


def test_an_invitation_does_not_unfold() -> None:
    assert prose("discord.gg/abc discord.com/invite/abc discordapp.com/x") == (
        "discord\\.gg/abc discord\\.com/invite/abc discordapp\\.com/x"
    )


def test_quoted_text_is_shown_as_it_is_written() -> None:
    text = "# Not a heading\n> no quote\nmy_file_name 2 * 3 * 4 `open ||x|| ~~y~~ C:\\new <b> \\* @here -# z"
    assert shown(literal(text)) == text
    assert literal("__init__.py") == "\\_\\_init\\_\\_.py"


def test_prose_keeps_its_emphasis_and_lists() -> None:
    text = "## Limits\n- **180 EUR** a night [1]\n- *more* in ~~2024~~ [2]"
    assert prose(text) == text


def test_code_is_left_as_it_is() -> None:
    text = "Run `kura_ask --as *` or\n```bash\nls *_* | grep <x>\n```\nand _then_"
    assert prose(text) == text
    assert literal(text) == text.replace("_then_", "\\_then\\_")


def test_a_fence_that_is_never_closed_opens_nothing() -> None:
    assert "```" not in prose("```python\nprint(1)")


def test_a_title_is_one_line_without_marks() -> None:
    assert without_code("A `b`\n*c*") == "A \\`b\\` \\*c\\*"


def test_plain_text_is_not_touched() -> None:
    assert break_mentions("mail me: kura@example.com, 3 < 4") == "mail me: kura@example.com, 3 < 4"
    assert literal("経費は月末までに申請してください。[1] (p. 3)") == "経費は月末までに申請してください。[1] (p. 3)"
