"""Questions made of the passages of an index, spread evenly over its documents; the same ones each time. Knows no search.

The words of a question come from a template (`bot/calibration/wording.py`) or from whatever `Writer` is handed in.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from bot.calibration.facts import content_words, facts
from bot.calibration.wording import ask
from bot.sentences import units
from retrieval.language import language
from retrieval.passages import StoredChunk

LANGUAGES = ("en", "ja")
"""Languages that questions are made in."""
SHORTEST, LONGEST = {"en": 30, "ja": 12}, 400
"""Characters of a sentence that is asked about: a shorter one says too little, a longer one is seldom one sentence."""


@dataclass(frozen=True, slots=True)
class Made:
    """A question, the document and passage it was made of, the sentence that answers it, and the answer ("": not known)."""

    text: str
    language: str
    document_id: str
    chunk_id: str
    sentence: str
    answer: str = ""
    written: bool = False
    """By a model, not by a template."""


class Writer(Protocol):
    """Words a question about a passage; "" if it cannot."""

    def __call__(self, chunk: StoredChunk) -> str: ...


def title_groups(titles: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Documents (ids) by title: copies and versions of one text stand under the same."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for document_id, title in titles.items():
        groups[" ".join(unicodedata.normalize("NFKC", title).casefold().split())].append(document_id)
    return [tuple(group) for group in groups.values()]


class Maker:
    """Makes questions from passages. `words` are texts to take replacing words from, by language."""

    def __init__(self, words: Sequence[str], seed: int) -> None:
        self._rng = Random(seed)  # noqa: S311 - the same questions each time
        self._strange: dict[str, list[str]] = {name: [] for name in LANGUAGES}
        for text in words:
            if (spoken := language(text)) in self._strange:
                self._strange[spoken] += content_words(text, spoken)

    def by_writer(self, chunk: StoredChunk, writer: Writer) -> Made | None:
        """A question in the writer's words, or else by template. Its longest sentence stands for what answers it."""
        spoken = language(chunk.text) or chunk.language
        text = writer(chunk) if spoken in LANGUAGES else ""
        found = [chunk.text[unit.start : unit.end] for unit in units(chunk.text, spoken)]
        if not text or not found:
            return self.by_template(chunk)
        return Made(text, spoken, chunk.document_id, chunk.key, max(found, key=len), written=True)

    def by_template(self, chunk: StoredChunk) -> Made | None:
        """A question about one sentence of the passage; None if no sentence states what could be asked for."""
        spoken = language(chunk.text) or chunk.language
        if spoken not in LANGUAGES:
            return None
        found = [
            (sentence, fact)
            for unit in units(chunk.text, spoken)
            if SHORTEST[spoken] <= len(sentence := chunk.text[unit.start : unit.end]) <= LONGEST and unit.kind != "code"
            for fact in facts(sentence, spoken)
        ]
        self._rng.shuffle(found)
        about = "\n".join((chunk.title, *chunk.heading))
        for sentence, fact in found:
            if text := ask(sentence, fact, about, self._strange[spoken], spoken, self._rng):
                answer = sentence[fact.start : fact.end]
                return Made(text, spoken, chunk.document_id, chunk.key, sentence, answer)
        return None


def in_turn(chunks: Mapping[str, Sequence[int]], seed: int) -> Iterator[int]:
    """The chunks (ids by document) in the order of asking: of each document one, then of each another; mixed by `seed`."""
    rng = Random(seed)  # noqa: S311 - the same order each time
    mixed = [rng.sample(list(ids), len(ids)) for _, ids in sorted(chunks.items())]
    rng.shuffle(mixed)
    for turn in range(max(map(len, mixed), default=0)):
        yield from (ids[turn] for ids in mixed if turn < len(ids))
