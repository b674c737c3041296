"""Two runs of one suite, case by case: what changed, and how sure the difference of each score is. Pure.

Differences are paired: each case is compared with itself, which makes their interval much narrower than those of two means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import unified_diff

from bot.evaluation.errors import RunError
from bot.evaluation.intervals import Interval, interval
from bot.evaluation.outcomes import CaseRecord, RecordedAnswer, RecordedHit
from bot.evaluation.runs import Run, Subject
from bot.evaluation.scorers import SCORERS, SHARES

LEAST_CHANGED = 6
"""Where fewer cases changed, not even all of them going one way is beyond chance (sign test at 5 %, both sides: 2 / 2**6)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a score, over the cases it applies to in both runs: the two means, `b` less `a`, and how many cases went which way."""

    a: float
    b: float
    change: Interval
    higher: int
    lower: int

    @property
    def sure(self) -> bool:
        """Whether the change is more than chance would bring: 0 lies outside the interval, and enough cases changed."""
        low, high = self.change.low, self.change.high
        return (
            self.higher + self.lower >= LEAST_CHANGED and low is not None and high is not None and (low > 0 or high < 0)
        )


@dataclass(frozen=True, slots=True)
class Change:
    """A case that came out differently. `flips` are shares by name, before and after; of the rest, whether it differs."""

    a: CaseRecord
    b: CaseRecord
    flips: Mapping[str, tuple[float | None, float | None]]
    answer: bool
    citations: bool
    first_hit: bool
    error: bool

    @property
    def others(self) -> list[str]:
        """What differs besides scores."""
        said = {
            "another answer": self.answer,
            "other citations": self.citations,
            "another first passage": self.first_hit,
            "a fault in one of them": self.error,
        }
        return [what for what, is_so in said.items() if is_so]

    def as_json(self) -> dict[str, object]:
        """For programs: what differs, and the two first answers."""
        return {
            "id": self.b.case.id,
            "question": self.b.case.question,
            "scores": {name: list(pair) for name, pair in self.flips.items()},
            "changed": self.others,
            "answers": [answer.text if (answer := first_answer(record)) else None for record in (self.a, self.b)],
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Run `b` beside run `a`."""

    a: Run
    b: Run
    scores: Mapping[str, Difference]
    judged: Difference | None
    """Of the verdicts; None unless the same judge weighed both."""
    changes: tuple[Change, ...]
    """Cases that came out differently, those with other scores first."""
    same: int
    """Cases that came out the same."""
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    """Ids of cases that one of the suites lacks."""
    rewritten: tuple[str, ...]
    """Ids of cases that do not say the same in both suites; they are not compared."""
    circumstances: tuple[tuple[str, str, str], ...]
    """What the runs differ in: its name, before, after."""

    @property
    def prompt_diff(self) -> list[str]:
        """What changed in the text of the prompt, as a unified diff; nothing where a run has none, or an older Kura kept none."""
        one, other = self.a.subject, self.b.subject
        if not (one.prompt_text and other.prompt_text):
            return []
        lines = one.prompt_text.splitlines(), other.prompt_text.splitlines()
        return list(unified_diff(*lines, one.prompt, other.prompt, lineterm=""))

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "a": self.a.id,
            "b": self.b.id,
            "scores": {name: asdict(one) | {"sure": one.sure} for name, one in self.scores.items()},
            "judged": asdict(self.judged) | {"sure": self.judged.sure} if self.judged else None,
            "same": self.same,
            "changes": [change.as_json() for change in self.changes],
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
            "rewritten": list(self.rewritten),
            "circumstances": [list(one) for one in self.circumstances],
            "prompt_diff": self.prompt_diff,
        }


def compare(a: Run, b: Run, *, force: bool = False) -> Comparison:
    """What changed from `a` to `b`. Raises RunError for runs of different suites unless forced: then the cases in common."""
    if a.suite.sha256 != b.suite.sha256 and not force:
        raise RunError(
            f"{a.id} and {b.id} are runs of different suites ({a.suite.name} and {b.suite.name}, or the suite was changed"
            " between them): compare runs of one suite, or the cases they have in common with --force."
        )
    before = {record.case.id: record for record in a.cases}
    after = {record.case.id: record for record in b.cases}
    common = [id_ for id_ in after if id_ in before]
    pairs = [(before[id_], after[id_]) for id_ in common if before[id_].case == after[id_].case]
    if not pairs:
        raise RunError(f"{a.id} and {b.id} have no case in common: there is nothing to compare.")
    changes = [change for one, other in pairs if (change := _change(one, other))]
    same_judge = a.judged and b.judged and a.judged.pin == b.judged.pin
    return Comparison(
        a=a,
        b=b,
        scores=_differences(pairs),
        judged=_difference([(one.verdict(), other.verdict()) for one, other in pairs]) if same_judge else None,
        changes=tuple(sorted(changes, key=lambda change: not change.flips)),
        same=len(pairs) - len(changes),
        only_a=tuple(id_ for id_ in before if id_ not in after),
        only_b=tuple(id_ for id_ in after if id_ not in before),
        rewritten=tuple(id_ for id_ in common if before[id_].case != after[id_].case),
        circumstances=tuple(_circumstances(a, b)),
    )


def first_answer(record: CaseRecord) -> RecordedAnswer | None:
    """The answer of the first trial that has one."""
    return next((trial.answer for trial in record.trials if trial.answer is not None), None)


def _differences(pairs: Sequence[tuple[CaseRecord, CaseRecord]]) -> dict[str, Difference]:
    found = {}
    for scorer in SCORERS:
        difference = _difference([(one.mean(scorer.name), other.mean(scorer.name)) for one, other in pairs])
        if difference is not None:
            found[scorer.name] = difference
    return found


def _difference(pairs: Sequence[tuple[float | None, float | None]]) -> Difference | None:
    both = [(one, other) for one, other in pairs if one is not None and other is not None]
    change = interval([other - one for one, other in both])
    if change is None:
        return None
    return Difference(
        a=sum(one for one, _ in both) / len(both),
        b=sum(other for _, other in both) / len(both),
        change=change,
        higher=sum(other > one for one, other in both),
        lower=sum(other < one for one, other in both),
    )


def _change(a: CaseRecord, b: CaseRecord) -> Change | None:
    flips = {name: (one, other) for name in SHARES if (one := a.mean(name)) != (other := b.mean(name))}
    change = Change(
        a=a,
        b=b,
        flips=flips,
        answer=_texts(a) != _texts(b),
        citations=_cited(a) != _cited(b),
        first_hit=[_place(hit) for hit in a.hits[:1]] != [_place(hit) for hit in b.hits[:1]],
        error=a.failed != b.failed,
    )
    return change if flips or change.answer or change.citations or change.first_hit or change.error else None


def _texts(record: CaseRecord) -> set[str]:
    """What was answered: of several trials, in any order."""
    return {trial.answer.text for trial in record.trials if trial.answer is not None}


def _cited(record: CaseRecord) -> set[frozenset[tuple[str, str]]]:
    """What each answer cited. Offsets do not count: a document that grew above the quote says the same."""
    answers = [trial.answer for trial in record.trials if trial.answer is not None]
    return {frozenset((one.address, one.quote) for one in answer.citations) for answer in answers}


def _place(hit: RecordedHit) -> tuple[str, int, int]:
    return hit.address, hit.start, hit.end


def _circumstances(a: Run, b: Run) -> list[tuple[str, str, str]]:
    one, other = ({**said_of(run.subject), "asked as": run.asked_as, "trials": str(run.trials)} for run in (a, b))
    return [
        (name, one.get(name, ""), other.get(name, ""))
        for name in {**one, **other}
        if one.get(name, "") != other.get(name, "")
    ]


def said_of(subject: Subject) -> dict[str, str]:
    """All that answers depended on, by its name for people. What a run of an older Kura does not tell is empty."""
    return {
        "Kura": subject.kura,
        "model": subject.model,
        "model sha256": subject.model_sha256,
        "style": subject.style,
        "prompt": subject.prompt,
        "embedder": subject.embedder,
        "reading of documents": subject.recipe,
        "scoring of evidence": subject.evidence,
        "threshold": subject.threshold,
        "index": f"generation {subject.generation}" if subject.generation else "",
        "documents": subject.documents,
        **{key: str(value) for key, value in subject.settings.items()},
    }
