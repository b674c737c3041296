"""A site whose ingestion is a stand-in, and the tokens that open it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from bot.identity import BearerTokens, Client
from bot.jobs import IngestJobs, RunUpkeep, no_upkeep
from bot.reporting import ReportStore
from bot.web.ports import Ingestion
from tests.bot.ingests import FakeIngests
from tests.bot.web.conftest import make_app

OPS = {"Authorization": "Bearer ops"}
HR = {"Authorization": "Bearer hr"}
"""Known, but may not ingest."""
MACHINE = {"Authorization": "Bearer machine"}
"""This machine's command line."""
STRANGER = {"Authorization": "Bearer guessed"}

_TOKENS = BearerTokens(
    [
        Client("ops", frozenset(), sha256(b"ops").hexdigest(), may_ingest=True),
        Client("machine", frozenset(), sha256(b"machine").hexdigest(), may_ingest=True, may_name_paths=True),
        Client("hr", frozenset({"hr"}), sha256(b"hr").hexdigest()),
    ]
)


class IngestSite:
    """A client in the same process, and what stands behind the site."""

    def __init__(self, client: TestClient, ingests: FakeIngests, jobs: IngestJobs, reports: ReportStore) -> None:
        self.client = client
        self.ingests = ingests
        self.jobs = jobs
        self.reports = reports

    def ended(self, job_id: str) -> Any:
        """The job, once it is over: its stream ends then."""
        with self.client.stream("GET", f"/v1/ingest/{job_id}", headers=OPS | {"Accept": "text/event-stream"}) as stream:
            stream.read()
        return self.client.get(f"/v1/ingest/{job_id}", headers=OPS).json()


@contextmanager
def ingest_site(
    folder: Path,
    ingests: FakeIngests | None = None,
    *,
    most_waiting: int = 16,
    upkeep: RunUpkeep = no_upkeep,
    **changes: Any,
) -> Iterator[IngestSite]:
    """A site over a stand-in; `changes` are fields of `Ingestion`."""
    ingests = ingests or FakeIngests()
    reports = ReportStore(folder / "reports")
    jobs = IngestJobs(ingests, reports=reports, most_waiting=most_waiting, upkeep=upkeep)
    ingestion = Ingestion(jobs, reports, _TOKENS.may_ingest, _TOKENS.may_name_paths, **changes)
    with ExitStack() as stack:
        stack.callback(jobs.close)
        app = make_app(identify=_TOKENS, ingestion=ingestion)
        client = stack.enter_context(TestClient(app, base_url="http://localhost"))
        yield IngestSite(client, ingests, jobs, reports)
