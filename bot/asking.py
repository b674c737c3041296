"""What a question asks for: its terms with their weights, the kind of thing, what is counted, what is named. Pure.

Knows no hits: `bot/clues.py` weighs their sentences with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

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
NUMBER = re.compile(
    r"[0-9０-９][0-9０-９,，.．]*|(?<![一二三四五六七八九十百千万億])[一二三四五六七八九十百千万億]++(?=[年月日時分人個円回台本歳つ件割倍種度])"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundreds?"
    r"|thousands?|millions?|billions?|half|twice|once|dozens?|third|quarter)\b",
    re.IGNORECASE,
)
"""A number in digits or words."""

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
_KANJI = re.compile(r"[㐀-䶿一-鿿々]")
_NAMED = re.compile(r"(?<!^)(?<![.?!] )\b[A-Z][\w’'-]*|[ァ-ヺー]{2,}|\d[\d,.]*|(?<![A-Za-z])[A-Za-z]++(?=[ぁ-ん一-鿿])")

_INTERROGATIVE = re.compile(
    r"\b(?:what|which|who|whom|whose|when|where|why|how)\b"
    "|何|誰|だれ|どこ|いつ|どの|どん|どう|どれ|どちら|いくら|いくつ|なぜ|なに|なん|幾",
    re.IGNORECASE,
)
_NOUN_BEFORE = re.compile(r"[一-鿿々ァ-ヺーA-Za-z0-9]{1,9}(?=[はがのをにでとも、]*$)")
_NOUN_AFTER = re.compile(r"(?:という|んな|な|の)?([一-鿿々ァ-ヺー]+)")
FOCUS_WORDS, FOCUS_TERMS = 4, 2
"""In English: of so many words behind the interrogative, the first so many terms say what is asked for."""

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
    names: tuple[frozenset[str], ...]
    """The terms of each of its names and foreign words, numbers aside."""
    focus: frozenset[str]
    """The terms beside its interrogative: "which city" and 都市はどこ say what the answer is."""
    tail: frozenset[str]
    """Those of its last third: the subject comes before, what is asked of it stands here."""
    guessed: frozenset[str] = frozenset()
    """The terms of words that were taken for others, as misspelt."""

    @cached_property
    def total(self) -> float:
        return sum(self.weights.values())

    def share(self, held: Mapping[str, float]) -> float:
        """The share of the question's weight that these terms hold; each counts as it is credited (0..1)."""
        return sum(self.weights[term] * credit for term, credit in held.items()) / self.total

    def part(self, terms: Collection[str], held: Mapping[str, float]) -> float:
        """The share of the weight of some of its terms that is held; 0 if there are none."""
        total = sum(self.weights[term] for term in terms)
        return sum(self.weights[term] * held.get(term, 0.0) for term in terms) / total if total else 0.0

    def unnamed(self, listed: Sequence[str]) -> float:
        """The share of its names' weight that these terms do not hold; 0 if it names nothing."""
        return 1 - self.part(self.named, self.held(listed)) if self.named else 0.0

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


def read_question(question: str, rarity: Callable[[str], float], guessed: Iterable[str] = ()) -> Asked:
    """`rarity` is asked for the question's content terms only; `guessed` words of it stand nowhere and were taken for others."""
    ordered = content_terms(question)
    weights = {term: emphasis(term) * max(rarity(term), 0.01) for term in ordered}
    kind = next((kind for kind, pattern in _ASKS_FOR if pattern.search(question)), "")
    found = _NAMED.findall(question)
    names = [frozenset(weights.keys() & set(terms(name))) for name in found if not name[0].isdigit()]
    return Asked(
        text=question,
        weights=weights,
        kind=kind,
        counted=_counted(question),
        defined=bool(_ASKS_WHAT.search(question)),
        named=frozenset(weights.keys() & set(terms(" ".join(found)))),
        names=tuple(name for name in names if name),
        focus=frozenset(weights.keys() & set(_focus(question))),
        tail=frozenset(ordered[-max(2, len(ordered) // 3) :]),
        guessed=frozenset(terms(" ".join(guessed))),
    )


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
    patterns += [rf"(?:{NUMBER.pattern})(?:[\s-]+[^\s-]+){{0,3}}?[\s-]+{noun}" for noun in english]
    return re.compile("|".join(patterns), re.IGNORECASE)


def _focus(question: str) -> list[str]:
    """The terms of the nouns beside its (last) interrogative."""
    found = [*_INTERROGATIVE.finditer(question)]
    if not found:
        return []
    if found[-1][0].isascii():
        behind = question[found[0].end() :].split()[:FOCUS_WORDS]
        return content_terms(" ".join(behind))[:FOCUS_TERMS]
    before = _NOUN_BEFORE.search(question[: found[-1].start()])
    after = _NOUN_AFTER.match(question[found[-1].end() :])
    return [*terms(before[0] if before else ""), *terms(after[1] if after else "")]
