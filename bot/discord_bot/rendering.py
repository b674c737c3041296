"""An answer as Discord messages. Pure; knows no client.

Nothing in the text becomes a mention, a link or a preview: documents and models write text, and only the addresses of
our own citations may be links. Of a document that is a file only its name is shown: where it lies is the company's affair.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from bot.answers import Answer, Citation
from bot.discord_bot.escaping import break_mentions, literal, prose, without_code
from bot.discord_bot.splitting import split
from bot.discord_bot.words import Words

_SMALL = "-# "
"""Discord's mark for a line of small grey text."""

_FOLDERS = re.compile(r"^.*[/\\](?=[^/\\])", re.DOTALL)
"""All of a path up to its last component."""

_URL_SAFE = "/:?#[]@!$&'()*+,;=%~"


@dataclass(frozen=True, slots=True)
class Rendered:
    """Messages to be sent in order, and (name, text) of the files that go with the last of them, as UTF-8."""

    pieces: list[str]
    files: list[tuple[str, str]]


def render(answer: Answer, words: Words) -> Rendered:
    """The answer's text and under it its numbered citations, or the nearest documents if it is a refusal.

    `words` are those of the answer's language. At least one piece, each of at most 2,000 characters and not blank.
    """
    text = prose(answer.text) if answer.style == "generate" else literal(answer.text)
    sources = [_citation(citation, words) for citation in answer.citations]
    sources += [f"{_SMALL}• {without_code(near.title)} · {_address(near.address)}" for near in answer.nearest]
    pieces = split("\n\n".join(part for part in (text.strip(), "\n".join(sources)) if part))
    return Rendered(pieces or ["…"], [])


def render_sentence(sentence: str) -> list[str]:
    """One sentence of our own (an error, say), which may quote what somebody wrote."""
    return split(without_code(sentence)) or ["…"]


def _citation(citation: Citation, words: Words) -> str:
    where = " › ".join(without_code(step) for step in (citation.title, *citation.heading) if step.strip())
    page = "" if citation.page is None else f", {words.page(citation.page)}"
    line = f":{citation.line}" if citation.page is None and not _is_link(citation.address) else ""
    changed = f" ({words.file_changed})" if citation.changed else ""
    return f"{_SMALL}[{citation.n}] {where} · {_address(citation.address, line)}{page}{changed}"


def _address(address: str, line: str = "") -> str:
    """A link that unfolds no preview, or a file's name as inline code."""
    if _is_link(address):
        return f"<{quote(address, safe=_URL_SAFE)}>"
    name = " ".join(_FOLDERS.sub("", address).split()) + line
    return without_code(name) if "`" in name else f"`{break_mentions(name)}`"


def _is_link(address: str) -> bool:
    try:
        return urlsplit(address).scheme in {"http", "https"}
    except ValueError:  # not an address after all, "https://[": show it as it is written
        return False
