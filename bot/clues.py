"""What a question asks for, and what speaks for a sentence as its answer: the features `bot/evidence.py` weighs. Pure.

Knows hits and units; no weights, no threshold, no index. All features are shares (0..1) or small logarithms, so that they
mean the same in a small corpus and a large one, in English and in Japanese.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from bot.sentences import Unit, units
from retrieval.documents import Hit
from retrieval.ranking import emphasis
from retrieval.terms import content_terms, terms

_ASKS = (
    # the first that fits counts
    ("time", r"\b(?:when|(?:what|which) (?:year|date|day|month|time|century|decade)|how long ago|by what time)\b|いつ|何(?:年|月|日|時|曜|世紀)|年代"),
    (
        "number",
        r"\bhow (?:many|much|long|old|far|often|high|large|big|tall|fast|late|early|soon|few)\b"
        r"|\b(?:what|which) (?:percent|percentage|number|amount|price|cost|rate|share|fee|limit|size|age)|\bmaximum\b|\bminimum\b"
        r"|いくら|いくつ|何(?!か|が|を|の|と|で|に|も|故)[^、。？?]|どのくらい|どれくらい|どれほど|何[%％]|[数額率]は|上限|下限",
    ),
    ("name", r"\b(?:who|whom|whose|where|(?:what|which) (?:city|country|town|place|state|person|company|team|name))\b|誰|だれ|どこ|人物|場所"),
    ("reason", r"\b(?:why|what (?:cause|caused|reason))\b|なぜ|どうして|理由|原因"),
)
_ASKS_FOR = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _ASKS)
_NUMBER = re.compile(
    r"[0-9０-９][0-9０-９,，.．]*|[一二三四五六七八九十百千万億]+(?=[年月日時分人個円回台本歳つ件割倍種度])"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundreds?|thousands?|millions?"
    r"|billions?|half|twice|once|dozens?|third|quarter)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b(?:1\d|20)\d\d\b|[0-9０-９一二三四五六七八九十]+(?:年|月|日|時|世紀)|\b\d{1,2}:\d\d\b|\b\d{1,2}(?:st|nd|rd|th)\b|\b\d{1,2} ?[ap]\.?m\b"
    r"|\b(?:January|February|March|April|May|June|July|August|September|October|November|December|(?:Mon|Tues|Wednes|Thurs|Fri"
    r"|Satur|Sun)day|century|morning|noon|evening|midnight|daily|weekly|monthly)\b|[月火水木金土日]曜|時代|時期|当時|春|夏|秋|冬"
)
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w’'-]+|[ァ-ヺー]{3,}|[一-鿿]{2,}")
_REASON = re.compile(r"\b(?:because|since|due to|so that|in order|therefore|as a result|caused?|led to)\b|ため|から|ので|よって|より", re.IGNORECASE)
_SHOWS = {"time": _TIME, "number": _NUMBER, "name": _NAME, "reason": _REASON}


@dataclass(frozen=True)
class Asked:
    """A question made ready: its content terms with their weights, and what it asks for ("" when it does not say)."""

    text: str
    weights: dict[str, float]
    """Of each content term: how much finding it says (> 0)."""
    pairs: frozenset[tuple[str, str]]
    kind: str

    @cached_property
    def total(self) -> float:
        return sum(self.weights.values())

    @cached_property
    def pair_total(self) -> float:
        return sum(self.pair_weight(pair) for pair in self.pairs)

    def pair_weight(self, pair: tuple[str, str]) -> float:
        return min(self.weights[pair[0]], self.weights[pair[1]])

    def share(self, found: set[str]) -> float:
        """The share of the question's weight that these terms hold."""
        return sum(weight for term, weight in self.weights.items() if term in found) / self.total


@dataclass(frozen=True, slots=True)
class Clue:
    """A unit of a hit, and what speaks for it, in the order of `FEATURES`."""

    hit: int
    """Its place among the hits, from 0."""
    unit: Unit
    number: int
    """Its place among the hit's units, from 0."""
    found: frozenset[str]
    features: tuple[float, ...]


FEATURES = (
    "own", "context", "before", "after", "passage", "phrases", "rarest", "rank", "relative", "shows", "lacks",
    "length", "new", "first", "listed",
)  # fmt: skip


def read_question(question: str, rarity: Callable[[str], float]) -> Asked:
    """`rarity` is asked for the question's content terms only."""
    ordered = content_terms(question)
    weights = {term: emphasis(term) * max(rarity(term), 0.01) for term in ordered}
    kind = next((kind for kind, pattern in _ASKS_FOR if pattern.search(question)), "")
    return Asked(question, weights, frozenset(pairwise(ordered)), kind)


def clues(asked: Asked, hits: Sequence[Hit]) -> list[Clue]:
    """Every unit of every hit, hit by hit, in the order of the text."""
    best = max((hit.score for hit in hits), default=0.0)
    found: list[Clue] = []
    for place, hit in enumerate(hits):
        relative = max(hit.score, 0.0) / best if best > 0 else 0.0
        found += _clues_of(asked, hit, place, relative)
    return found


def _clues_of(asked: Asked, hit: Hit, place: int, relative: float) -> list[Clue]:
    pieces = units(hit.text, hit.language)
    texts = [hit.text[unit.start : unit.end] for unit in pieces]
    listed = [terms(text) for text in texts]
    wanted = asked.weights.keys()
    held = [wanted & set(each) for each in listed]
    about = wanted & set(terms(" \n ".join((hit.title, *hit.heading))))
    passage = asked.share(about.union(*held)) if held else 0.0
    rarest = max(asked.weights, key=asked.weights.__getitem__)
    found: list[Clue] = []
    for number, (unit, text) in enumerate(zip(pieces, texts, strict=True)):
        own = held[number]
        near = own | about
        if unit.context:
            near |= wanted & set(terms(hit.text[slice(*unit.context)]))
        before = near | held[number - 1] if number else near
        after = near | held[number + 1] if number + 1 < len(pieces) else near
        own_share, near_share = asked.share(own), asked.share(near)
        shown = _shows(asked, text)
        new = sum(1 for term in set(listed[number]) - wanted)
        features = (
            own_share,
            near_share - own_share,
            asked.share(before) - near_share,
            asked.share(after) - near_share,
            passage,
            sum(asked.pair_weight(pair) for pair in asked.pairs & set(pairwise(listed[number]))) / (asked.pair_total or 1.0),
            float(rarest in own),
            1 / (1 + place),
            relative,
            float(shown is True),
            float(shown is False),
            math.log1p(len(listed[number])),
            math.log1p(new),
            float(number == 0),
            float(unit.kind != "sentence"),
        )
        found.append(Clue(place, unit, number, frozenset(near), features))
    return found


def _shows(asked: Asked, text: str) -> bool | None:
    """Whether the text holds something of the kind asked for that the question does not; None: no kind is asked for."""
    if not asked.kind:
        return None
    return any(match[0] not in asked.text for match in _SHOWS[asked.kind].finditer(text))
