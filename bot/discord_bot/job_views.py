"""A job as an administrator sees it on Discord, outside the company: only sources that are shown there are named."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bot.discord_bot.ports import JobView
from bot.jobs import State
from ingest.wording import counted

ALL_BUT_SOURCES = ""
"""The key of a fault that is no source's own."""


def job_view(
    job_id: str,
    state: State,
    *,
    progress: Sequence[tuple[str, int, int, int]],
    faults: Mapping[str, str],
    fault: str,
    shown: Collection[str],
) -> JobView:
    """`progress` is as in `JobView.sources`, `faults` are by source: their sentences may name paths, and stay inside."""
    if faults and ALL_BUT_SOURCES not in faults:
        names = ", ".join(name for name in faults if name in shown)
        which = counted(len(faults), "source") + (f" ({names})" if names else "")
        fault = f"{which} could not be brought up to date: Kura's report says why."
    return JobView(job_id, state, tuple(one for one in progress if one[0] in shown), fault)
