"""What a company calls by several names: groups of words that say the same, from a `glossary.toml`.

    [[terms]]
    same = ["年休", "年次有給休暇", "paid leave", "annual leave", "PTO"]

Beside them stand Kura's own everyday words (`everyday.toml`), which lead from English to Japanese and back and never from a
word to another of its own script: a company would tire of listing that day is 日 and rent is 家賃. Knows no index.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from retrieval.errors import GlossaryError
from retrieval.reading import LITERAL, Phrase, Phrases, Reading
from retrieval.terms import is_function, is_packed, terms

EVERYDAY = Path(__file__).parent / "everyday.toml"
MOST_BYTES = 1 << 20
"""Of a glossary's file: some 20,000 groups. A larger one is a dictionary, or another file."""

MOST_NAMES = 100
"""Of one thing: a question that has one of them looks for all the others."""

_HOW = 'write [[terms]] and below it same = ["paid leave", "年次有給休暇"]'


class Glossary:
    """Which phrases say the same: each one with the others of its group."""

    def __init__(self, own: Sequence[Sequence[Phrase]], everyday: Sequence[Sequence[Phrase]] = ()) -> None:
        self._own = {phrase: group for group in own for phrase in group}
        self._everyday = {phrase: group for group in everyday for phrase in group}
        self._phrases = Phrases({**self._own, **self._everyday})

    def reading(self, question: Sequence[str]) -> Reading:
        """How texts read for a question with these terms (all of them, function words too): for each of its phrases that
        stands in the glossary, what says the same."""
        found: defaultdict[Phrase, list[str]] = defaultdict(list)
        for phrase in self._phrases.every(question):
            said = [term for term in phrase if not is_function(term)]
            for other in self._others(phrase):
                found[other] += said
        return Reading({phrase: tuple(dict.fromkeys(said)) for phrase, said in found.items() if said}) or LITERAL

    def _others(self, phrase: Phrase) -> Iterator[Phrase]:
        """What says the same: all of its own group, of the everyday words those in another script."""
        yield from (other for other in self._own.get(phrase, ()) if other != phrase)
        yield from (other for other in self._everyday.get(phrase, ()) if _script(other) != _script(phrase))


def load_glossary(path: Path) -> Glossary:
    """A company's glossary with Kura's everyday words. Raises GlossaryError, one sentence naming the file and the group."""
    return Glossary(_groups(path), _groups(EVERYDAY))


def _script(phrase: Phrase) -> bool:
    return any(map(is_packed, phrase))


def _groups(path: Path) -> list[list[Phrase]]:
    content = _content(path)
    if unknown := sorted(content.keys() - {"terms"}):
        raise GlossaryError(f"{path}: a glossary has no {unknown[0]}: {_HOW}.")
    listed = content.get("terms")
    if not isinstance(listed, list) or not listed:
        raise GlossaryError(f"{path} holds no terms: {_HOW}.")
    groups: list[list[Phrase]] = []
    place: dict[Phrase, int] = {}
    for number, entry in enumerate(listed, 1):
        group = _group(f"{path}, group {number}", entry)
        for phrase, word in group.items():
            if phrase in place:
                raise GlossaryError(
                    f"{path}, group {number}: {word!r} stands in group {place[phrase]} too: join the two groups, or take"
                    " it out of one."
                )
            place[phrase] = number
        groups.append([*group])
    return groups


def _content(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise GlossaryError(f"The glossary {path} cannot be read ({error.strerror}): check search.glossary.") from error
    if len(raw) > MOST_BYTES:
        raise GlossaryError(
            f"The glossary {path} has {len(raw):,} bytes, at most {MOST_BYTES:,} are read: keep to words of your own."
        )
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise GlossaryError(f"The glossary {path} is not UTF-8 text: save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise GlossaryError(f"The glossary {path} is not valid TOML: {error}.") from error


def _group(place: str, entry: object) -> dict[Phrase, str]:
    """The phrases of a group, each with the word it was made of."""
    words = entry.get("same") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or entry.keys() != {"same"} or not isinstance(words, list):
        raise GlossaryError(f"{place}: a group has `same`, a list of words, and nothing else.")
    if len(words) > MOST_NAMES:
        raise GlossaryError(
            f"{place}: {len(words):,} names are in this group, at most {MOST_NAMES} are read: name one thing in each group."
        )
    found: dict[Phrase, str] = {}
    for word in words:
        phrase = tuple(terms(word)) if isinstance(word, str) else ()
        if not phrase:
            raise GlossaryError(f"{place}: {word!r} is no word: write letters or digits, in quotes.")
        found.setdefault(phrase, word)
    if len(found) < 2:
        raise GlossaryError(f"{place}: a group needs two words that differ: write another name of the same thing.")
    return found
