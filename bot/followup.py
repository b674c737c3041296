"""Takes a question as its conversation means it, without a model. Pure.

A fragment ("And in Oslo?", いや、日本では) names what changes in the question before it: it replaces its counterpart there
(`bot/counterparts.py`), or is added. A question that leans on the one before is searched for together with it, and answered
with what speaks to the question itself. Any other stands alone: the former subject counts only if its passage says what the
new question says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bot.asking import read_question
from bot.counterparts import correction, replaced
from bot.evidence import Evidence, Span
from bot.store import Turn
from retrieval.found import Found
from retrieval.terms import content_terms, is_function, terms

_OPENING = re.compile(
    r"^(?:(?:and|but|or|so|then|also|ok(?:ay)?|no|nope|sorry|well|wait|actually|rather|please)\b[\s,.:;!–-]*"
    r"|(?:what|how) about\s+|(?:the )?same for\s+|make (?:that|it)\s+"
    r"|(?:I|we)(?:['’]m| am| was)? (?:meant?|ask(?:ed|ing) (?:about|for))\s+"
    r"|(?:いや|いえ|いいえ|違います|違う|ちがいます|すみません|すいません|ごめんなさい|それでは|それじゃあ?|では|じゃあ?"
    r"|あと|また|ほかに|次に|で)[、。,.\s]+|では(?=[一-鿿ァ-ヺA-Z]))+",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:,?\s+(?:then|instead|too|as well|please|I mean|rather))?[\s?.!]*$"
    r"|(?:の(?P<case>とき|場合|時)|の(?:方|ほう|こと))?(?P<particle>では|での|だったら|だと|なら|でも|です|でした|は|も|で)?"
    r"(?:どうですか|どうなりますか|いかがですか|どう)?[？?。！!\s]*$",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"\b(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|do|does|did|can|could|may|might|must|should|shall"
    r"|will|would|have|has|had|tell|show|explain|list)\b"
    r"|いくら|いくつ|いつ|どこ|どの|どれ|どう|どんな|なぜ|誰|だれ|何|(?:です|ます|でしょう|ません)か|教えて|ください|たい",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|that|this|those|these|they|them|their|there|one|ones|he|she|his|her|him)\b"
    r"|^(?:それ|これ|あれ|そこ|ここ|その|この|そちら|彼)|の場合は|についても",
    re.IGNORECASE,
)
_POINTS_NOWHERE = re.compile(
    r"\b(?:is|are|was|were) there\b|\bthere (?:is|are|was|were)\b|\bis it (?:possible|allowed|ok(?:ay)?|necessary)\b"
    r"|\bthis (?:year|month|week|morning|time)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(
    # names, codes (V-22), years and versions; no amounts, which documents rather bound than name
    r"(?<!^)(?<![\w’'-])[A-ZÀ-Þ][\w’'-]*|(?<![A-Za-z])[A-Za-z]++-?\d[A-Za-z0-9.-]*|(?:19|20)\d\d(?!\d)"
    r"|(?<!\d)\d++(?:\.\d++)+|[ァ-ヺー]{2,}"
)
_GOES_ON = frozenset({"and", "but", "or", "also", "so", "then", "また", "あと"})

FEW_TERMS = 2
"""A question with no more content terms than this says too little by itself."""
FEW_CHARACTERS = 5
"""The same for Japanese, whose terms are pairs of characters: kanji, katakana, letters and digits in all."""
FRAGMENT_WORDS, FRAGMENT_CHARACTERS = 6, 20
"""A fragment is no longer than this."""
MOST_CORRECTED = 200
"""Characters; what is longer takes nothing back ("not in Japan, in Norway")."""
MOST_BEFORE = 1000
"""Characters of what was asked before that a follow-up is searched for together with."""
ANY_SHARE, NEW_SHARE, OWN_SHARE = 0.01, 0.5, 0.6
"""Of the weight of a short question, of a fragment, and of a whole question searched for with the one before: what a passage
must hold."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to take a question. `query` is searched for and weighed; `parts` are searched for besides.

    Where `own` is not empty, the answer must speak to it: the new part of the query, as it was said. `must` are terms of
    names that the passages must hold, `share` is how much of the weight of `own` (0..1) one of them must.
    """

    query: str
    own: str = ""
    must: frozenset[str] = frozenset()
    share: float = 0.0
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Readings:
    """The ways to take a question, the likeliest first; never empty.

    `leans` says that it cannot be understood without what was said before. With `best` the surest of those with sufficient
    evidence counts, else the first of them.
    """

    ways: tuple[Reading, ...]
    leans: bool = False
    best: bool = False


def read(question: str, history: Sequence[Turn]) -> Readings:
    """How to take a question after the turns before it, oldest first."""
    if not history:
        return Readings((Reading(question),))
    before = _asked_before(history)
    opening, rest = _opened(" ".join(question.split()))
    alone, together = Reading(question), Reading(f"{before} {question}", own=question)
    if fragment := _fragment(rest):
        bare = not opening and not fragment.ending
        return Readings((_of_fragment(question, fragment, before), *([alone] if bare else [])), leans=True)
    pointing = bool(_POINTS_BACK.search(_POINTS_NOWHERE.sub("", question)))
    if _says_little(question):
        if not all(map(is_function, content_terms(question))):  # "why?" says nothing of its own
            together = replace(together, share=ANY_SHARE)
        ways = (together,) if pointing else (together, alone)
        return Readings(ways, leans=True, best=bool(_NAMED.search(question)))
    together = replace(together, share=OWN_SHARE)
    if pointing or opening.strip(" 、,").lower() in _GOES_ON:
        return Readings((together, alone), leans=pointing, best=True)
    return Readings((alone, together))


def meant(question: str) -> str:
    """A question without the words that lead on to it and what it takes back: "in Norway" of "No, not in Japan, in Norway"."""
    rest = _opened(" ".join(question.split()))[1]
    return correction(rest)[1] if len(rest) <= MOST_CORRECTED else rest


def focus(together: Evidence, alone: Evidence, reading: Reading, found: Found) -> Evidence:
    """The evidence for a follow-up: as sure as `together` has it, its spans those that the new part `alone` picks, if one of
    them holds a term of it. None if the passages do not hold what they must."""
    wanted = {*content_terms(reading.own)}
    spans = max(together, alone, key=lambda each: len(wanted & _said(each, found))).spans
    passages, asked = [*_passages(spans)], read_question(reading.own, found.rarity)
    held = [found.read(terms(passage)) for passage in passages]
    holds = reading.must <= {term for each in held for term in each}
    share = 1.0
    if asked.weights:  # within one passage: a word here and another there say nothing together
        said = zip(held, passages, strict=True)
        share = max((max(asked.share(asked.held(each)), asked.written(text)) for each, text in said), default=0.0)
    return Evidence(spans, together.score) if holds and share >= reading.share else Evidence((), 0.0)


def _asked_before(history: Sequence[Turn]) -> str:
    """The last question that stood alone. A follow-up that was added to it is left behind: no query grows with its thread."""
    *earlier, last = history
    base = next((turn.query for turn in earlier if last.query.startswith(f"{turn.query} ")), last.query)
    if not _fragment(_opened(" ".join(last.question.split()))[1]):  # a fragment may stand in its query's last place
        base = base.removesuffix(f" {last.question}")
    return base[:MOST_BEFORE]


def _opened(question: str) -> tuple[str, str]:
    """The words that only lead on from what was said before, and the rest."""
    opening = _OPENING.match(question)
    return (opening[0], question[opening.end() :]) if opening else ("", question)


@dataclass(frozen=True, slots=True)
class _Fragment:
    """What is left of a question without opening and closing words, and the Japanese particle it was said with."""

    core: str
    ending: str


def _fragment(rest: str) -> _Fragment | None:
    if len(rest) > MOST_CORRECTED:
        return None
    closing = next(found for found in _CLOSING.finditer(rest))
    core = rest[: closing.start()].strip(" 、,")
    if not core or _SENTENCE.search(core):
        return None
    longest = len(core) <= FRAGMENT_CHARACTERS if not core.isascii() else len(core.split()) <= FRAGMENT_WORDS
    return _Fragment(core, (closing["case"] or closing["particle"] or "").replace("時", "とき")) if longest else None


def _of_fragment(question: str, fragment: _Fragment, before: str) -> Reading:
    made = replaced(before, fragment.core, fragment.ending)
    own = made.new if made else correction(fragment.core)[1]
    named = {term for name in _NAMED.findall(question) for term in terms(name) if not is_function(term)}
    query = made.question if made else f"{before} {own}"
    return Reading(query, own, must=frozenset(named & {*terms(own)}), share=NEW_SHARE)


def _says_little(question: str) -> bool:
    if question.isascii():
        return len(content_terms(question)) <= FEW_TERMS
    return len(re.findall(r"[一-鿿々ァ-ヺーA-Za-z0-9]", re.sub(r"何.|誰", "", question))) <= FEW_CHARACTERS


def _said(evidence: Evidence, found: Found) -> set[str]:
    texts = (one.hit.text[one.start - one.hit.start : one.end - one.hit.start] for one in evidence.spans)
    return {term for text in texts for term in found.read(terms(text))}


def _passages(spans: Sequence[Span]) -> Iterator[str]:
    """The passages that spans are from, each once, with what stands above them."""
    for hit in {span.hit.chunk_id: span.hit for span in spans}.values():
        yield "\n".join((hit.title, *hit.heading, hit.text))
