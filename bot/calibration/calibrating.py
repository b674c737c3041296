"""One calibration from door to door: questions made, asked with and without the documents they came from, a threshold fitted.

Reads every document, so it is for whoever owns the data folder. Keeps nothing (`bot/calibration/storing.py` does), and knows
no front end.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from bot.calibration.errors import CannotCalibrate
from bot.calibration.fitting import Fit, fit
from bot.calibration.foreign import FOREIGN
from bot.calibration.making import Made, Maker, Writer, in_turn, title_groups
from bot.calibration.storing import Calibration, Pins, pins_of
from bot.evidence import ENOUGH, Evidence, Span, weigh
from bot.finding import PASSAGES
from bot.identity import local_principal
from retrieval import authority, passages
from retrieval.access import Principal
from retrieval.database import reading
from retrieval.documents import Hit
from retrieval.generations import Generation
from retrieval.index import Index
from retrieval.passages import StoredChunk
from retrieval.search import Searcher

LEAST_DOCUMENTS = 10
"""Different documents that are needed: with fewer, what is left out is much of all that there is."""
LEAST_QUESTIONS = 40
"""Questions of each kind that are needed: with fewer the interval is as wide as the scale."""
LEAST_OF_LANGUAGE = 100
"""Questions of each kind from which on a language has a threshold of its own."""
FOREIGN_SHARE = 0.2
"""Of the questions that must be refused, how many are about another world altogether, where the list has so many."""
FOUND_WITHIN = 5
"""A question counts if its passage is among so many hits: what search does not find, no threshold brings back."""
LOOKED_AT = 3
"""Questions made for each that is wanted, before it is said that there are no more."""
ROUNDS = 4
"""Questions made of a passage at most."""
LARGEST = 1_000
"""Passages of a group of documents that is left out: each of them costs the search, and a threshold needs no such giants."""
WRITING_S = 600.0
"""Seconds that a chat model may take to write questions; the rest comes from templates."""
POOL = 300
"""Passages whose words stand in for others."""
_SEED = 7
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that counted: its score with its document there, and without (None: it could still be answered)."""

    made: Made
    score: float
    without: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A calibration, and how it came about."""

    calibration: Calibration
    common: Fit
    by_language: dict[str, Fit]
    asked: tuple[Asked, ...]
    foreign: int
    not_found: int
    """Questions that were discarded because search did not find their passage."""
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Numbers only: nothing of a document."""
        return {
            **self.calibration.model_dump(),
            "default": ENOUGH,
            "fit": self.common.as_json(),
            "fit_by_language": {name: one.as_json() for name, one in self.by_language.items()},
            "written_by_model": sum(one.made.written for one in self.asked),
            "foreign": self.foreign,
            "not_found": self.not_found,
            "seconds": round(self.seconds, 1),
        }


class Calibrator:
    """Calibrates an open index. `writer` words questions where the model is capable; without one, templates do."""

    def __init__(self, index: Index, searcher: Searcher, writer: Writer | None = None) -> None:
        self._index = index
        self._searcher = searcher
        self._writer = writer

    def run(
        self,
        questions: int,
        wrong_costs: float = 1.0,
        on_progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Outcome:
        """Ask about `questions` passages, or as many as there are. Raises CannotCalibrate, and what search and model raise."""
        started = time.monotonic()
        everybody = self._everybody()
        generation, order, group_of = self._material(principal=everybody)
        # 1. Questions, each asked with its document there and without it.
        asked: list[Asked] = []
        lost = 0
        for made in islice(self._made(order, principal=everybody), LOOKED_AT * questions):
            one = self._asked(made, group_of[made.document_id], principal=everybody)
            if one is None:
                lost += 1
            else:
                asked.append(one)
                on_progress(len(asked), questions)
            if len(asked) == questions:
                break
        # 2. Questions about another world.
        foreign = [(one, self._weighed(text, principal=everybody)[0].score) for one, text in _foreign(asked)]
        # 3. Fits: one of all, and one of each language that has questions enough.
        right = [(one.made.language, one.score) for one in asked]
        wrong = [(one.made.language, one.without) for one in asked if one.without is not None] + foreign
        if min(len(right), len(wrong)) < LEAST_QUESTIONS:
            raise CannotCalibrate(
                f"Only {len(right)} questions could be made from the documents, and a calibration needs {LEAST_QUESTIONS}:"
                " ingest more text in English or Japanese; until then the default threshold is used."
            )
        common = _fit(right, wrong, wrong_costs)
        counts = Counter(spoken for spoken, _ in right)
        own = {
            spoken: _fit(
                [one for one in right if one[0] == spoken], [one for one in wrong if one[0] == spoken], wrong_costs
            )
            for spoken, count in sorted(counts.items())
            if len(counts) > 1 and count >= LEAST_OF_LANGUAGE
        }
        calibration = _calibration(pins_of(generation), common, own, dict(sorted(counts.items())), wrong_costs)
        return Outcome(calibration, common, own, tuple(asked), len(foreign), lost, time.monotonic() - started)

    # --- the steps ---

    def _everybody(self) -> Principal:
        """Whoever owns the folder may read all that is in it."""
        with reading(self._index.engine) as connection:
            sets = authority.reader_sets(connection).values()
        return local_principal("calibrate", {group for readers in sets for group in readers.groups})

    def _material(self, *, principal: Principal) -> tuple[Generation, list[int], dict[str, tuple[str, ...]]]:
        """The generation that answers, its chunks in the order of asking, and the documents that go with each document."""
        with reading(self._index.engine) as connection:
            generation = self._index.answering(connection)
            readable = passages.readable(connection, principal=principal)
            titles = passages.titles(connection, generation=generation.id, readable=readable) if generation else {}
            chunks = passages.by_document(connection, generation=generation.id, readable=readable) if generation else {}
        groups = title_groups(titles)
        if generation is None or len(groups) < LEAST_DOCUMENTS:
            raise CannotCalibrate(
                f"There are {len(groups)} different documents, and a calibration needs {LEAST_DOCUMENTS}: ingest more; until"
                " then the default threshold is used."
            )
        fitting = [group for group in groups if sum(len(chunks.get(one, ())) for one in group) <= LARGEST]
        group_of = {id_: group for group in fitting for id_ in group}
        order = in_turn({id_: ids for id_, ids in chunks.items() if id_ in group_of}, _SEED)
        return generation, [*order], group_of

    def _made(self, order: Sequence[int], *, principal: Principal) -> Iterator[Made]:
        """Questions about these passages, one of each; then about another sentence of each, and so on."""
        maker = Maker([chunk.text for chunk in self._chunks(order[:POOL], principal=principal)], _SEED)
        until = time.monotonic() + WRITING_S
        seen: set[tuple[str, str]] = set()
        for at in [*range(0, len(order), _AT_ONCE)] * ROUNDS:
            for chunk in self._chunks(order[at : at + _AT_ONCE], principal=principal):
                writing = self._writer is not None and time.monotonic() < until
                made = maker.by_writer(chunk, self._writer) if writing and self._writer else maker.by_template(chunk)
                if made is not None and (made.chunk_id, made.sentence) not in seen:
                    seen.add((made.chunk_id, made.sentence))
                    yield made

    def _chunks(self, ids: Sequence[int], *, principal: Principal) -> list[StoredChunk]:
        """In this order; without those that are gone by now."""
        with reading(self._index.engine) as connection:
            generation = self._index.answering(connection)
            readable = passages.readable(connection, principal=principal)
            if generation is None:
                return []
            found = passages.chunks(connection, generation=generation.id, readable=readable, ids=ids)
        stored = {chunk.id: chunk for chunk in found}
        return [stored[one] for one in ids if one in stored]

    def _weighed(
        self, text: str, without: Sequence[str] = (), *, principal: Principal
    ) -> tuple[Evidence, Sequence[Hit]]:
        """As the assistant weighs it, and the hits."""
        found = self._searcher.search(text, principal=principal, k=PASSAGES, without=without)
        return weigh(text, found), found.hits

    def _asked(self, made: Made, group: Sequence[str], *, principal: Principal) -> Asked | None:
        """None if search does not find the passage."""
        evidence, hits = self._weighed(made.text, principal=principal)
        sentence = _letters(made.sentence)
        if not any(hit.chunk_id == made.chunk_id or sentence in _letters(hit.text) for hit in hits[:FOUND_WITHIN]):
            return None
        left, others = self._weighed(made.text, group, principal=principal)
        copied = any(_letters(made.sentence) in _letters(hit.text) for hit in others)
        answered = made.answer and any(_letters(made.answer) in _letters(_told(one)) for one in left.spans)
        return Asked(made, evidence.score, None if copied or answered else left.score)


def _told(span: Span) -> str:
    return span.hit.text[span.start - span.hit.start : span.end - span.hit.start]


def _letters(text: str) -> str:
    """What stays of a text that was copied and laid out anew."""
    return "".join(filter(str.isalnum, text)).casefold()


def _foreign(asked: Sequence[Asked]) -> list[tuple[str, str]]:
    """Language and text of the foreign questions, in the languages of the others."""
    wanted = Counter(one.made.language for one in asked if one.without is not None)
    return [
        (spoken, text)
        for spoken, count in sorted(wanted.items())
        for text in FOREIGN[spoken][: round(count * FOREIGN_SHARE / (1 - FOREIGN_SHARE))]
    ]


def _calibration(
    pins: Pins, common: Fit, own: dict[str, Fit], questions: dict[str, int], wrong_costs: float
) -> Calibration:
    """What is kept."""
    return Calibration(
        pins=pins,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        threshold=common.threshold,
        by_language={spoken: one.threshold for spoken, one in own.items()},
        wrong_costs=wrong_costs,
        questions=questions,
        auc=common.auc,
        before=common.before,
        after=common.after,
    )


def _fit(right: Sequence[tuple[str, float]], wrong: Sequence[tuple[str, float]], wrong_costs: float) -> Fit:
    return fit([score for _, score in right], [score for _, score in wrong], default=ENOUGH, wrong_costs=wrong_costs)
