from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from bot.errors import Overloaded
from bot.ingesting import IngestRequest, Outcome
from bot.jobs import MOST_FAILURES, MOST_KEPT, IngestJobs, Job
from bot.reporting import ReportStore
from bot.upkeep import UpkeepRequest, UpkeepResult
from ingest.errors import SourceError
from ingest.reports import Progress
from retrieval.errors import NotFound, RetrievalError
from tests.bot.ingests import PATIENCE_S, FakeIngests, sync_report

HANDBOOK, WIKI = IngestRequest(sources=("handbook",)), IngestRequest(sources=("wiki",))
REMOVE, VERIFY = UpkeepRequest("remove", ("wiki",)), UpkeepRequest("verify")
Note = Callable[[Progress], None]


class Bench:
    """Jobs over a stand-in, and whoever was told of ended ones."""

    def __init__(self, folder: Path) -> None:
        self.reports = ReportStore(folder / "reports")
        self.opened: list[IngestJobs] = []
        self.ended: list[Job] = []
        self._news = threading.Condition()

    def __call__(self, ingests: FakeIngests, **changes: object) -> IngestJobs:
        jobs = IngestJobs(ingests, reports=self.reports, ended=self._note, **changes)  # type: ignore[arg-type]
        self.opened.append(jobs)
        return jobs

    def _note(self, job: Job) -> None:
        with self._news:
            self.ended.append(job)
            self._news.notify_all()

    def end_of(self, job: Job) -> Job:
        with self._news:
            found = lambda: [one for one in self.ended if one.id == job.id]  # noqa: E731
            assert self._news.wait_for(found, PATIENCE_S)
            return found()[0]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for jobs in made.opened:
        jobs.close()


def begun(ingests: FakeIngests) -> None:
    assert ingests.begun.acquire(timeout=PATIENCE_S)


def test_a_job_goes_from_the_queue_to_its_report(bench: Bench) -> None:
    ingests = FakeIngests(hold=True)
    jobs = bench(ingests)
    job = jobs.submit(HANDBOOK, by="client:ops")
    assert (job.state, job.by) == ("queued", "client:ops")
    begun(ingests)
    running = jobs.get(job.id)
    assert running
    assert running.state == "running"
    assert running.started
    ingests.release()
    ended = bench.end_of(job)
    assert (ended.state, ended.fault, ended.over) == ("done", "", True)
    assert ended == jobs.get(job.id)
    stored = bench.reports.get(job.id)
    assert stored
    assert stored.payload.sources[0].added == ["a.md"]


def test_one_job_runs_at_a_time_in_the_order_they_came(bench: Bench) -> None:
    ingests = FakeIngests()
    jobs = bench(ingests)
    requests = [HANDBOOK, WIKI, IngestRequest(sources=("handbook",), dry_run=True), IngestRequest()]
    for job in [jobs.submit(request, by="test") for request in requests]:
        bench.end_of(job)
    assert ingests.requests == requests
    assert ingests.most_at_once == 1


def test_an_equal_request_that_waits_is_the_same_job_but_a_running_one_is_not(bench: Bench) -> None:
    ingests = FakeIngests(hold=True)
    jobs = bench(ingests)
    running = jobs.submit(HANDBOOK, by="a")
    begun(ingests)
    waiting = jobs.submit(HANDBOOK, by="b")
    assert waiting.id != running.id
    assert jobs.submit(HANDBOOK, by="c").id == waiting.id
    confirmed = jobs.submit(IngestRequest(sources=("handbook",), confirmed=True), by="c")
    assert confirmed.id not in {waiting.id, running.id}


def test_many_threads_asking_for_the_same_get_one_job(bench: Bench) -> None:
    ingests = FakeIngests(hold=True)
    jobs = bench(ingests)
    jobs.submit(WIKI, by="first")
    begun(ingests)
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(jobs.submit(HANDBOOK, by="x").id)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 20
    assert len(set(got)) == 1


def test_a_full_queue_refuses_and_is_open_again_later(bench: Bench) -> None:
    ingests = FakeIngests(hold=True)
    jobs = bench(ingests, most_waiting=1)
    first = jobs.submit(HANDBOOK, by="test")
    begun(ingests)
    jobs.submit(HANDBOOK, by="test")
    with pytest.raises(Overloaded, match="waiting"):
        jobs.submit(WIKI, by="test")
    ingests.release()
    bench.end_of(first)
    begun(ingests)
    jobs.submit(WIKI, by="test")


def test_a_source_that_is_not_configured_is_refused_at_once(bench: Bench) -> None:
    with pytest.raises(SourceError, match="There is no source payroll"):
        bench(FakeIngests()).submit(IngestRequest(sources=("payroll",)), by="test")


def test_progress_has_a_rate_and_the_time_left(bench: Bench) -> None:
    seconds = iter([100.0, 102.0])
    now = [100.0]
    told, go_on = threading.Event(), threading.Event()

    def script(_: IngestRequest, on_progress: Callable[[Progress], None]) -> Outcome:
        for done in (0, 10):
            now[0] = next(seconds)
            on_progress(Progress("handbook", done, 40, "b.md", 7, {"bad.pdf": "bad.pdf has no text."}))
        told.set()
        go_on.wait(PATIENCE_S)
        return Outcome((sync_report(),))

    jobs = bench(FakeIngests(script), clock=lambda: now[0])
    job = jobs.submit(HANDBOOK, by="test")
    assert told.wait(PATIENCE_S)
    running = jobs.get(job.id)
    go_on.set()
    assert running
    (source,) = running.progress
    assert (source.source, source.done, source.total, source.passages, source.item) == ("handbook", 10, 40, 7, "b.md")
    assert (source.rate, source.seconds_left) == (5.0, 6.0)
    assert (source.failed, source.failed_count) == ({"bad.pdf": "bad.pdf has no text."}, 1)


def test_only_the_first_failures_are_named_while_it_runs(bench: Bench) -> None:
    failed = {f"{number}.pdf": "It has no text." for number in range(2000)}

    def script(_: IngestRequest, on_progress: Callable[[Progress], None]) -> Outcome:
        on_progress(Progress("handbook", 5, 5, "", 0, failed))
        return Outcome((sync_report(failed=failed),))

    ended = bench.end_of(bench(FakeIngests(script)).submit(HANDBOOK, by="test"))
    assert ended.progress[0].failed_count == 2000
    assert len(ended.progress[0].failed) == MOST_FAILURES
    assert ended.progress[0].rate is None


def test_a_fault_is_one_sentence_and_the_next_job_goes_on(bench: Bench) -> None:
    def script(request: IngestRequest, _: Callable[[Progress], None]) -> Outcome:
        if request == HANDBOOK:
            raise RetrievalError("The index at /srv/kura/chroma cannot be opened.")
        raise LookupError("secret detail")

    with structlog.testing.capture_logs() as log:
        jobs = bench(FakeIngests(script))
        first, second = jobs.submit(HANDBOOK, by="test"), jobs.submit(WIKI, by="test")
        known, unforeseen = bench.end_of(first), bench.end_of(second)
    assert (known.state, unforeseen.state) == ("failed", "failed")
    assert "/srv/kura" not in known.fault
    assert known.fault.endswith("log.")
    assert "secret" not in unforeseen.fault
    assert any("/srv/kura/chroma" in line.get("reason", "") for line in log)
    assert any("LookupError: secret detail" in line.get("exception", "") for line in log)
    stored = bench.reports.get(second.id)
    assert stored
    assert (stored.payload.state, list(stored.payload.faults.values())) == ("failed", [unforeseen.fault])


def test_a_job_of_which_nothing_could_be_done_failed_and_one_in_part_is_done(bench: Bench) -> None:
    def script(request: IngestRequest, _: Callable[[Progress], None]) -> Outcome:
        return Outcome((sync_report(),) if not request.sources else (), {"wiki": "The wiki cannot be listed."})

    jobs = bench(FakeIngests(script))
    alone, in_part = bench.end_of(jobs.submit(WIKI, by="t")), bench.end_of(jobs.submit(IngestRequest(), by="t"))
    assert (alone.state, alone.fault) == ("failed", "The wiki cannot be listed.")
    assert in_part.state == "done"
    assert in_part.outcome
    assert not in_part.outcome.whole


def test_at_the_end_what_runs_is_interrupted_and_what_waits_is_dropped(bench: Bench) -> None:
    ingests = FakeIngests(hold=True)
    jobs = bench(ingests)
    running = jobs.submit(HANDBOOK, by="test")
    begun(ingests)
    waiting = jobs.submit(WIKI, by="test")
    assert jobs.close()
    assert bench.end_of(running).state == "interrupted"
    dropped = jobs.get(waiting.id)
    assert dropped
    assert dropped.state == "interrupted"
    assert bench.reports.newest() is None
    with pytest.raises(Overloaded, match="stopped"):
        jobs.submit(HANDBOOK, by="test")
    assert jobs.close()


def test_the_end_does_not_wait_for_ever(bench: Bench) -> None:
    go_on = threading.Event()

    def script(*_: object) -> Outcome:
        go_on.wait(PATIENCE_S)
        return Outcome(())

    ingests = FakeIngests(script)
    jobs = bench(ingests)
    jobs.submit(HANDBOOK, by="test")
    begun(ingests)
    assert not jobs.close(patience_s=0.01)
    go_on.set()


def test_an_unwritable_report_takes_nothing_from_the_job(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way")
    with structlog.testing.capture_logs() as log:
        ended = bench.end_of(bench(FakeIngests()).submit(HANDBOOK, by="test"))
    assert ended.state == "done"
    assert any("no report" in line["event"] for line in log)


def test_ended_jobs_are_forgotten_in_their_turn(bench: Bench) -> None:
    jobs = bench(FakeIngests())
    ended = [bench.end_of(jobs.submit(HANDBOOK, by=str(number))) for number in range(MOST_KEPT + 1)]
    assert jobs.get(ended[0].id) is None
    assert [job.id for job in jobs.recent()] == [job.id for job in reversed(ended[1:])]


def test_recent_jobs_are_newest_first_whatever_their_state(bench: Bench) -> None:
    ingests = FakeIngests(hold=True)
    jobs = bench(ingests)
    first = jobs.submit(HANDBOOK, by="test")
    begun(ingests)
    ingests.release()
    bench.end_of(first)
    second, third = jobs.submit(WIKI, by="test"), jobs.submit(HANDBOOK, by="test")
    assert [job.id for job in jobs.recent()] == [third.id, second.id, first.id]


def test_a_source_is_busy_while_any_job_that_changes_it_is_under_way(bench: Bench) -> None:
    ingests = FakeIngests(hold=True)
    jobs = bench(ingests)
    assert not jobs.busy_with("handbook")
    jobs.submit(HANDBOOK, by="test")
    begun(ingests)
    assert jobs.busy_with("handbook")
    jobs.submit(IngestRequest(sources=("wiki",), dry_run=True), by="test")
    assert not jobs.busy_with("wiki")
    jobs.submit(IngestRequest(), by="test")
    assert jobs.busy_with("wiki")


def test_ids_are_not_to_be_guessed(bench: Bench) -> None:
    jobs = bench(FakeIngests())
    ids = {bench.end_of(jobs.submit(HANDBOOK, by="test")).id for _ in range(20)}
    assert len(ids) == 20
    assert all(len(one) == 16 for one in ids)


def test_upkeep_waits_in_the_same_queue_and_its_result_is_kept(bench: Bench) -> None:
    ingests = FakeIngests(hold=True)
    seen: list[int] = []

    def upkeep(request: UpkeepRequest, note: Note) -> UpkeepResult:
        seen.append(len(ingests.requests))
        note(Progress("sources", 1, 2, "wiki"))
        return UpkeepResult((f"{request.kind} done.",))

    jobs = bench(ingests, upkeep=upkeep)
    first = jobs.submit(HANDBOOK, by="schedule")
    begun(ingests)
    proof, last = jobs.submit(VERIFY, by="test"), jobs.submit(WIKI, by="schedule")
    assert [job.kind for job in jobs.recent()] == ["ingest", "verify", "ingest"]
    ingests.release()
    bench.end_of(first)
    ended = bench.end_of(proof)
    assert (ended.state, ended.result, ended.outcome) == ("done", UpkeepResult(("verify done.",)), None)
    assert (ended.progress[0].source, ended.progress[0].done) == ("sources", 1)
    assert bench.reports.get(proof.id) is None
    ingests.release()
    bench.end_of(last)
    assert seen == [1]
    assert ingests.most_at_once == 1


def test_what_was_asked_for_behind_upkeep_is_not_done_in_front_of_it(bench: Bench) -> None:
    ingests = FakeIngests(hold=True)
    jobs = bench(ingests)
    jobs.submit(HANDBOOK, by="test")
    begun(ingests)
    before, removal = jobs.submit(WIKI, by="test"), jobs.submit(REMOVE, by="test")
    after = jobs.submit(WIKI, by="test")
    assert len({before.id, removal.id, after.id, jobs.submit(REMOVE, by="test").id}) == 4
    assert [job.request for job in reversed(jobs.recent())] == [HANDBOOK, WIKI, REMOVE, WIKI, REMOVE]


def test_upkeep_of_a_source_does_not_keep_its_schedule_from_it(bench: Bench) -> None:
    ingests = FakeIngests(hold=True)
    jobs = bench(ingests)
    jobs.submit(HANDBOOK, by="test")
    begun(ingests)
    jobs.submit(REMOVE, by="test")
    assert not jobs.busy_with("wiki")


def test_failed_upkeep_says_all_of_it_in_its_result_alone(bench: Bench) -> None:
    def upkeep(request: UpkeepRequest, _: Note) -> UpkeepResult:
        if request.kind == "switch":
            raise NotFound("There is no generation 9.")
        if request.kind == "verify":
            raise RetrievalError("The index at /srv/kura/chroma cannot be opened.")
        raise LookupError("secret detail")

    jobs = bench(FakeIngests(), upkeep=upkeep)
    unknown = bench.end_of(jobs.submit(UpkeepRequest("switch", generation=9), by="test"))
    assert (unknown.state, unknown.result) == (
        "failed",
        UpkeepResult(fault="There is no generation 9.", exit_code=1),
    )
    damaged = bench.end_of(jobs.submit(VERIFY, by="test"))
    assert damaged.result
    assert "/srv/kura/chroma" in damaged.result.fault
    assert "/srv" not in damaged.fault
    unforeseen = bench.end_of(jobs.submit(REMOVE, by="test"))
    assert unforeseen.result
    assert "secret" not in unforeseen.result.fault
    assert unforeseen.result.exit_code == 1


def test_upkeep_ends_with_the_server_at_its_next_sign_of_life(bench: Bench) -> None:
    running = threading.Event()

    def upkeep(_: UpkeepRequest, note: Note) -> UpkeepResult:
        while True:
            note(Progress("sources", 0, 2, "wiki"))
            running.set()

    jobs = bench(FakeIngests(), upkeep=upkeep)
    proof, removal = jobs.submit(VERIFY, by="test"), jobs.submit(REMOVE, by="test")
    assert running.wait(PATIENCE_S)
    assert jobs.close()
    ended, dropped = bench.end_of(proof), jobs.get(removal.id)
    assert (ended.state, ended.result) == ("interrupted", None)
    assert ended.fault == "Kura was stopped while this ran; do it again."
    assert dropped
    assert (dropped.state, dropped.fault) == ("interrupted", "Kura was stopped before this was begun.")
