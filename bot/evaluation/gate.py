"""Golden questions at the door: whether another index, model, prompt or setting may answer. Knows none of these.

The same suite is asked of both; the new one may answer if no score that is a share falls by more than what is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.evaluation.outcomes import CaseRecord
from bot.evaluation.scorers import SHARES, score
from ingest.wording import counted

MOST_NAMED = 3
"""Questions named in a refusal: enough to begin with; `kura eval run` tells all."""


@dataclass(frozen=True, slots=True)
class GoldenOutcome:
    """What golden questions say of something in place of another, each a clause without a full stop, or "".

    With an `objection` it may not answer. A `remark` names what got worse by less than that.
    """

    objection: str = ""
    remark: str = ""


def unasked(records: Sequence[CaseRecord]) -> str:
    """That questions could not be asked, and why the first could not: a clause, or "". Nothing can be told from the others."""
    failed = [record for record in records if record.failed]
    if not failed:
        return ""
    why = next(filter(None, (failed[0].error, *(trial.error for trial in failed[0].trials))))
    return (
        f"{counted(len(failed), 'golden question')} could not be asked ({failed[0].case.question}: {why.rstrip('.')})"
    )


def weighed(before: Sequence[CaseRecord], after: Sequence[CaseRecord], most_lost: float) -> GoldenOutcome:
    """Whether the answers `after` are good enough beside those `before`, by the questions that both were asked.

    What is expected is what the cases say now: the former answers are scored by that, too. `most_lost` (0..1) is by how much
    the mean of a score may fall. All of them must have been asked (`unasked`).
    """
    former = {record.case.asked: record for record in before}
    pairs = [(_rescored(former[new.case.asked], new), new) for new in after if new.case.asked in former]
    if not pairs:
        return GoldenOutcome(remark="none of its golden questions was asked before, so that nothing was compared")
    return _compared(pairs, most_lost)


def _rescored(old: CaseRecord, new: CaseRecord) -> CaseRecord:
    trials = [one.model_copy(update={"scores": score(new.case, old.hits, one)}) for one in old.trials]
    return old.model_copy(update={"trials": tuple(trials)})


def _compared(pairs: Sequence[tuple[CaseRecord, CaseRecord]], most_lost: float) -> GoldenOutcome:
    fallen, lower = [], []
    for name in SHARES:
        one, other = _mean((old for old, _ in pairs), name), _mean((new for _, new in pairs), name)
        if one is None or (other is not None and other >= one):
            continue
        lower.append(f"{name} {one:.3f} → {'none' if other is None else f'{other:.3f}'}")
        if other is None or one - other > most_lost + 1e-9:
            fallen.append(lower[-1])
    worse = [new.case.question for old, new in pairs if _worse(old, new)]
    named = "; ".join(worse[:MOST_NAMED]) + ("; …" if len(worse) > MOST_NAMED else "")
    told = f"of {counted(len(pairs), 'golden question')} it answers {len(worse)} worse"
    if fallen:
        return GoldenOutcome(objection=f"{told} ({', '.join(fallen)}): {named}")
    if not worse:
        return GoldenOutcome()
    within = f" ({', '.join(lower)}, within {most_lost:g})" if lower else ", and as many better"
    return GoldenOutcome(remark=f"{told}{within}: {named}")


def _mean(records: Iterable[CaseRecord], name: str) -> float | None:
    values = [value for record in records if (value := record.mean(name)) is not None]
    return sum(values) / len(values) if values else None


def _worse(old: CaseRecord, new: CaseRecord) -> bool:
    pairs = [(old.mean(name), new.mean(name)) for name in SHARES]
    return any(one is not None and (other is None or other < one) for one, other in pairs)
