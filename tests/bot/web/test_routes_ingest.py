from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from bot.ingesting import IngestRequest, Outcome
from ingest.reports import Progress
from retrieval.access import Readers
from retrieval.errors import RetrievalError
from tests.bot.ingests import PATIENCE_S, FakeIngests, sync_report
from tests.bot.web.ingesting import HR, MACHINE, OPS, STRANGER, IngestSite, ingest_site

STREAM = {"Accept": "text/event-stream"}
ROUTES = [
    ("POST", "/v1/ingest"),
    ("GET", "/v1/ingest"),
    ("GET", "/v1/ingest/0123456789abcdef"),
    ("GET", "/v1/ingest/0123456789abcdef/report"),
    ("GET", "/v1/sources/uploads/files"),
    ("PUT", "/v1/sources/uploads/files/a.md"),
    ("DELETE", "/v1/sources/uploads/files/a.md"),
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[IngestSite]:
    with ingest_site(tmp_path) as opened:
        yield opened


@pytest.fixture
def held(tmp_path: Path) -> Iterator[IngestSite]:
    """A site whose ingests run until they are released."""
    with ingest_site(tmp_path, FakeIngests(hold=True), most_waiting=1) as opened:
        yield opened


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(("headers", "status"), [({}, 401), (STRANGER, 401), (HR, 403)])
def test_only_clients_that_may_ingest_pass(
    site: IngestSite, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    body = {"json": {}} if method == "POST" else {}
    response = site.client.request(method, path, headers=headers, **body)  # type: ignore[arg-type]
    assert response.status_code == status
    assert response.json()["error"]["sentence"].endswith(".")
    assert ("www-authenticate" in response.headers) == (status == 401)
    assert site.ingests.requests == []


def test_a_site_without_ingestion_has_no_such_routes(make_app: Callable[..., FastAPI]) -> None:
    with TestClient(make_app(), base_url="http://localhost") as client:
        assert client.post("/v1/ingest", json={}).status_code == 404


def test_an_ingest_is_started_and_says_where_to_look(site: IngestSite) -> None:
    body = {"sources": ["wiki", "handbook", "wiki"], "confirm_removal": True, "dry_run": True}
    response = site.client.post("/v1/ingest", json=body, headers=OPS)
    assert response.status_code == 202
    started = response.json()
    assert response.headers["location"] == f"/v1/ingest/{started['job']}"
    job = site.ended(started["job"])
    assert site.ingests.requests == [IngestRequest(("wiki", "handbook"), confirmed=True, dry_run=True)]
    assert (job["state"], job["by"], job["whole"], job["dry_run"]) == ("done", "client:ops", True, True)
    assert job["report"] == f"/v1/ingest/{started['job']}/report"


def test_without_sources_all_are_meant(site: IngestSite) -> None:
    site.ended(site.client.post("/v1/ingest", json={}, headers=OPS).json()["job"])
    assert site.ingests.requests == [IngestRequest()]


def test_only_this_machines_command_line_names_paths(site: IngestSite) -> None:
    body = {"paths": ["/srv/docs"], "readers": ["hr"]}
    for headers in (OPS, HR, {}):
        assert site.client.post("/v1/ingest", json=body, headers=headers).status_code in {401, 403}
    site.ended(site.client.post("/v1/ingest", json=body, headers=MACHINE).json()["job"])
    assert site.ingests.requests == [IngestRequest(paths=(Path("/srv/docs"),), readers=Readers(frozenset({"hr"})))]
    for path in ("docs", "", "/a\0b", "/" + "x" * 5000):
        assert site.client.post("/v1/ingest", json={"paths": [path]}, headers=MACHINE).status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"sources": ["payroll"]}, 422),
        ({"sources": [""]}, 422),
        ({"sources": ["x" * 201]}, 422),
        ({"sources": ["\ud800"]}, 422),
        ({"sources": ["a"] * 1001}, 422),
        ({"sources": "handbook"}, 422),
        ({"paths": ["/etc"]}, 403),
        ({"dry_run": "yes"}, 422),
        ([], 422),
    ],
)
def test_what_cannot_be_meant_is_refused(site: IngestSite, body: object, status: int) -> None:
    headers = OPS | {"Content-Type": "application/json"}
    response = site.client.post("/v1/ingest", content=json.dumps(body), headers=headers)
    assert response.status_code == status
    assert site.ingests.requests == []


def test_only_json_is_taken(site: IngestSite) -> None:
    assert site.client.post("/v1/ingest", content=b"{}", headers=OPS).status_code == 415


def test_a_full_queue_says_when_to_come_back(held: IngestSite) -> None:
    held.client.post("/v1/ingest", json={}, headers=OPS)
    assert held.ingests.begun.acquire(timeout=PATIENCE_S)
    waiting = held.client.post("/v1/ingest", json={}, headers=OPS).json()
    assert held.client.post("/v1/ingest", json={}, headers=OPS).json() == waiting
    refused = held.client.post("/v1/ingest", json={"sources": ["wiki"]}, headers=OPS)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0


def test_a_running_job_shows_its_progress(held: IngestSite) -> None:
    job_id = held.client.post("/v1/ingest", json={}, headers=OPS).json()["job"]
    with held.client.stream("GET", f"/v1/ingest/{job_id}", headers=OPS | STREAM) as stream:
        held.ingests.release()
        events = [
            (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
            for name, data in (block.split("\n") for block in stream.read().decode().strip().split("\n\n"))
        ]
    assert events[-1][0] == "done"
    assert events[-1][1]["report"]
    assert all(name == "progress" for name, _ in events[:-1])


def test_a_stream_ends_with_the_jobs_when_the_server_does(held: IngestSite) -> None:
    job_id = held.client.post("/v1/ingest", json={}, headers=OPS).json()["job"]
    assert held.ingests.begun.acquire(timeout=PATIENCE_S)
    closing = threading.Timer(0.3, held.jobs.close)
    closing.start()
    stream = held.client.get(f"/v1/ingest/{job_id}", headers=OPS | STREAM).text
    closing.join()
    assert stream.startswith("event: progress")
    assert stream.count("event: interrupted") == 1
    job = held.client.get(f"/v1/ingest/{job_id}", headers=OPS).json()
    assert (job["state"], job["report"]) == ("interrupted", None)
    assert held.client.post("/v1/ingest", json={}, headers=OPS).status_code == 503


def test_progress_comes_with_names_of_any_kind(tmp_path: Path) -> None:
    odd = "規程 \udce9<b>.pdf"

    def script(_: IngestRequest, on_progress: Callable[[Progress], None]) -> Outcome:
        on_progress(Progress("handbook", 3, 10, odd, 7, {odd: f"{odd} has no text."}))
        return Outcome((sync_report(failed={odd: f"{odd} has no text."}),), {"wiki": f"{odd} is gone."})

    with ingest_site(tmp_path, FakeIngests(script)) as site:
        job = site.ended(site.client.post("/v1/ingest", json={}, headers=OPS).json()["job"])
    (source,) = job["progress"]
    assert (source["done"], source["total"], source["passages"], source["failed_count"]) == (3, 10, 7, 1)
    assert source["failed"] == {"規程 ?<b>.pdf": "規程 ?<b>.pdf has no text."}
    assert (job["whole"], job["faults"]) == (False, {"wiki": "規程 ?<b>.pdf is gone."})


def test_a_failed_job_says_a_sentence_and_nothing_of_the_insides(tmp_path: Path) -> None:
    def script(*_: object) -> Outcome:
        raise RetrievalError("The index at /srv/kura/chroma cannot be opened.")

    with ingest_site(tmp_path, FakeIngests(script)) as site:
        job_id = site.client.post("/v1/ingest", json={}, headers=OPS).json()["job"]
        job = site.ended(job_id)
        page = site.client.get(f"/v1/ingest/{job_id}/report", headers=OPS | {"Accept": "text/html"}).text
    assert job["state"] == "failed"
    assert job["fault"]
    assert "/srv" not in json.dumps(job) + page


def test_a_report_comes_as_json_or_as_a_page(site: IngestSite) -> None:
    job_id = site.client.post("/v1/ingest", json={"sources": ["wiki"]}, headers=OPS).json()["job"]
    site.ended(job_id)
    report = site.client.get(f"/v1/ingest/{job_id}/report", headers=OPS)
    assert report.json()["sources"][0]["added"] == ["a.md"]
    page = site.client.get(f"/v1/ingest/{job_id}/report", headers=OPS | {"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "<h2><bdi>wiki</bdi></h2>" in page.text


@pytest.mark.parametrize("job_id", ["0123456789abcdef", "..%2f..%2fetc%2fpasswd", "*", "%00", "規程"])
@pytest.mark.parametrize("what", ["", "/report"])
def test_an_unknown_job_is_not_found(site: IngestSite, job_id: str, what: str) -> None:
    site.ended(site.client.post("/v1/ingest", json={}, headers=OPS).json()["job"])
    assert site.client.get(f"/v1/ingest/{job_id}{what}", headers=OPS).status_code == 404
    assert site.client.get(f"/v1/ingest/{job_id}{what}", headers=OPS | STREAM).status_code == 404


def test_what_is_not_there_is_said_of_jobs_and_reports_but_only_to_who_may_ingest(site: IngestSite) -> None:
    for path, sentence in (
        ("/v1/ingest/0123456789abcdef", "There is no such job (any more): GET /v1/ingest lists those there are."),
        (
            "/v1/ingest/0123456789abcdef/report",
            "There is no report of such a job: it is not over yet, was interrupted, or was too long ago.",
        ),
    ):
        assert site.client.get(path, headers=OPS).json()["error"]["sentence"] == sentence
        assert site.client.get(path, headers=HR).status_code == 403


def test_a_finished_job_is_found_again_after_a_restart(tmp_path: Path) -> None:
    with ingest_site(tmp_path) as site:
        job_id = site.client.post("/v1/ingest", json={"sources": ["wiki"]}, headers=OPS).json()["job"]
        site.ended(job_id)
    with ingest_site(tmp_path) as again:
        job = again.client.get(f"/v1/ingest/{job_id}", headers=OPS).json()
        assert (job["state"], job["sources"], job["whole"], job["submitted"]) == ("done", ["wiki"], True, None)
        assert again.client.get(f"/v1/ingest/{job_id}", headers=OPS | STREAM).text.startswith("event: done")
        recent = again.client.get("/v1/ingest", headers=OPS).json()["jobs"]
        assert [one["job"] for one in recent] == [job_id]
        newer = again.client.post("/v1/ingest", json={}, headers=OPS).json()["job"]
        again.ended(newer)
        recent = again.client.get("/v1/ingest", headers=OPS).json()["jobs"]
        assert [one["job"] for one in recent] == [newer, job_id]


def test_the_description_has_every_route(site: IngestSite) -> None:
    paths = site.client.get("/openapi.json").json()["paths"]
    assert {"post", "get"} <= paths["/v1/ingest"].keys()
    assert {"put", "delete"} <= paths["/v1/sources/{source}/files/{name}"].keys()
    assert "/v1/hooks/{source}" in paths
