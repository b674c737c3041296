from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bot.ingesting import IngestRequest
from bot.jobs import IngestJobs
from bot.reporting import ReportStore
from bot.schedules import LOOK_S, Schedules, check_schedule, next_run
from tests.bot.ingests import PATIENCE_S, FakeIngests

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["Europe/Berlin"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine stands there."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Clock:
    """Says what it is set to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **much: float) -> None:
        self.now += timedelta(**much)


@pytest.fixture
def ingests() -> FakeIngests:
    return FakeIngests(hold=True)


@pytest.fixture
def jobs(ingests: FakeIngests, tmp_path: Path) -> Iterator[IngestJobs]:
    opened = IngestJobs(ingests, reports=ReportStore(tmp_path / "reports"))
    yield opened
    opened.close()


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("schedule", "after", "due"),
    [
        ("@daily", at(2026, 6, 1, 12), at(2026, 6, 1, 22)),  # midnight in Berlin
        ("@hourly", at(2026, 6, 1, 12, 0, 1), at(2026, 6, 1, 13)),
        ("30 6 * * 1-5", at(2026, 6, 5, 12), at(2026, 6, 8, 4, 30)),  # over the weekend
        ("30 2 * * *", at(2026, 3, 29, 0), at(2026, 3, 29, 1)),  # half past two does not come: at once after
        ("30 2 * * *", at(2026, 10, 25, 0), at(2026, 10, 25, 0, 30)),  # it comes twice: the first time only
        ("30 2 * * *", at(2026, 10, 25, 0, 30), at(2026, 10, 26, 1, 30)),
        ("*/30 * * * *", at(2026, 10, 25, 0, 30), at(2026, 10, 25, 1)),  # every half hour, also in the hour twice
        ("*/30 * * * *", at(2026, 10, 25, 1), at(2026, 10, 25, 1, 30)),
        ("*/30 * * * *", at(2026, 3, 29, 0, 40), at(2026, 3, 29, 1)),
    ],
)
def test_a_schedule_is_in_local_time_summer_time_included(schedule: str, after: datetime, due: datetime) -> None:
    assert next_run(schedule, after) == due


@pytest.mark.parametrize(
    "text",
    [
        "",
        "daily",
        "* * * *",
        "* * * * * *",
        "61 * * * *",
        "0 0 30 2 *",
        "@reboot",
        "*/0 * * * *",
        "1 " * 500,
        "a\nb c d e",
    ],
)
def test_what_is_no_schedule_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is no schedule") as refused:
        check_schedule(text)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


@given(st.lists(st.text("0123456789*/,-#LW@", max_size=8), min_size=5, max_size=5).map(" ".join))
def test_any_line_is_a_schedule_or_refused(text: str) -> None:
    try:
        check_schedule(text)
    except ValueError as refused:
        assert "is no schedule" in str(refused)  # noqa: PT017 - either is right
    else:
        assert next_run(text, NOON) > NOON


def test_a_line_that_is_none_is_refused_at_the_start(jobs: IngestJobs) -> None:
    with pytest.raises(ValueError, match="no schedule"):
        Schedules(jobs, {"handbook": "@sometimes"})


def test_a_source_is_started_when_its_time_has_come_and_once(jobs: IngestJobs, ingests: FakeIngests) -> None:
    clock = Clock()
    schedules = Schedules(jobs, {"handbook": "0 * * * *", "wiki": "30 * * * *"}, now=clock)
    schedules.look()
    assert jobs.recent() == []
    clock.forward(minutes=30)
    schedules.look()
    schedules.look()
    (job,) = jobs.recent()
    assert (job.request, job.by) == (IngestRequest(sources=("wiki",)), "schedule")
    assert ingests.begun.acquire(timeout=PATIENCE_S)


def test_a_source_that_is_still_at_it_is_passed_over(jobs: IngestJobs, ingests: FakeIngests) -> None:
    clock = Clock()
    schedules = Schedules(jobs, {"handbook": "@hourly"}, now=clock)
    clock.forward(hours=1)
    schedules.look()
    assert ingests.begun.acquire(timeout=PATIENCE_S)
    clock.forward(hours=1)
    with structlog.testing.capture_logs() as log:
        schedules.look()
    assert len(jobs.recent()) == 1
    assert [line["source"] for line in log if "passed over" in line["event"]] == ["handbook"]


def test_a_full_queue_passes_over_and_the_next_time_counts(tmp_path: Path) -> None:
    clock = Clock()
    full = IngestJobs(FakeIngests(), reports=ReportStore(tmp_path / "reports"), most_waiting=0)
    schedules = Schedules(full, {"handbook": "@hourly"}, now=clock)
    clock.forward(hours=1)
    with structlog.testing.capture_logs() as log:
        schedules.look()
    assert "Too many" in log[0]["reason"]
    assert schedules.look() == LOOK_S


def test_a_clock_put_forward_starts_what_was_missed_once(jobs: IngestJobs) -> None:
    clock = Clock()
    schedules = Schedules(jobs, {"handbook": "@hourly"}, now=clock)
    clock.forward(days=3, minutes=20)
    schedules.look()
    schedules.look()
    assert len(jobs.recent()) == 1


def test_a_clock_put_back_does_not_make_the_next_run_wait_for_the_old_time(jobs: IngestJobs) -> None:
    clock = Clock()
    schedules = Schedules(jobs, {"handbook": "@hourly"}, now=clock)
    clock.forward(days=-30)
    schedules.look()
    clock.forward(hours=1)
    schedules.look()
    assert len(jobs.recent()) == 1


def test_a_clock_that_is_corrected_a_little_starts_nothing_twice(jobs: IngestJobs, ingests: FakeIngests) -> None:
    clock = Clock()
    schedules = Schedules(jobs, {"handbook": "@hourly"}, now=clock)
    clock.forward(hours=1)
    schedules.look()
    assert ingests.begun.acquire(timeout=PATIENCE_S)
    ingests.release()
    while jobs.busy_with("handbook"):
        time.sleep(0.01)
    clock.forward(seconds=-2)
    schedules.look()
    clock.forward(seconds=2)
    schedules.look()
    assert len(jobs.recent()) == 1


def test_the_wait_is_short_enough_to_notice_a_clock_that_was_set(jobs: IngestJobs) -> None:
    clock = Clock()
    schedules = Schedules(jobs, {"handbook": "@yearly"}, now=clock)
    assert schedules.look() == LOOK_S
    clock.now = datetime(2026, 12, 31, 23, 59, 55, tzinfo=UTC).astimezone()
    assert 0 <= schedules.look() <= LOOK_S


def test_running_ends_when_it_is_cancelled_and_at_once_without_schedules(jobs: IngestJobs) -> None:
    async def serve() -> None:
        running = asyncio.create_task(Schedules(jobs, {"handbook": "@hourly"}).run())
        await asyncio.sleep(0)
        running.cancel()
        assert isinstance((await asyncio.gather(running, return_exceptions=True))[0], asyncio.CancelledError)
        await Schedules(jobs, {}).run()

    asyncio.run(serve())
