"""Which language a text is in: Japanese, English, or not to be told; and its sentences. Knows scripts and small words."""

from __future__ import annotations

import re
from typing import Literal

LANGUAGES = ("en", "ja")
"""Those that can be told."""

_SAMPLE = 50_000
"""Characters looked at; a text's language shows long before."""

_KANA = re.compile(r"[ぁ-ゖァ-ヺｦ-ﾟ]")
_KANJI = re.compile(r"[㐀-䶿一-鿿々]")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")

_LATIN_PER_CJK = 4
"""A Japanese character says about as much as this many Latin letters: a Japanese page full of product names is Japanese."""

_KANJI_ALONE = 40
"""Up to so many kanji without kana are a Japanese title or question; a longer text without kana is Chinese."""

_SMALL_WORDS = frozenset(
    [
        "the",
        "of",
        "and",
        "to",
        "is",
        "that",
        "for",
        "with",
        "this",
        "are",
        "from",
        "by",
        "what",
        "how",
        "when",
        "where",
        "who",
        "which",
        "why",
        "does",
        "do",
        "did",
        "can",
        "you",
        "your",
        "we",
        "our",
        "they",
        "it",
        "its",
        "must",
        "should",
        "will",
        "would",
        "not",
        "have",
        "has",
        "be",
        "if",
        "or",
        "on",
        "at",
        "there",
        "please",
    ]
)
_SMALL_WORD_SHARE = 0.1
"""English prose has 30 to 50 % of these words, other European languages under 6 %."""


_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*|\n+")


def sentences(text: str) -> list[str]:
    """The sentences of a text, in its order, roughly: good enough to compare and to count, not to show."""
    return [piece for piece in _SENTENCE_END.split(text) if piece.strip()]


def language(text: str) -> Literal["ja", "en", ""]:
    """ "ja", "en", or "" when neither is evident (another language, code, a list of names)."""
    sample = text[:_SAMPLE]
    japanese = "" if sample.isascii() else sample
    kana, kanji = len(_KANA.findall(japanese)), len(_KANJI.findall(japanese))
    if (
        kana + kanji
        and (kana + kanji) * _LATIN_PER_CJK > len(_LATIN.findall(sample))
        and (kana or 0 < kanji <= _KANJI_ALONE)
    ):
        return "ja"
    words = _WORD.findall(sample.lower())
    if words and sum(map(_SMALL_WORDS.__contains__, words)) >= _SMALL_WORD_SHARE * len(words):
        return "en"
    return ""
