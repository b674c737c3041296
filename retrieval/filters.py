"""What a question says of the documents to search: `source:`, `lang:`, `after:`, `before:`, read out of its text.

Knows no SQL (`retrieval/passages.py` keeps to a filter inside its queries) and no principal: a filter can only take away from
what may be read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from retrieval.errors import BadFilter
from retrieval.language import LANGUAGES

_FILTER = re.compile(
    r"""(?<!\S)(?P<key>source|lang|after|before)[:：]
        (?:(?:"(?P<quoted>[^"\n]+)" | “(?P<curly>[^”\n]+)” | 「(?P<corner>[^」\n]+)」)[,;.?!、。，；？！]*
          | (?P<bare>[^\s"“”「」`]+))
        (?:\s+|\Z)
      | `[^`]*` | "[^"]*" | “[^”]*” | 「[^」]*」 | 『[^』]*』""",
    re.VERBOSE | re.IGNORECASE,
)
"""A filter as a word of its own, or quoted text, in which nothing is a filter."""
_END = ",;.?!、。，；？！"
"""What may end a sentence or a part of it, and is no part of a bare value before it."""
_DAY = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", re.ASCII)
_SHOWN = 40
"""Characters of what was typed that a sentence repeats."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which documents are searched: those that fit each part that is set. Raises BadFilter for what no document can fit.

    `sources` are names, in any width and in upper or lower case; `languages` codes of `retrieval/language.py`. `after` is the
    first day a document may be dated, `before` the day that it must be dated before; what has no date fits neither.
    """

    sources: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    after: date | None = None
    before: date | None = None

    def __post_init__(self) -> None:
        for code in sorted(self.languages - set(LANGUAGES)):
            known = " or ".join(f"lang:{one}" for one in LANGUAGES)
            raise BadFilter(
                f"lang:{code[:_SHOWN]} is no language that Kura tells: write {known}, or put the word into quotation marks to"
                " search for it."
            )
        if self.after and self.before and self.after >= self.before:
            raise BadFilter(
                f"No day is both after:{self.after} and before:{self.before}: `after` is the first day that counts, `before`"
                " the first that does not."
            )

    @classmethod
    def read(cls, sources: Iterable[str], languages: Iterable[str], after: str | None, before: str | None) -> Filters:
        """Filters from values given beside a question, days in the forms that a question may have. Raises BadFilter."""
        return cls(
            frozenset(sources),
            frozenset(languages),
            None if after is None else read_day("after", after),
            None if before is None else read_day("before", before),
        )

    def __bool__(self) -> bool:
        return self != NO_FILTERS

    def __and__(self, other: Filters) -> Filters:
        """Both: any of all their sources and languages, and the narrower span of days. Raises BadFilter if it is none."""
        return Filters(
            self.sources | other.sources,
            self.languages | other.languages,
            max((one for one in (self.after, other.after) if one), default=None),
            min((one for one in (self.before, other.before) if one), default=None),
        )

    def __str__(self) -> str:
        """As it would be typed: `source:"People team" lang:ja after:2025-01-31`; "" if nothing is set."""
        parts = [f'source:"{name}"' if re.search(r"\s", name) else f"source:{name}" for name in sorted(self.sources)]
        parts += [f"lang:{code}" for code in sorted(self.languages)]
        parts += [f"{key}:{day}" for key, day in (("after", self.after), ("before", self.before)) if day]
        return " ".join(parts)


NO_FILTERS = Filters()
"""All that may be read is searched."""


def read_filters(text: str) -> tuple[str, Filters]:
    """A question without its filters, and those. A text without any comes back as it is.

    A filter stands as a word of its own outside of quotation marks and backticks; everything else with a colon is text.
    Raises BadFilter for a day that is none, a language that is not told, and days that exclude each other.
    """
    sources: set[str] = set()
    languages: set[str] = set()
    days: dict[str, list[date]] = {"after": [], "before": []}
    kept: list[str] = []
    at = 0
    for match in _FILTER.finditer(text):
        if match["key"] is None:
            continue
        kept.append(text[at : match.start()])
        at = match.end()
        key = match["key"].lower()
        bare = match["bare"]
        value = (
            (bare.rstrip(_END) or bare[0]) if bare else (match["quoted"] or match["curly"] or match["corner"]).strip()
        )
        if key == "source":
            sources.add(value)
        elif key == "lang":
            languages.add(unicodedata.normalize("NFKC", value).lower())
        else:
            days[key].append(read_day(key, value))
    if not kept:
        return text, NO_FILTERS
    found = Filters(
        frozenset(sources),
        frozenset(languages),
        max(days["after"], default=None),
        min(days["before"], default=None),
    )
    return "".join((*kept, text[at:])).strip(), found


def read_day(key: str, value: str) -> date:
    """The first day of what is written as 2025, 2025-01 or 2025-01-31; raises BadFilter, whose sentence names `key`."""
    match = _DAY.fullmatch(unicodedata.normalize("NFKC", value))
    if match is not None:
        year, month, day = (int(part or 1) for part in match.groups())
        try:
            return date(year, month, day)
        except ValueError:
            pass  # the 31st of February
    raise BadFilter(
        f"{key}:{value[:_SHOWN]} names no day: write {key}:2025-01-31, {key}:2025-01 or {key}:2025, or put the word into"
        " quotation marks to search for it."
    )
