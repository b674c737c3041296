"""Golden questions at the door: whether another index, model, prompt or setting may answer. Knows none of these.

The same suite is asked of both; the new one may answer if no score that is a share falls by more than what is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.evaluation.outcomes import CaseRecord
from bot.evaluation.scorers import SHARES
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


def weighed(before: Sequence[CaseRecord], after: Sequence[CaseRecord], most_lost: float) -> GoldenOutcome:
    """Whether the answers `after` are good enough beside those `before`, of the same cases in the same order.

    `most_lost` (0..1) is by how much the mean of a score may fall.
    """
    fallen, lower = [], []
    for name in SHARES:
        one, other = _mean(before, name), _mean(after, name)
        if one is None or (other is not None and other >= one):
            continue
        lower.append(f"{name} {one:.3f} → {'none' if other is None else f'{other:.3f}'}")
        if other is None or one - other > most_lost + 1e-9:
            fallen.append(lower[-1])
    failed = sum(new.failed and not old.failed for old, new in zip(before, after, strict=True))
    if failed:
        fallen.append(f"{counted(failed, 'question')} could not be asked")
    worse = [new.case.question for old, new in zip(before, after, strict=True) if _worse(old, new)]
    named = "; ".join(worse[:MOST_NAMED]) + ("; …" if len(worse) > MOST_NAMED else "")
    told = f"of {counted(len(after), 'golden question')} it answers {len(worse)} worse"
    if fallen:
        return GoldenOutcome(objection=f"{told} ({', '.join(fallen)}): {named}")
    if not worse:
        return GoldenOutcome()
    within = f" ({', '.join(lower)}, within {most_lost:g})" if lower else ", and as many better"
    return GoldenOutcome(remark=f"{told}{within}: {named}")


def _mean(records: Sequence[CaseRecord], name: str) -> float | None:
    values = [value for record in records if (value := record.mean(name)) is not None]
    return sum(values) / len(values) if values else None


def _worse(old: CaseRecord, new: CaseRecord) -> bool:
    if new.failed and not old.failed:
        return True
    pairs = [(old.mean(name), new.mean(name)) for name in SHARES]
    return any(one is not None and (other is None or other < one) for one, other in pairs)
