from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from bot.upkeep import CalibrationOrder, EvaluationOrder, UpkeepRequest, UpkeepResult
from ingest.reports import Progress
from retrieval.errors import RetrievalError
from tests.bot.web.ingesting import HR, MACHINE, OPS, STRANGER, IngestSite, ingest_site

ROUTE = "/v1/ingest/upkeep"
ODD = "規程 \udce9.pdf is gone."


class FakeUpkeep:
    def __init__(self) -> None:
        self.requests: list[UpkeepRequest] = []

    def run(self, request: UpkeepRequest, _: Callable[[Progress], None]) -> UpkeepResult:
        self.requests.append(request)
        if request.kind == "drop":
            raise RetrievalError("Generation 1 in /srv/kura answers.")
        return UpkeepResult((ODD,), ("Heed this.",))


@pytest.fixture
def upkeep() -> FakeUpkeep:
    return FakeUpkeep()


@pytest.fixture
def site(tmp_path: Path, upkeep: FakeUpkeep) -> Iterator[IngestSite]:
    with ingest_site(tmp_path, upkeep=upkeep.run) as opened:
        yield opened


@pytest.mark.parametrize(("headers", "status"), [({}, 401), (STRANGER, 401), (HR, 403), (OPS, 403)])
def test_only_this_machines_command_line_passes(
    site: IngestSite, upkeep: FakeUpkeep, headers: dict[str, str], status: int
) -> None:
    for kind in ("verify", "repair", "switch", "drop", "remove", "golden"):
        response = site.client.post(ROUTE, json={"kind": kind, "sources": ["wiki"], "generation": 1}, headers=headers)
        assert response.status_code == status
    assert upkeep.requests == []
    job_id = site.client.post(ROUTE, json={"kind": "verify"}, headers=MACHINE).json()["job"]
    assert site.ended(job_id)["state"] == "done"
    assert site.client.get(f"{ROUTE}/{job_id}", headers=headers).status_code == status


def test_what_is_asked_for_is_done_in_a_job_and_its_result_is_told(site: IngestSite, upkeep: FakeUpkeep) -> None:
    body = {"kind": "remove", "sources": ["wiki", "wiki"]}
    response = site.client.post(ROUTE, json=body, headers=MACHINE)
    assert response.status_code == 202
    job = site.ended(response.json()["job"])
    assert (job["kind"], job["state"], job["by"], job["sources"]) == ("remove", "done", "client:machine", ["wiki"])
    assert upkeep.requests == [UpkeepRequest("remove", ("wiki",))]
    told = site.client.get(job["report"], headers=MACHINE).json()
    assert (told["said"], told["warnings"], told["fault"]) == (["規程 ?.pdf is gone."], ["Heed this."], "")
    assert [one["kind"] for one in site.client.get("/v1/ingest", headers=OPS).json()["jobs"]] == ["remove"]


def test_orders_come_through_whole(site: IngestSite, upkeep: FakeUpkeep) -> None:
    wanted = [
        UpkeepRequest("calibrate", calibration=CalibrationOrder(50, 2.0, show=3, dry_run=True)),
        UpkeepRequest("evaluate", evaluation=EvaluationOrder("/desk.yaml", "mori", ("hr",), 3, judge=True)),
        UpkeepRequest("switch", generation=2, anyway=True),
        UpkeepRequest("golden"),
    ]
    for request in wanted:
        job = site.ended(site.client.post(ROUTE, json=asdict(request), headers=MACHINE).json()["job"])
        assert (job["kind"], job["dry_run"]) == (request.kind, request.dry_run)
    assert upkeep.requests == wanted


def test_who_may_ingest_sees_that_it_failed_and_the_command_line_why(site: IngestSite) -> None:
    job = site.ended(site.client.post(ROUTE, json={"kind": "drop", "generation": 1}, headers=MACHINE).json()["job"])
    assert job["state"] == "failed"
    assert "/srv" not in json.dumps(job)
    told = site.client.get(job["report"], headers=MACHINE).json()
    assert (told["fault"], told["exit_code"]) == ("Generation 1 in /srv/kura answers.", 1)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "shred"},
        {"kind": "switch", "generation": -1},
        {"kind": "switch", "generation": "1"},
        {"kind": "remove", "sources": [""]},
        {"kind": "remove", "sources": ["\ud800"]},
        {"kind": "verify", "paths": ["/etc"]},
        {"kind": "calibrate"},
        {"kind": "calibrate", "calibration": {"questions": 0, "wrong_costs": 1.0}},
        {"kind": "calibrate", "calibration": {"questions": 50, "wrong_costs": 0}},
        {"kind": "evaluate", "evaluation": {"suite": "desk.yaml"}},
        {"kind": "verify", "evaluation": {"suite": "/desk.yaml"}},
        [],
    ],
)
def test_what_cannot_be_meant_is_refused(site: IngestSite, upkeep: FakeUpkeep, body: object) -> None:
    headers = MACHINE | {"Content-Type": "application/json"}
    assert site.client.post(ROUTE, content=json.dumps(body), headers=headers).status_code == 422
    assert upkeep.requests == []


def test_a_job_without_such_a_result_is_not_found(site: IngestSite) -> None:
    ingest = site.ended(site.client.post("/v1/ingest", json={}, headers=OPS).json()["job"])["job"]
    for job_id in (ingest, "0123456789abcdef"):
        response = site.client.get(f"{ROUTE}/{job_id}", headers=MACHINE)
        assert response.status_code == 404
        assert "There is no result of such a job" in response.json()["error"]["sentence"]


def test_the_public_description_leaves_it_out(site: IngestSite) -> None:
    assert not [path for path in site.client.get("/openapi.json").json()["paths"] if "upkeep" in path]
