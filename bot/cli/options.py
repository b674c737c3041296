"""Options that several commands share, and what they add up to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bot.settings import Settings


def named_path(text: str) -> Path:
    """The path that was typed. An empty one would mean the working folder: it is a slip (an unset variable, say)."""
    if not text:
        raise typer.BadParameter("the path is empty: name a folder or file")
    return Path(text)


DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        parser=named_path,
        metavar="DIR",
        help="Where the index is kept. Default: $KURA_DATA_DIR, else the XDG data folder.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        parser=named_path,
        metavar="FILE",
        help="The settings file. Default: ./kura.toml, if there is one.",
    ),
]
AsName = Annotated[str, typer.Option("--as", metavar="NAME", help="Ask as this person.")]
Groups = Annotated[
    list[str] | None, typer.Option("--group", metavar="GROUP", help="A group this person is in; may be repeated.")
]
SourceFilter = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAME", help="Search only this source; may be repeated: any of them."),
]
LanguageFilter = Annotated[
    list[str] | None,
    typer.Option("--lang", metavar="CODE", help="Search only documents in this language (en, ja); may be repeated."),
]
AfterFilter = Annotated[
    str | None,
    typer.Option("--after", metavar="DAY", help="Search only documents of this day (or month, year) or later."),
]
BeforeFilter = Annotated[
    str | None,
    typer.Option("--before", metavar="DAY", help="Search only documents of before this day (or month, year)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Whatever golden questions (answer.golden) say of it.")]
Jsonl = Annotated[
    Path | None,
    typer.Option(
        "--jsonl",
        parser=named_path,
        metavar="FILE",
        help='Answer a file of {"id", "question"} lines ("-": standard input), a JSON line each.',
    ),
]


@dataclass(slots=True)
class Global:
    """Options given before the command."""

    data_dir: Path | None = None
    config: Path | None = None


def settings(
    context: typer.Context, data_dir: Path | None = None, config: Path | None = None, **overrides: Any
) -> Settings:
    """The settings, with what was said before and after the command; after wins. Raises SettingsError."""
    from bot.settings import load

    before = context.find_root().obj or Global()
    chosen = data_dir or before.data_dir
    flags = {"data_dir": chosen.absolute()} if chosen else {}
    return load(config or before.config, {**flags, **overrides})
