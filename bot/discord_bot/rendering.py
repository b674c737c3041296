"""An answer as Discord messages. Pure; knows no client.

Nothing in the text becomes a mention, a link or a preview: documents and models write text, and only the addresses of
our own citations may be links. Of a document that is a file only its name is shown: where it lies is the company's affair.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from bot.answers import Answer, Citation
from bot.discord_bot.escaping import FENCE, break_mentions, literal, prose, without_code
from bot.discord_bot.splitting import LIMIT, split, units
from bot.discord_bot.tables import Table, find_tables
from bot.discord_bot.words import Words

_SMALL = "-# "
"""Discord's mark for a line of small grey text."""

_FOLDERS = re.compile(r"^.*[/\\](?=[^/\\])", re.DOTALL)
"""All of a path up to its last component."""

_WIDEST = 56
"""Columns of a code block that Discord shows without breaking lines in a window of usual width."""
_MOST_FILES = 10
"""Files that a message can carry."""

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
    files: list[tuple[str, str]] = []
    text = _with_tables(answer.text, prose if answer.style == "generate" else literal, words, files)
    sources = [_citation(citation, words) for citation in answer.citations]
    sources += [f"{_SMALL}• {without_code(near.title)} · {_address(near.address)}" for near in answer.nearest]
    pieces = split("\n\n".join(part for part in (text.strip(), "\n".join(sources)) if part))
    return Rendered(pieces or ["…"], files)


def render_partial(text: str, words: Words) -> str:
    """What there is of an answer that is being written, as one message; its end if it is longer than one."""
    begun = text if text.endswith("```") else text.rstrip("`")
    if "```" in FENCE.sub("", begun):  # a block that is open yet
        begun = begun.rstrip("`") if begun.endswith("```") else f"{begun}\n```"
    pieces = split(_with_tables(begun, literal, words, []).strip())
    return pieces[-1] if pieces else words.writing


def render_sentence(sentence: str) -> list[str]:
    """One sentence of our own (an error, say), which may quote what somebody wrote."""
    return split(without_code(sentence)) or ["…"]


def cited_place(title: str, heading: Sequence[str], address: str, *, line: int, page: int | None, words: Words) -> str:
    """Where something stands: document, headings, and a link or a file's name with the page or the line."""
    below = heading[1:] if heading[:1] == (title,) else heading  # many a title is the first heading
    where = " › ".join(without_code(step) for step in (title, *below) if step.strip())
    at = f":{line}" if page is None and not _is_link(address) else ""
    return f"{where} · {_address(address, at)}" + ("" if page is None else f", {words.page(page)}")


def _with_tables(text: str, harmless: Callable[[str], str], words: Words, files: list[tuple[str, str]]) -> str:
    """`text` made harmless, each table as a code block, or in a file that is added to `files`."""
    parts, after = [], 0
    for table in find_tables(text):
        parts += [harmless(text[after : table.start]), _shown(table, words, files)]
        parts += [f"\n{table.marks}"] if table.marks else []
        after = table.end
    return "".join([*parts, harmless(text[after:])])


def _shown(table: Table, words: Words, files: list[tuple[str, str]]) -> str:
    block = table.block()
    fits = table.columns <= _WIDEST and units(block) < LIMIT - len("\n```")
    if fits or len(files) == _MOST_FILES:
        return block
    name = f"table-{len(files) + 1}.csv"
    files.append((name, table.csv()))
    return words.table_in_file(name)


def _citation(citation: Citation, words: Words) -> str:
    place = cited_place(
        citation.title, citation.heading, citation.address, line=citation.line, page=citation.page, words=words
    )
    changed = f" ({words.file_changed})" if citation.changed else ""
    return f"{_SMALL}[{citation.n}] {place}{changed}"


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
