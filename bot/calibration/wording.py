"""A question about a fact, without a model: the sentence's words without the answer, fewer, reordered, some replaced. Pure.

It reads like a note, not like a sentence; what counts is that its words relate to the passage as those of people's
questions do. Knows English and Japanese; the randomness is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from bot.calibration.facts import Fact, Kind, content_words

LEAST_WORDS = 3
"""Content words a question needs; with fewer nobody could tell what it is about."""
MOST_WORDS = {"en": 7, "ja": 6}
"""Content words a question has at most: people's have five on average (JaQuAD, PolicyQA)."""
MOST_STRANGE = {"en": 0.4, "ja": 0.2}
"""Up to this share of a question's words is replaced by others of the company's: what people say in other words than the
document. Each question has a share of its own, from none on: some know the document, most do not. On average as far from the
documents as the questions of PolicyQA and of JaQuAD's training part."""
ABOUT = 0.8
"""Share of the questions that also name something of heading or title; chosen likewise."""
TURNED = 0.5
"""Share of the questions whose words change places."""
INFLECTED = 0.25
"""Share of the English words that change between singular and plural."""

_ASKS: dict[str, dict[Kind, tuple[str, ...]]] = {
    "en": {
        "time": ("When", "In what year", "On which date"),
        "number": ("How many", "How much", "What number of"),
        "name": ("Who", "Which", "Where", "What"),
        "what": ("What is", "What does it mean:", "How is it described:"),
    },
    "ja": {
        "time": ("はいつですか", "は何年ですか"),
        "number": ("はいくつですか", "はどのくらいですか"),
        "name": ("は誰ですか", "はどこですか", "は何ですか", "の名前は"),
        "what": ("とは何ですか", "はどういうものですか"),
    },
}
_PARTICLES = ("の", "で", "が", "を", "に")


def ask(sentence: str, fact: Fact, about: str, strange: Sequence[str], language: str, rng: Random) -> str:
    """A question whose answer is the fact; "" if the rest of the sentence says too little.

    `about` is the text of title and headings; `strange` are words to take replacements from. `language` is en or ja.
    """
    rest = f"{sentence[: fact.start]}\n{sentence[fact.end :]}"
    answer = sentence[fact.start : fact.end].casefold()
    words = [word for word in content_words(rest, language) if word.casefold() not in answer]
    if len(words) < LEAST_WORDS:
        return ""
    kept = sorted(rng.sample(range(len(words)), rng.randint(LEAST_WORDS, min(len(words), MOST_WORDS[language]))))
    chosen = [words[at] for at in kept]
    if strange:
        share = rng.uniform(0, MOST_STRANGE[language])
        chosen = [rng.choice(strange) if rng.random() < share else word for word in chosen]
    told = [word for word in content_words(about, language) if word not in words and word.casefold() not in answer]
    if told and rng.random() < ABOUT:
        chosen += rng.sample(told, 1)
    if rng.random() < TURNED:
        cut = rng.randrange(len(chosen))
        chosen = chosen[cut:] + chosen[:cut]
    asks = rng.choice(_ASKS[language][fact.kind])
    if language == "ja":
        return "".join(f"{word}{rng.choice(_PARTICLES)}" for word in chosen[:-1]) + chosen[-1] + asks + "？"
    return f"{asks} {' '.join(_inflected(word) if rng.random() < INFLECTED else word for word in chosen)}?"


def _inflected(word: str) -> str:
    """The other number of a regular noun (or person of a verb); what is short, capitalised or no word stays."""
    if len(word) < 4 or not word.isascii() or not word.isalpha() or not word.islower():
        return word
    if word.endswith("s"):
        return word if word.endswith(("ss", "us", "is")) else word[:-1]
    return f"{word}es" if word.endswith(("x", "ch", "sh")) else f"{word}s"
