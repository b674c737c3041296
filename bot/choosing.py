"""Which units are told once each has its likelihood, and with what around them. Pure. Knows no features and no weights.

A unit is told so that it can be read alone: a table row with its header row, a list item or code with the sentence that
leads in to it, a step with its procedure, a sentence that points back with the one it points to. Whoever says otherwise in
another document is told too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile

from bot.agreement import difference
from bot.clues import Clue
from bot.sentences import ITEM_MARK, Listing
from retrieval.documents import Hit
from retrieval.terms import content_terms

EARNS = 0.001
"""A further unit is told too if it is at least this likely, as a share of the best one's likelihood: small, because a missed
answer costs more than a sentence too many (0.03 makes answers a fifth shorter and loses one in thirty)."""

MOST_ITEMS, LONGEST_LIST = 12, 1_200
"""Items and characters of a list that is told whole; a longer one is for the document itself."""

RIVALS = 20
"""The likeliest units, among which one that contradicts the best is looked for."""
ALIKE = 0.6
"""The share of their words, numbers aside, that two sentences about the same thing have in common."""

_POINTS_BACK = re.compile(
    r"(?:It|Its|This|That|These|Those|They|Their|Them|He|She|His|Her|However|But|Therefore|Thus|Hence|Then|Otherwise|Instead"
    r"|Such|Both|Also|Additionally|In (?:this|that) case|If (?:so|not),)\b"
    r"|(?:それ|これ|この|その|そう|こう|そこ|ここ|しかし|ただし|だが|また、|さらに|なお|したがって|よって|同じく|彼|前者|後者|上記|当該)"
)
_ASKS_HOW = re.compile(
    r"\bhow (?:do|can|should|would|could|to)\b|\b(?:steps?|procedures?|instructions?|process)\b"
    r"|手順|方法|やり方|仕方|手続|流れ|どうやって|どうすれば|どうしたら|どのように|するには",
    re.IGNORECASE,
)
_ASKS_FOR_ALL = re.compile(
    r"\b(?:which|what (?:are|were)|list|what (?:kinds?|types?|sorts?) of|what \w+s)\b"
    r"|どんな|どのような|何が(?:あ|必要)|一覧|種類|すべて|全て",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """`hit.text[start:end]` is told; `likelihood` (0..1) is that of the unit it is told for."""

    hit: Hit
    start: int
    end: int
    likelihood: float


def choose(
    question: str,
    hints: Sequence[Clue],
    likelihoods: Sequence[float],
    hits: Sequence[Hit],
    at_most: int,
    unwanted: Callable[[str], bool],
) -> list[Piece]:
    """What is told of one to `at_most` units, in reading order: documents as their best unit ranks, within one by offset.

    Neighbours are one piece. `hints` has one unit or more; nothing comes with a unit whose text is `unwanted`.
    """
    order = sorted(range(len(hints)), key=lambda at: -likelihoods[at])
    chosen = _chosen(order, hints, likelihoods, hits, at_most)
    whole = _told_whole(question, [hints[at] for at in chosen])
    pieces: list[Piece] = []
    for at in chosen:
        clue, hit = hints[at], hits[hints[at].hit]
        unit = clue.unit
        ranges = [(unit.start, unit.end)]
        if unit.context and not unwanted(hit.text[slice(*unit.context)]):
            ranges.append(unit.context)
        listing = unit.listing
        if listing and (clue.hit, listing) in whole and not unwanted(hit.text[listing.start : listing.end]):
            ranges = [(listing.start, listing.end)]
        pieces += [Piece(hit, start, end, likelihoods[at]) for start, end in ranges]
    return _joined(pieces)


def _chosen(
    order: Sequence[int], hints: Sequence[Clue], likelihoods: Sequence[float], hits: Sequence[Hit], at_most: int
) -> list[int]:
    """The best, whoever contradicts it, and those after it that earn their place; none says what another says.

    What one of them points back to comes where there is room: in its place a likelier unit answers more often (of 800
    questions of JaQuAD's training part two more).
    """
    best = order[0]
    earning = takewhile(lambda at: likelihoods[at] >= EARNS * likelihoods[best], order[1:])
    chosen: list[int] = []
    told: set[str] = set()

    def take(places: Iterable[int]) -> None:
        for at in places:
            if len(chosen) == at_most:
                return
            text = _text(hints[at], hits)
            if text not in told:
                chosen.append(at)
                told.add(text)

    take(chain([best], _contradicting(order, hints, hits), earning))
    take([before for at in chosen for before in _pointed_to(at, hints, hits)])
    return chosen


def _contradicting(order: Sequence[int], hints: Sequence[Clue], hits: Sequence[Hit]) -> list[int]:
    """The likeliest unit of another document that is about the same as the best one and says otherwise."""
    best = hints[order[0]]
    said = _text(best, hits)
    words = _words(said)
    for at in order[1:RIVALS]:
        other = hints[at]
        if hits[other.hit].document_id == hits[best.hit].document_id:
            continue
        text = _text(other, hits)
        others = _words(text)
        if len(words & others) < ALIKE * len(words | others):
            continue
        if (found := difference(text, said)) not in (None, "name") and difference(said, text) == found:
            return [at]
    return []


def _pointed_to(at: int, hints: Sequence[Clue], hits: Sequence[Hit]) -> Iterator[int]:
    """The sentence directly before one that points back to it."""
    clue, before = hints[at], hints[at - 1] if at else None
    if before is None or before.hit != clue.hit or not (before.unit.kind == clue.unit.kind == "sentence"):
        return
    text = hits[clue.hit].text
    if not text[before.unit.end : clue.unit.start].strip() and _POINTS_BACK.match(text, clue.unit.start):
        yield at - 1


def _told_whole(question: str, chosen: Sequence[Clue]) -> set[tuple[int, Listing]]:
    """The lists (with the place of their hit) that answer as a whole."""
    found: set[tuple[int, Listing]] = set()
    how, every = _ASKS_HOW.search(question), _ASKS_FOR_ALL.search(question)
    lists = [(clue.hit, clue.unit.listing) for clue in chosen]
    for place, (clue, (hit, listing)) in enumerate(zip(chosen, lists, strict=True)):
        if listing is None or listing.items > MOST_ITEMS or listing.end - listing.start > LONGEST_LIST:
            continue
        leads_in = clue.unit.start == listing.start and clue.unit.kind == "sentence"
        is_best = place == 0 and (leads_in or (how and listing.ordered))
        if is_best or ((how or every) and lists.count((hit, listing)) > 1):
            found.add((hit, listing))
    return found


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, likeliest first, put in reading order; what touches or overlaps is one."""
    place: dict[str, int] = {}
    for piece in pieces:
        place.setdefault(piece.hit.document_id, len(place))
    joined: list[Piece] = []
    for piece in sorted(pieces, key=lambda one: (place[one.hit.document_id], one.hit.start, one.start, one.end)):
        last = joined[-1] if joined else None
        if last and last.hit.chunk_id == piece.hit.chunk_id and _adjoin(last, piece):
            likelihood = max(last.likelihood, piece.likelihood)
            joined[-1] = Piece(last.hit, _mark(last), max(last.end, piece.end), likelihood)
        else:
            joined.append(piece)
    return joined


def _adjoin(first: Piece, second: Piece) -> bool:
    """Whether nothing but white space, marks and a table's separator row stands between them; a table takes no prose."""
    text = first.hit.text
    if (text[first.end - 1] == "|") != (text[second.start] == "|"):
        return False
    between = text[first.end : second.start].split("\n")
    return all(ITEM_MARK.fullmatch(line) or not any(map(str.isalnum, line)) for line in between)


def _mark(piece: Piece) -> int:
    """Where a piece begins with its mark, if it is a list item: a list of several shows all of them."""
    line = piece.hit.text.rfind("\n", 0, piece.start) + 1
    mark = ITEM_MARK.fullmatch(piece.hit.text, line, piece.start)
    return line + len(mark[0]) - len(mark[0].lstrip()) if mark else piece.start


def _text(clue: Clue, hits: Sequence[Hit]) -> str:
    return hits[clue.hit].text[clue.unit.start : clue.unit.end]


def _words(text: str) -> set[str]:
    return {term for term in content_terms(text) if not any(character.isdigit() for character in term)}
