"""What a question asks for, and what speaks for a sentence as its answer: the features `bot/evidence.py` weighs. Pure.

Knows hits and units; no weights, no threshold, no index. All features are shares (0..1) or small logarithms, so that they
mean the same in a small corpus and a large one, in English and in Japanese.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bot.sentences import Unit, units
from retrieval.documents import Hit
from retrieval.found import Found
from retrieval.ranking import emphasis
from retrieval.terms import content_terms, terms

_ASKS_FOR = tuple(
    # the first that fits counts
    (kind, re.compile("|".join(patterns), re.IGNORECASE))
    for kind, patterns in (
        (
            "time",
            (
                r"\b(?:when|(?:what|which) (?:year|date|day|month|time|century|decade)|how long ago|by what time)\b",
                "いつ|何(?:年|月|日|時|曜|世紀)|年代",
            ),
        ),
        (
            "number",
            (
                r"\bhow (?:many|much|long|old|far|often|high|large|big|tall|fast|late|early|soon|few)\b",
                r"\b(?:what|which) (?:percent|percentage|number|amount|price|cost|rate|share|fee|limit|size|age)",
                r"\b(?:maximum|minimum)\b",
                "いくら|いくつ|何(?!か|が|を|の|と|で|に|も|故)[^、。？?]|どのくらい|どれくらい|どれほど|[数額率]は|上限|下限",
            ),
        ),
        (
            "name",
            (
                r"\b(?:who|whom|whose|where)\b",
                r"\b(?:what|which) (?:city|country|town|place|state|person|company|team|name)",
                "誰|だれ|どこ|人物|場所",
            ),
        ),
        ("reason", (r"\b(?:why|what (?:cause|caused|reason))\b", "なぜ|どうして|理由|原因")),
    )
)
_TIME = re.compile(
    r"\b(?:1\d|20)\d\d\b|[0-9０-９一二三四五六七八九十]+(?:年|月|日|時|世紀)|\b\d{1,2}:\d\d\b"
    r"|\b\d{1,2}(?:st|nd|rd|th)\b|\b\d{1,2} ?[ap]\.?m\b"
    r"|\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
    r"|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|\b(?:century|morning|noon|evening|midnight|daily|weekly|monthly)\b"
    r"|[月火水木金土日]曜|時代|時期|当時|[春夏秋冬]"
)
_NUMBER = re.compile(
    r"[0-9０-９][0-9０-９,，.．]*|[一二三四五六七八九十百千万億]+(?=[年月日時分人個円回台本歳つ件割倍種度])"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundreds?"
    r"|thousands?|millions?|billions?|half|twice|once|dozens?|third|quarter)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w’'-]+|[ァ-ヺー]{3,}|[一-鿿]{2,}")
_REASON = re.compile(
    r"\b(?:because|since|due to|so that|in order|therefore|as a result|caused?|led to)\b|ため|から|ので|よって|より",
    re.IGNORECASE,
)
_SHOWS = {"time": _TIME, "number": _NUMBER, "name": _NAME, "reason": _REASON}

_COUNTS_EN = re.compile(r"\bhow many (?:(?:different|other|total|new|more) )?(?:of the )?([a-z]{3,})", re.IGNORECASE)
_COUNTS_JA = re.compile(
    r"何(か月|ヶ月|カ月|週|時間|文字|泊|[年月日時分人個円回台本歳件割倍種度位番世点枚曲校社国話着戦勝%％キメトセ])"
)
_COUNTED_AS = (
    ("days?", "日"),
    ("weeks?", "週"),
    ("months?", "[かヶカ]?月"),
    ("years?", "年"),
    ("hours?", "時間"),
    ("minutes?", "分"),
    ("times", "回"),
    ("nights?", "泊"),
    ("(?:characters?|letters?)", "文字"),
    ("(?:people|persons?|employees?|members?)", "[人名]"),
    ("(?:companies|quotations?|quotes)", "社"),
    ("(?:pieces?|copies)", "[個枚部]"),
)
"""What English counts, and with what Japanese counts it: patterns of both."""
_ASKS_WHAT = re.compile(
    r"^\s*(?:what (?:is|are|was|were)|who (?:is|was|were)|define)\b|とは(?:何|なに|どの|どん|$)|は何(?:か|です|$)",
    re.IGNORECASE,
)
_SAYS_WHAT = re.compile(
    r"(.{1,60}?)(?: (?:is|are|was|were|refers to|means)\b|（[^）]*）(?:とは|は)|とは|は、)", re.IGNORECASE | re.DOTALL
)
_KANJI = re.compile(r"[㐀-䶿一-鿿々]")
_NAMED = re.compile(r"(?<!^)(?<![.?!] )\b[A-Z][\w’'-]*|[ァ-ヺー]{2,}|\d[\d,.]*|[A-Za-z]+(?=[ぁ-ん一-鿿])")

KIN = 0.5
"""What a word of the same family counts, as a share of the word itself: as likely as not it means the same."""
KIN_PREFIX = 5
"""Letters; shorter stems begin alike by chance (inter, in)."""


@dataclass(frozen=True)
class Asked:
    """A question made ready: its content terms with their weights, and what it asks for ("" when it does not say)."""

    text: str
    weights: dict[str, float]
    """Of each content term: how much finding it says (> 0)."""
    kind: str
    counted: re.Pattern[str] | None
    """What a number of the kind asked for looks like, where the question names what is counted."""
    defined: bool
    """Whether it asks what something is."""
    named: frozenset[str]
    """The terms of names, numbers and foreign words in it: what an answer can least do without."""
    guessed: frozenset[str] = frozenset()
    """The terms of words that were taken for others, as misspelt."""

    @cached_property
    def total(self) -> float:
        return sum(self.weights.values())

    def share(self, held: Mapping[str, float]) -> float:
        """The share of the question's weight that these terms hold; each counts as it is credited (0..1)."""
        return sum(self.weights[term] * credit for term, credit in held.items()) / self.total

    def unnamed(self, listed: Sequence[str]) -> float:
        """The share of its names' weight that these terms do not hold; 0 if it names nothing."""
        total = sum(self.weights[term] for term in self.named)
        held = self.held(listed)
        return sum(self.weights[term] * (1 - held.get(term, 0.0)) for term in self.named) / total if total else 0.0

    def held(self, listed: Sequence[str]) -> dict[str, float]:
        """The question's terms among these: 1 for the term itself, `KIN` for a word of its family (partner, partnership) and
        for one that it was taken for."""
        there = set(listed)
        found = {term: KIN if term in self.guessed else 1.0 for term in self.weights if term in there}
        for stem in self.stems:
            if stem not in found and any(_kin(stem, term) for term in there):
                found[stem] = KIN
        return found

    @cached_property
    def kanji(self) -> dict[str, float]:
        """Of each kanji in its terms: the weight of the heaviest one it stands in."""
        found: dict[str, float] = {}
        for term, weight in self.weights.items():
            for character in _KANJI.findall(term):
                found[character] = max(weight, found.get(character, 0.0))
        return found

    def written(self, text: str) -> float:
        """The share of its kanji's weight that stands in a text, in whatever word (選出 in 選ばれた); 0 if it has none."""
        total = sum(self.kanji.values())
        return sum(weight for kanji, weight in self.kanji.items() if kanji in text) / total if total else 0.0

    def written_in(self, text: str) -> bool:
        """Whether kanji tell anything of a text: not of one without any, which may say the same in another script."""
        return bool(self.kanji) and _KANJI.search(text) is not None

    @cached_property
    def stems(self) -> list[str]:
        """The terms long enough to have a family."""
        return [term for term in self.weights if len(term) >= KIN_PREFIX and term.isascii() and term.isalpha()]


@dataclass(frozen=True, slots=True)
class Clue:
    """A unit of a hit, and what speaks for it or against it."""

    hit: int
    """Its place among the hits, from 0."""
    unit: Unit
    features: Mapping[str, float]


def read_question(question: str, rarity: Callable[[str], float], guessed: Iterable[str] = ()) -> Asked:
    """`rarity` is asked for the question's content terms only; `guessed` words of it stand nowhere and were taken for others."""
    ordered = content_terms(question)
    weights = {term: emphasis(term) * max(rarity(term), 0.01) for term in ordered}
    kind = next((kind for kind, pattern in _ASKS_FOR if pattern.search(question)), "")
    named = weights.keys() & set(terms(" ".join(_NAMED.findall(question))))
    return Asked(
        text=question,
        weights=weights,
        kind=kind,
        counted=_counted(question),
        defined=bool(_ASKS_WHAT.search(question)),
        named=frozenset(named),
        guessed=frozenset(terms(" ".join(guessed))),
    )


def clues(asked: Asked, found: Found) -> list[Clue]:
    """Every unit of every hit, hit by hit, in the order of the text."""
    best = max((hit.score for hit in found.hits), default=0.0)
    read = [_read(asked, hit, found) for hit in found.hits]
    around = [f"{passage.hit.title}\n{text}" for passage in read for text in passage.around]
    alike = iter(found.likeness(around) if found.likeness else [0.0] * len(around))
    local = _local_rarity(asked, [held for passage in read for held in passage.held])
    return [
        clue
        for place, passage in enumerate(read)
        for clue in _clues_of(
            asked, place, passage, local, max(passage.hit.score, 0.0) / best if best > 0 else 0.0, alike
        )
    ]


@dataclass(frozen=True, slots=True)
class _Passage:
    """A hit with its units, each one's text with its neighbours, its length in terms and the question's terms in it and in
    what leads in to it, and the question's terms in title and headings."""

    hit: Hit
    units: list[Unit]
    around: list[str]
    lengths: list[int]
    held: list[dict[str, float]]
    leads: list[dict[str, float]]
    about: dict[str, float]


def _read(asked: Asked, hit: Hit, found: Found) -> _Passage:
    def held(listed: Sequence[str]) -> dict[str, float]:
        return asked.held(found.read(listed))

    pieces = units(hit.text, hit.language)
    listed = [terms(hit.text[unit.start : unit.end]) for unit in pieces]
    edges = zip((*pieces[:1], *pieces), (*pieces[1:], *pieces[-1:]), strict=False)
    return _Passage(
        hit,
        pieces,
        around=[hit.text[before.start : after.end] for before, after in edges],
        lengths=[len(each) for each in listed],
        held=[held(each) for each in listed],
        leads=[held(terms(hit.text[slice(*unit.context)])) if unit.context else {} for unit in pieces],
        about=held(terms(" \n ".join((hit.title, *hit.heading)))),
    )


def _local_rarity(asked: Asked, held: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The question's weights, lighter for what many of the units hold: the subject of all says little about any."""
    holding = Counter(term for each in held for term in each)
    return {term: weight * math.log1p(len(held) / (1 + holding[term])) for term, weight in asked.weights.items()}


def _clues_of(
    asked: Asked, place: int, read: _Passage, local: Mapping[str, float], relative: float, alike: Iterator[float]
) -> Iterator[Clue]:
    """The clues of one hit's units; `alike` gives the likeness of each to the question, in order."""
    hit, pieces, held, about = read.hit, read.units, read.held, read.about
    passage = asked.share(_together(about, *held))
    foreign = bool(asked.kanji) and not asked.written_in(hit.text)
    local_total = sum(local.values()) or 1.0
    for number, unit in enumerate(pieces):
        text = hit.text[unit.start : unit.end]
        own = held[number]
        near = _together(own, about, read.leads[number])
        before = _together(near, held[number - 1]) if number else near
        after = _together(near, held[number + 1]) if number + 1 < len(pieces) else near
        own_share, near_share = asked.share(own), asked.share(near)
        shown = _shows(asked, text)
        yield (
            Clue(
                place,
                unit,
                {
                    "own": own_share,
                    "local": sum(local[term] * credit for term, credit in own.items()) / local_total,
                    "context": near_share - own_share,
                    "before": asked.share(before) - near_share,
                    "after": asked.share(after) - near_share,
                    "kanji": own_share if foreign else asked.written(text),
                    "kanji around": near_share if foreign else asked.written(read.around[number]),
                    "likeness": next(alike),
                    "passage": passage,
                    "relative": relative,
                    "shows": float(shown is True),
                    "lacks": float(shown is False),
                    "counts": float(asked.counted is not None and asked.counted.search(text) is not None),
                    "defines": float(asked.defined and _defines(asked, text)),
                    "length": math.log1p(read.lengths[number]),
                },
            )
        )


def _together(*parts: Mapping[str, float]) -> dict[str, float]:
    merged: dict[str, float] = {}
    for part in parts:
        for term, credit in part.items():
            merged[term] = max(credit, merged.get(term, 0.0))
    return merged


def _kin(stem: str, other: str) -> bool:
    """Whether two stems begin alike: by five letters and three quarters of the shorter one."""
    if stem[:KIN_PREFIX] != other[:KIN_PREFIX]:
        return False
    shorter = min(len(stem), len(other))
    alike = -(-shorter * 3 // 4)
    return stem[:alike] == other[:alike]


def _counted(question: str) -> re.Pattern[str] | None:
    """A number, then what the question counts: "how many nations" gives "nine nations", 何人 gives 五人; how many days and 何日
    give what either language counts in days."""
    if match := _COUNTS_JA.search(question):
        there = [noun for noun, counter in _COUNTED_AS if re.fullmatch(counter, match[1])]
        return _either(re.escape(match[1]), *there)
    if match := _COUNTS_EN.search(question):
        here = re.escape(match[1][: max(4, len(match[1]) - 3)])
        there = [counter for noun, counter in _COUNTED_AS if re.fullmatch(noun, match[1], re.IGNORECASE)]
        return _either("|".join(there), here)
    return None


def _either(japanese: str, *english: str) -> re.Pattern[str]:
    """A number, then one of these: at once in Japanese, at most three words later in English."""
    patterns = [rf"(?:[0-9０-９]|[一二三四五六七八九十百千万億])\s?(?:{japanese})"] if japanese else []
    patterns += [rf"(?:{_NUMBER.pattern})(?:[\s-]+[^\s-]+){{0,3}}?[\s-]+{noun}" for noun in english]
    return re.compile("|".join(patterns), re.IGNORECASE)


def _defines(asked: Asked, text: str) -> bool:
    """Whether it says of something the question names what it is."""
    match = _SAYS_WHAT.match(text)
    return match is not None and asked.share(asked.held(terms(match[1]))) >= 0.5


def _shows(asked: Asked, text: str) -> bool | None:
    """Whether the text holds something of the kind asked for that the question does not; None: no kind is asked for."""
    if not asked.kind:
        return None
    return any(match[0] not in asked.text for match in _SHOWS[asked.kind].finditer(text))
