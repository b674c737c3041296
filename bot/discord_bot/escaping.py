"""Text that came from documents, models and people, made harmless for Discord. Knows no answer and no message limit.

Outside of code a backslash takes a character's meaning away and is not shown. Inside code nothing is interpreted, so
nothing may be escaped there. Mentions are also broken by an invisible space, in code as well: Discord's servers look
for them without parsing Markdown.
"""

from __future__ import annotations

import re

INVISIBLE = "\u200b"
"""Zero-width space."""

FENCE = re.compile(r"```(?:(?P<language>[A-Za-z0-9_+\-.#]{1,30})\n)?(?P<body>.+?)```", re.DOTALL)
"""A code block as Discord reads it: anywhere in a line; a first word is the language if a new line follows it."""

INLINE_CODE = re.compile(r"(?<!`)`[^`\n]+`(?!`)")

_CODE = re.compile(f"(?P<fence>{FENCE.pattern})|(?P<inline>{INLINE_CODE.pattern})", re.DOTALL)

_MENTION = re.compile(r"<(?=@|#|a?:|t:|id:|/[^<>\n]+:\d)|@(?=everyone|here)")

_ALWAYS = (
    r"\\|`|<"
    r"|(?<=\w):(?=//)"  # a bare address would become a link, and the link a preview
    r"|(?<=\])\("  # [words](address)
    r"|(?<=discord)\.(?=gg|com)|(?<=discordapp)\.(?=com)"  # invitations unfold without any scheme
)
_LIVE = re.compile(_ALWAYS)
_LITERAL = re.compile(_ALWAYS + r"|[*_~|]|(?<!\S)(?:#(?=#{0,2}\s)|>(?=\s|>)|-(?=#\s))")


def prose(text: str) -> str:
    """Keep Markdown's emphasis, lists, headings and code; take out mentions, links, images and previews."""
    return _outside_code(text, _LIVE)


def literal(text: str) -> str:
    """As `prose`, and every other mark outside of code is shown as it is written (`__init__.py` stays that)."""
    return _outside_code(text, _LITERAL)


def without_code(text: str) -> str:
    """One line, every mark shown as it is written: for titles, headings and sentences of our own."""
    return _plain(" ".join(text.split()), _LITERAL)


def break_mentions(text: str) -> str:
    """Put an invisible space into whatever Discord would turn into a mention, a custom emoji or a time."""
    return _MENTION.sub(lambda found: found[0] + INVISIBLE, text)


def _outside_code(text: str, special: re.Pattern[str]) -> str:
    parts, after = [], 0
    for code in _CODE.finditer(text):
        parts += [_plain(text[after : code.start()], special), break_mentions(code[0])]
        after = code.end()
    return "".join([*parts, _plain(text[after:], special)])


def _plain(text: str, special: re.Pattern[str]) -> str:
    return break_mentions(special.sub(lambda found: "\\" + found[0], text))
