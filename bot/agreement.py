"""Whether a sentence says the same as the text it was made from, in what an answer must never change. Pure.

Amounts with their measures, dates, names, bounds ("at most"), how many of a kind are meant, conditions, and what is denied.
Two sentences that agree in these may still mean different things; two that do not agree certainly do. Knows nothing of how
alike their other words are (`bot/grounding.py`), and in doubt it says no: what is lost is a paraphrase, and the quote takes
its place.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from bot.amounts import amounts, dates, measures, same_date, without_dates
from retrieval.terms import content_terms, is_function, terms

Difference = Literal["amount", "measure", "date", "name", "bound", "quantity", "condition", "negation"]

_DENIES_NEXT = (
    r"\b(?:not|no|never|none|nor|neither|nobody|nothing|nowhere|without|cannot|except|excluding|unless|hardly)\b"
    r"|n[’']t\b"
)
_DENIES_BEFORE = (
    r"\b(?:(?:prohibit|forbid|ban|refus|den[iy]|exclud|reject|unable|invalid|ineligib)\w*|forbidden)\b"
    r"|な(?:い|かっ|く(?:て|な))|ません|ず(?:に|、|。|$)|禁止|禁じ|不可|不要|除[くきい]|以外|拒否|無効|対象外|できかね"
)
_DENIES = re.compile(rf"(?P<next>{_DENIES_NEXT})|(?P<before>{_DENIES_BEFORE})", re.IGNORECASE)
_OBLIGES = re.compile(
    # a denial in form only: "must", "may", "not only"
    r"なければ(?:な[らり]|いけ)(?:ない|ません)|な(?:いと|くては)(?:な[らり]|いけ)(?:ない|ません)|ざるを得(?:ない|ません)"
    r"|かもしれ(?:ない|ません)|に(?:すぎ|過ぎ)(?:ない|ません)|だけで(?:は)?なく|のみならず|\bnot only\b|\bwhether or not\b",
)
_CLAUSE_ENDS = re.compile(
    r",(?!\d)|[;:|、。；：，]|\b(?:and|but|or|while|whereas|if|unless|except|because|although)\b", re.IGNORECASE
)
_JAPANESE_WORD = re.compile(r"[一-鿿々]+|[ァ-ヺー]+|[A-Za-z0-9_-]+")
_BOUNDS = tuple(
    (re.compile("|".join(low), re.IGNORECASE), re.compile("|".join(high), re.IGNORECASE))
    for low, high in (
        (
            (r"\b(?:at least|minimum|no less than|or more|more than|over|above)\b", "以上|最低|最小|を超え|下限"),
            (
                r"\b(?:at most|maximum|no more than|up to|or less|less than|under|below)\b",
                "以下|以内|最大|最高|未満|上限|まで",
            ),
        ),
        (
            (r"\b(?:daily|per day|a day)\b", "毎日|1日あたり"),
            (r"\b(?:weekly|monthly|yearly|annual\w*|per (?:week|month|year))\b", "毎[週月年]"),
        ),
        (
            (r"\b(?:before|prior to)\b", "以前|より前|前に|前の"),
            (r"\b(?:after|following)\b", "以後|以降|の後|後に|してから"),
        ),
        (
            (r"\b(?:increas\w*|rais\w+|rose)\b", "増[加やえし]|引き上げ|上昇"),
            (r"\b(?:decreas\w*|reduc\w*|lower\w*|fell)\b", "減[少らっし]|引き下げ|低下"),
        ),
        (
            (r"\balways\b", "必ず|常に"),
            (r"\b(?:sometimes|may|optional\w*)\b", "任意|場合がある"),
        ),
        (
            (r"税込|込み", r"\b(?:incl(?:uding|usive of|\.)?|with) (?:tax|vat)\b|\bgross\b"),
            (r"税抜|税別|抜き", r"\b(?:excl(?:uding|usive of|\.)?|without|plus|before) (?:tax|vat)\b|\bnet\b"),
        ),
        ((r"午前|\d ?a\.?m\b",), (r"午後|\d ?p\.?m\b",)),
    )
)
_OBLIGED = re.compile(
    r"\b(?:must|shall|required|mandatory|obligatory|ha(?:ve|s) to)\b|必須|必要|なければな|義務|しなくては",
    re.IGNORECASE,
)
_FREE = re.compile(
    r"\b(?:may|can|could|optional\w*|allowed|permitted|recommended|should)\b"
    r"|任意|推奨|望ましい|でき(?:る|ます)|ても(?:よい|良い|構)",
    re.IGNORECASE,
)
_QUANTITIES = {
    "all": re.compile(
        r"\b(?:all|every\w*|each|any\w*|whole|entire)\b|全[員部て額社国]|すべて|各|いつでも|誰でも", re.I
    ),
    "some": re.compile(r"\b(?:some|several|few|certain|partly|partially)\b|一部|いくつか", re.I),
    "most": re.compile(r"\b(?:most|mostly|usually|generally|normally)\b|大半|ほとんど|原則|通常", re.I),
    "only": re.compile(r"\b(?:only|solely|exclusively)\b|のみ|だけ|に限", re.I),
}
_RHYTHMS = tuple(
    # how often, and parts of a whole: words that change a number without holding one
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:every|each) (?:other|second|2nd|two)\b|\bevery 2\b|\balternat(?:e|ing)\b|\bbi-?(?:week|month|annual|year)\w*"
        r"|\bfortnight\w*|隔[日週月年]|(?:1|一)[日週月年]おき",
        r"\bsemi-?(?:week|month|annual|year)\w*|\bhalf[- ]yearly\b",
        r"\b(?:every|each) (?:third|3rd|three)\b|\bevery 3\b",
        r"\bquarterly\b|四半期",
        r"\bhal(?:f|ve)\w*\b|半[分額日年]|2分の1",
        r"\bquarters? (?:of|an?)\b|4分の1",
        r"\bonce\b(?=\s*(?:[.,;:)]|$|(?:a|an|per|every|each|in|only|within)\b))",
        r"\btwice\b|\bdouble\w*|[2二]倍",
        r"\bthrice\b|\btriple\w*|[3三]倍",
    )
)
_CONDITION = re.compile(
    r"\b(?:if|when|whenever|unless|provided|until|as long as|in case|subject to|depending|once)\b"
    r"|場合|とき(?:は|に|の)|時[はに]|限り|(?<!な)ければ|なら(?:ば|、)|たら、|に応じ",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<!^)\b[A-Z][\w’'-]*|[ァ-ヺー]{3,}|\b[A-Z]{2,}\w*")
_FIRST = re.compile(r"\W*([A-Za-z][\w’'-]*)")
_TOPIC = re.compile(r"([^\s、。はが]{1,12})[はが]")


def difference(claim: str, unit: str, about: str = "") -> Difference | None:
    """The first thing in which a sentence differs from the `unit` it is to be drawn from; None if they agree.

    `about` is what else speaks of the same thing: title, headings, a table's header. A name or measure may come from there; an
    amount may not.
    """
    claim, unit, about = (unicodedata.normalize("NFKC", text) for text in (claim, unit, f"{about}\n{unit}"))
    return next((kind for kind, differs in _CHECKS if differs(claim, unit, about)), None)


def denies(text: str) -> bool:
    """Whether anything in it is denied, forbidden or left out; "must" and "may" in the form of a denial aside."""
    return _DENIES.search(_OBLIGES.sub("", unicodedata.normalize("NFKC", text))) is not None


def _other_amount(claim: str, unit: str, _: str) -> bool:
    return not {number for number, _ in amounts(claim)} <= {number for number, _ in amounts(unit)}


def _other_measure(claim: str, unit: str, about: str) -> bool:
    held, named = list(amounts(unit)), {measure for _, measure in amounts(about)} | measures(about)
    for number, measure in amounts(claim):
        beside = {other for found, other in held if found == number and other}
        if measure and measure not in (beside or named):
            return True
    return False


def _other_date(claim: str, unit: str, _: str) -> bool:
    return not all(any(same_date(date, other) for other in dates(unit)) for date in dates(claim))


def _other_name(claim: str, unit: str, about: str) -> bool:
    held = {*terms(about), *_marked(about), *_marked(unit)}  # where a text begins, a name may be read otherwise
    return not _names(claim, unit) <= held or _swapped(claim, unit)


def _other_bound(claim: str, unit: str, _: str) -> bool:
    return (
        any(_other_side(claim, unit, *sides) for sides in _BOUNDS) or _freed(claim, unit) or _other_rhythm(claim, unit)
    )


def _unconditional(claim: str, unit: str, _: str) -> bool:
    return _CONDITION.search(unit) is not None and _CONDITION.search(claim) is None


def _clauses(text: str) -> list[str]:
    return [clause for clause in _CLAUSE_ENDS.split(text) if clause.strip()]


def _amount_of_another(claim: str, unit: str, _: str) -> bool:
    """Whether an amount is said of what the unit says another amount of: of "A costs 5, B costs 10", "A costs 10"."""
    held = [({number for number, _ in amounts(clause)}, set(content_terms(clause))) for clause in _clauses(unit)]
    for clause in _clauses(claim):
        said = set(content_terms(clause))
        for number, _ in amounts(clause):
            with_it = [words for numbers, words in held if number in numbers]
            here = set().union(*with_it)
            rivals = [words for numbers, words in held if numbers and number not in numbers]
            if with_it and any((said & words) - here - {number} for words in rivals):
                return True
    return False


def _swapped(claim: str, unit: str) -> bool:
    """Whether who does something here is whom it is done to there, and the other way round."""
    said, held = _subject(claim), _subject(unit)
    return bool(said and held) and said.isdisjoint(held) and said <= _later(unit) and held <= _later(claim)


def _subject(text: str) -> set[str]:
    """The terms of what a sentence begins with: its first word in English, what stands before は or が in Japanese."""
    found = _TOPIC.match(text) or _FIRST.match(text)
    return {term for term in terms(found[1]) if not is_function(term)} if found else set()


def _later(text: str) -> set[str]:
    """The terms of the names behind the beginning of a sentence; of a Japanese one, which marks no names, all terms."""
    topic = _TOPIC.match(text)
    return set(terms(text[topic.end() :])) if topic else {t for name in _NAME.findall(text) for t in terms(name)}


def _names(claim: str, unit: str) -> set[str]:
    """The terms of the names in a sentence. Its first word counts if the unit begins with another one of some meaning."""
    found = _marked(claim)
    first, other = _FIRST.match(claim), _FIRST.match(unit)
    if first and other and other[1].lower() not in claim.lower() and not all(map(is_function, terms(other[1]))):
        found |= {term for term in terms(first[1]) if not is_function(term)}
    return found


def _other_rhythm(claim: str, unit: str) -> bool:
    """Whether one says "every other", "half" or "twice" and the other does not."""
    return any((pattern.search(claim) is None) != (pattern.search(unit) is None) for pattern in _RHYTHMS)


def _marked(text: str) -> set[str]:
    """The terms of what is written as a name; May too, which else is a small word. Read alone, "A0" of "@A0" is a term."""
    return {term for name in _NAME.findall(without_dates(text)) for term in terms(name)}


def _other_side(claim: str, unit: str, low: re.Pattern[str], high: re.Pattern[str]) -> bool:
    said = (low.search(claim) is not None, high.search(claim) is not None)
    held = (low.search(unit) is not None, high.search(unit) is not None)
    return said != held and any(said) and any(held)


def _freed(claim: str, unit: str) -> bool:
    """Whether a clause allows what the clause it is nearest to demands, or the other way round."""
    held = [(set(content_terms(clause)), clause) for clause in _clauses(unit)]
    for clause in _clauses(claim):
        words = set(content_terms(clause))
        nearest = max(held, key=lambda one: len(one[0] & words), default=(set(), ""))[1]
        if _other_side(clause, nearest, _OBLIGED, _FREE):
            return True
    return False


def _other_quantity(claim: str, unit: str, _: str) -> bool:
    """Whether it says of all, some or only these what the unit does not; "some" and "most" may not be left out either."""
    said = {name for name, pattern in _QUANTITIES.items() if pattern.search(claim)}
    held = {name for name, pattern in _QUANTITIES.items() if pattern.search(unit)}
    return not said <= held or not held & {"some", "most"} <= said


def _denied_otherwise(claim: str, unit: str, _: str) -> bool:
    """Whether the two deny a different number of things, or not the same ones.

    A part of a sentence that denies twice says less than the whole. What is denied is compared where both name it.
    """
    said, held = (_OBLIGES.sub("", text) for text in (claim, unit))
    denied, other = Counter(_denials(said)), Counter(_denials(held))
    if denied.total() != other.total():
        return True
    if (denied - other).keys() & set(terms(unit)) and (other - denied).keys() & set(terms(claim)):
        return True
    return _polarity_differs(_clauses(said), _clauses(held))


def _denials(text: str) -> Iterator[str]:
    """What each denial is said of: the first word of meaning behind an English "not", the last before a Japanese ない."""
    for found in _DENIES.finditer(text):
        if found["next"]:
            words = content_terms(text[found.end() : found.end() + 80])
            yield next((word for word in words if not is_function(word)), "")
        else:
            before = text[max(0, found.start() - 80) : found.start()]
            near = [*_JAPANESE_WORD.finditer(before)]
            yield terms(near[-1][0])[-1] if near and terms(near[-1][0]) else ""


def _polarity_differs(claim: Sequence[str], unit: Sequence[str]) -> bool:
    """Whether a word stands in denying clauses only here, and in plain ones only there."""
    if not any(map(_DENIES.search, unit)):
        return False
    here, there = (_polarity(clauses) for clauses in (claim, unit))
    return any(here[word].isdisjoint(there[word]) for word in here.keys() & there.keys())


def _polarity(clauses: Sequence[str]) -> dict[str, set[bool]]:
    found: dict[str, set[bool]] = {}
    for clause in clauses:
        denies = _DENIES.search(clause) is not None
        for word in content_terms(clause):
            if not is_function(word):
                found.setdefault(word, set()).add(denies)
    return found


_CHECKS: tuple[tuple[Difference, Callable[[str, str, str], bool]], ...] = (
    ("amount", _other_amount),
    ("measure", _other_measure),
    ("date", _other_date),
    ("amount", _amount_of_another),
    ("name", _other_name),
    ("bound", _other_bound),
    ("quantity", _other_quantity),
    ("condition", _unconditional),
    ("negation", _denied_otherwise),
)
