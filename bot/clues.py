"""What speaks for a sentence as the answer to a question: the features `bot/evidence.py` weighs. Pure.

Knows hits and units; no weights, no threshold, no index. All features are shares (0..1) or small logarithms, so that they
mean the same in a small corpus and a large one, in English and in Japanese.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.asking import NUMBER, Asked
from bot.sentences import Unit, units
from retrieval.documents import Hit
from retrieval.found import Found
from retrieval.terms import is_function, terms

_TIME = re.compile(
    r"\b(?:1\d|20)\d\d\b|[0-9０-９一二三四五六七八九十]+(?:年|月|日|時|世紀)|\b\d{1,2}:\d\d\b"
    r"|\b\d{1,2}(?:st|nd|rd|th)\b|\b\d{1,2} ?[ap]\.?m\b"
    r"|\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
    r"|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|\b(?:century|morning|noon|evening|midnight|daily|weekly|monthly)\b"
    r"|[月火水木金土日]曜|時代|時期|当時|[春夏秋冬]"
)
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w’'-]+|[ァ-ヺー]{3,}|[一-鿿]{2,}")
_REASON = re.compile(
    r"\b(?:because|since|due to|so that|in order|therefore|as a result|caused?|led to)\b|ため|から|ので|よって|より",
    re.IGNORECASE,
)
_SHOWS = {"time": _TIME, "number": NUMBER, "name": _NAME, "reason": _REASON}

_SAYS_WHAT = re.compile(
    r"(.{1,60}?)(?: (?:is|are|was|were|refers to|means)\b|（[^）]*）(?:とは|は)|とは|は、)", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Clue:
    """A unit of a hit, and what speaks for it or against it."""

    hit: int
    """Its place among the hits, from 0."""
    unit: Unit
    features: Mapping[str, float]


def clues(asked: Asked, found: Found) -> list[Clue]:
    """Every unit of every hit, hit by hit, in the order of the text."""
    best = max((hit.score for hit in found.hits), default=0.0)
    read = [_read(asked, hit, found) for hit in found.hits]
    around = [f"{passage.hit.title}\n{text}" for passage in read for text in passage.around]
    alike = iter(found.likeness(around) if found.likeness else [0.0] * len(around))
    measure = _Measure(
        _local_rarity(asked, [held for passage in read for held in passage.held]),
        sorted(asked.share(near) for passage in read for near in passage.near),
    )
    return [
        Clue(place, unit, _words_of(asked, passage, number, measure) | _looks_of(asked, passage, number) | rest)
        for place, passage in enumerate(read)
        for relative in [max(passage.hit.score, 0.0) / best if best > 0 else 0.0]
        for number, unit in enumerate(passage.units)
        for rest in [{"relative": relative, "likeness": next(alike)}]
    ]


@dataclass(frozen=True, slots=True)
class _Measure:
    """What a unit is measured by among all units: weights of the question's terms, and the shares the units hold, ascending."""

    local: Mapping[str, float]
    shares: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Passage:
    """A hit with its units: of each its terms, the question's terms it holds, the same with title, headings and what leads in
    to it, and its text with its neighbours. And the share of the question that the whole holds."""

    hit: Hit
    units: list[Unit]
    listed: list[Sequence[str]]
    held: list[dict[str, float]]
    near: list[dict[str, float]]
    around: list[str]
    share: float

    def text(self, number: int) -> str:
        return self.hit.text[self.units[number].start : self.units[number].end]


def _read(asked: Asked, hit: Hit, found: Found) -> _Passage:
    def held(text: str) -> dict[str, float]:
        return asked.held(found.read(terms(text)))

    pieces = units(hit.text, hit.language)
    listed = [found.read(terms(hit.text[unit.start : unit.end])) for unit in pieces]
    own = [asked.held(each) for each in listed]
    about = held(" \n ".join((hit.title, *hit.heading)))
    leads = [held(hit.text[slice(*unit.context)]) if unit.context else {} for unit in pieces]
    edges = zip((*pieces[:1], *pieces), (*pieces[1:], *pieces[-1:]), strict=False)
    return _Passage(
        hit,
        pieces,
        listed=listed,
        held=own,
        near=[_together(each, about, lead) for each, lead in zip(own, leads, strict=True)],
        around=[hit.text[before.start : after.end] for before, after in edges],
        share=asked.share(_together(about, *own)),
    )


def _local_rarity(asked: Asked, held: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The question's weights, lighter for what many of the units hold: the subject of all says little about any."""
    holding = Counter(term for each in held for term in each)
    return {term: weight * math.log1p(len(held) / (1 + holding[term])) for term, weight in asked.weights.items()}


def _words_of(asked: Asked, read: _Passage, number: int, measure: _Measure) -> dict[str, float]:
    """What a unit, and what stands around it, holds of the question's words."""
    own, near = read.held[number], read.near[number]
    before = _together(near, read.held[number - 1]) if number else near
    after = _together(near, read.held[number + 1]) if number + 1 < len(read.units) else near
    beside = [
        asked.part(asked.focus, each)
        for each in (*read.held[max(number - 1, 0) : number], *read.held[number + 1 : number + 2])
    ]
    own_share, near_share = asked.share(own), asked.share(near)
    return {
        "own": own_share,
        "local": sum(measure.local[term] * credit for term, credit in own.items())
        / (sum(measure.local.values()) or 1.0),
        "context": near_share - own_share,
        "before": asked.share(before) - near_share,
        "after": asked.share(after) - near_share,
        "passage": read.share,
        "better": math.log1p(len(measure.shares) - bisect_right(measure.shares, near_share + 1e-9)),
        "behind": max(map(asked.share, read.held)) - own_share,
        "tail": asked.part(asked.tail, own),
        "focus": asked.part(asked.focus, own),
        "focus beside": max(beside, default=0.0),
        "new": math.log1p(
            sum(term not in asked.weights and not is_function(term) for term in set(read.listed[number]))
        ),
        "length": math.log1p(len(read.listed[number])),
    }


def _looks_of(asked: Asked, read: _Passage, number: int) -> dict[str, float]:
    """What a unit looks like, whatever its words: things of the kind asked for, and kanji."""
    text = read.text(number)
    shown = {kind: sum(match[0] not in asked.text for match in looks.finditer(text)) for kind, looks in _SHOWS.items()}
    foreign = bool(asked.kanji) and not asked.written_in(read.hit.text)
    return {
        "kanji": asked.share(read.held[number]) if foreign else asked.written(text),
        "kanji around": asked.share(read.near[number]) if foreign else asked.written(read.around[number]),
        "shows": float(bool(asked.kind) and shown[asked.kind] > 0),
        "lacks": float(bool(asked.kind) and shown[asked.kind] == 0),
        "numbers": math.log1p(shown["number"]),
        "names": math.log1p(shown["name"]),
        "counts": float(asked.counted is not None and asked.counted.search(text) is not None),
        "defines": float(asked.defined and _defines(asked, text)),
    }


def _together(*parts: Mapping[str, float]) -> dict[str, float]:
    merged: dict[str, float] = {}
    for part in parts:
        for term, credit in part.items():
            merged[term] = max(credit, merged.get(term, 0.0))
    return merged


def _defines(asked: Asked, text: str) -> bool:
    """Whether it says of something the question names what it is."""
    match = _SAYS_WHAT.match(text)
    return match is not None and asked.share(asked.held(terms(match[1]))) >= 0.5
