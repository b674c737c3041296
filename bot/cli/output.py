"""How answers, passages and reports look on a terminal. Data goes to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from bot import phrases

if TYPE_CHECKING:
    from bot.answers import Answer, Citation, Copy
    from retrieval.documents import Hit

_PLAIN: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False, "soft_wrap": True}
"""What is printed is text of documents: `[bold]`, `:key:` and `1:100:3` stand as they are; styles come with `Text`."""


def out() -> Console:
    """Standard output; colours only on a terminal, and never under NO_COLOR."""
    return Console(**_PLAIN)


def err() -> Console:
    """Standard error."""
    return Console(stderr=True, **_PLAIN)


def print_json(value: Any) -> None:
    """One JSON line on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def printable(text: str) -> str:
    """Text of documents without control characters: it must not steer the terminal. Every kind of space stays."""
    return "".join(c for c in text if c in "\n\t" or c.isprintable() or unicodedata.category(c) == "Zs")


def place(address: str, line: int, page: int | None) -> str:
    """A source's place as a terminal opens it: `file:line`, or `file p. 3`; below the working folder, relative to it."""
    path = address
    if Path(address).is_absolute():
        relative = os.path.relpath(address)
        path = address if relative.startswith("..") else relative
    return f"{path} p. {page}" if page else f"{path}:{line}"


def print_citations(console: Console, citations: Sequence[Citation], question: str = "") -> None:
    """The numbered citations of an answer: title, heading path, file and line."""
    for citation in citations:
        line = Text(f"  [{citation.n}] ", style="cyan")
        line.append(printable(" › ".join((citation.title, *_new(citation.title, citation.heading)))), style="bold")
        line.append(f"  {printable(place(citation.address, citation.line, citation.page))}", style="dim")
        if citation.dated:  # of two documents that contradict each other, it tells which is the younger
            line.append(f"  {citation.dated}", style="dim")
        if citation.changed:
            line.append(f"  ({phrases.changed(question)})", style="yellow")
        console.print(line)
        _print_copies(console, citation.also, question)


def print_sources(console: Console, answer: Answer) -> None:
    """What stands under an answer: its citations, or for a refusal the documents that came near."""
    print_citations(console, answer.citations, answer.question)
    for document in answer.nearest:
        line = f"  ~ {printable(document.title)}  {printable(place(document.address, 1, None))}"
        owner = f"  ({printable(phrases.owned(answer.question, document))})" if document.owner else ""
        console.print(Text(line + owner, style="dim"))


def print_hits(console: Console, hits: Sequence[Hit], question: str = "") -> None:
    """Passages found by a search, best first."""
    for n, hit in enumerate(hits, 1):
        head = Text(f"{n:>2}. ", style="cyan")
        head.append(printable(" › ".join((hit.title, *_new(hit.title, hit.heading)))), style="bold")
        head.append(f"  {printable(place(hit.address, hit.line, hit.page))}", style="dim")
        head.append(f"  {hit.score:.3f}" + (f"  {hit.dated}" if hit.dated else ""), style="dim")
        if hit.changed:
            head.append(f"  ({phrases.changed(question)})", style="yellow")
        console.print(head)
        _print_copies(console, hit.also, question)
        console.print(printable(hit.text))
        console.print()
    if not hits:
        console.print("Nothing found.")


def _print_copies(console: Console, copies: Sequence[Copy | Hit], question: str) -> None:
    if copies:
        places = [f"{printable(one.title)} ({printable(place(one.address, 1, None))})" for one in copies]
        console.print(Text(f"      {phrases.also(question, places)}", style="dim"))


def _new(title: str, heading: Sequence[str]) -> Sequence[str]:
    """The heading path without a first heading that only repeats the title."""
    return heading[1:] if heading and heading[0] == title else heading
