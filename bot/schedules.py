"""When sources are brought up to date inside a server: cron lines, in the machine's local time. Knows no source and no index.

A clock that is put forward makes what was missed run once; one that is put back makes the next run come at its new time.
Where summer time skips or repeats an hour, runs at a set hour come once, as in Debian's cron.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

import structlog

from bot.errors import BotError

if TYPE_CHECKING:
    from bot.jobs import IngestJobs

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_MOST_CHARACTERS = 200
"""Of a cron line: the longest sensible one lists a few dozen numbers."""
LOOK_S = 20.0
"""How often the clock is looked at, at least: a sleep does not notice that somebody set it."""
_SET_BACK = timedelta(minutes=5)
"""A clock that goes back by less is only being corrected, and must not make a run come twice."""


class LocalTime(tzinfo):
    """The machine's time zone as the C library knows it, summer time included; Python's own is a fixed offset."""

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        return None if when is None else when.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, when: datetime | None) -> timedelta | None:
        return None

    def tzname(self, when: datetime | None) -> str | None:
        return None if when is None else when.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, when: datetime) -> datetime:
        there = when.replace(tzinfo=UTC).astimezone()
        plain = there.replace(tzinfo=None)
        # of an hour that comes twice, `fold` tells which it is
        return plain.replace(tzinfo=self, fold=int(plain.astimezone().utcoffset() != there.utcoffset()))


def next_run(schedule: str, after: datetime) -> datetime:
    """When `schedule`, a line in local time, is next due after a moment; both in UTC. Raises ValueError as `check_schedule`."""
    from cronsim import CronSim, CronSimError

    line = _NAMED.get(schedule.strip().lower(), schedule.strip())
    try:
        if len(line) > _MOST_CHARACTERS or len(line.split()) != 5:
            raise CronSimError("it needs five fields: minute, hour, day of month, month, day of week")
        return next(CronSim(line, after.astimezone(LocalTime()))).astimezone(UTC)
    except CronSimError as error:
        reason = str(error)
    except StopIteration:
        reason = "there is no such day"
    raise ValueError(
        f"{schedule[:_MOST_CHARACTERS]!r} is no schedule ({reason[:1].lower()}{reason[1:]}): write a cron line such as"
        ' "30 6 * * 1-5", or "@hourly" or "@daily"'
    )


def check_schedule(text: str) -> None:
    """Raises ValueError, with a sentence for people that has no full stop, unless `text` is a schedule that comes."""
    next_run(text, datetime(2024, 1, 1, tzinfo=UTC))


class Schedules:
    """Starts a job for each source when its time has come. `schedules` are cron lines by source.

    Raises ValueError for a line that is none.
    """

    def __init__(
        self,
        jobs: IngestJobs,
        schedules: Mapping[str, str],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        for schedule in schedules.values():
            check_schedule(schedule)
        self._jobs = jobs
        self._schedules = dict(schedules)
        self._now = now
        started = now()
        self._due = {source: next_run(schedule, started) for source, schedule in schedules.items()}

    async def run(self) -> None:
        """Look at the clock until cancelled."""
        while self._schedules:
            wait = self.look()
            await asyncio.sleep(wait)

    def look(self) -> float:
        """Start what is due, once however often it was missed; returns the seconds until it is worth looking again."""
        now = self._now()
        for source, schedule in self._schedules.items():
            due = self._due[source]
            if due <= now:
                self._start(source)
                self._due[source] = next_run(schedule, now)
            else:
                # Only a clock that was put back makes the next time come earlier than was thought.
                again = next_run(schedule, now + _SET_BACK)
                self._due[source] = min(due, again)
        left = (min(self._due.values()) - self._now()).total_seconds()
        return min(max(left, 0.0), LOOK_S)

    def _start(self, source: str) -> None:
        from bot.ingesting import IngestRequest

        log = structlog.get_logger(__name__)
        if self._jobs.busy_with(source):
            log.warning("schedule passed over: the source is still being brought up to date", source=source)
            return
        try:
            job = self._jobs.submit(IngestRequest(sources=(source,)), by="schedule")
        except BotError as error:
            log.warning("schedule passed over", source=source, reason=str(error))
            return
        log.info("schedule", source=source, job=job.id)
