from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from bot.ingesting import IngestRequest
from bot.jobs import IngestJobs
from bot.reporting import ReportStore
from bot.web.ports import Hook, Ingestion
from bot.web.webhooks import MOST_IN_MINUTE, hooks_router
from tests.bot.ingests import FakeIngests
from tests.bot.web.ingesting import OPS, IngestSite, ingest_site

SECRET = b"correct horse"
PUSH = {"ref": "refs/heads/main", "after": "a" * 40, "repository": {"default_branch": "main"}}
Send = Callable[..., Any]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[IngestSite]:
    hooks = {"code": Hook(SECRET, "main"), "wiki": Hook(b"another", "")}
    with ingest_site(tmp_path, hooks=hooks) as opened:
        yield opened


def signed(body: bytes, secret: bytes = SECRET, event: str = "push") -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, sha256).hexdigest(),
    }


def github(site: IngestSite, said: object = PUSH, *, source: str = "code", event: str = "push", **secret: bytes) -> Any:
    body = json.dumps(said).encode()
    return site.client.post(f"/v1/hooks/{source}", content=body, headers=signed(body, event=event, **secret))


def gitlab(site: IngestSite, said: object = PUSH, *, token: str = SECRET.decode(), event: str = "Push Hook") -> Any:
    headers = {"X-Gitlab-Token": token, "X-Gitlab-Event": event}
    return site.client.post("/v1/hooks/code", json=said, headers=headers)


@pytest.mark.parametrize("host", [github, gitlab])
def test_a_push_to_the_branch_starts_a_job(site: IngestSite, host: Send) -> None:
    response = host(site)
    assert response.status_code == 202
    assert response.headers["location"] == f"/v1/ingest/{response.json()['job']}"
    job = site.ended(response.json()["job"])
    assert (job["state"], job["by"], job["sources"]) == ("done", "hook", ["code"])
    assert site.ingests.requests == [IngestRequest(("code",))]


def test_a_ping_is_answered(site: IngestSite) -> None:
    response = github(site, {"zen": "Keep it logically awesome."}, event="ping")
    assert (response.status_code, response.json()) == (200, {"said": "pong"})
    assert site.ingests.requests == []


@pytest.mark.parametrize(
    ("said", "event"),
    [
        (PUSH | {"ref": "refs/heads/feature"}, "push"),
        (PUSH | {"ref": "refs/tags/main"}, "push"),
        (PUSH | {"deleted": True}, "push"),
        (PUSH | {"after": "0" * 40}, "push"),
        (PUSH | {"ref": 7}, "push"),
        ({}, "push"),
        (PUSH, "issues"),
        (PUSH, "Push Hook of another kind"),
        (PUSH, ""),
    ],
)
def test_what_is_no_push_to_the_branch_is_nothing_to_do(site: IngestSite, said: object, event: str) -> None:
    response = github(site, said, event=event)
    assert (response.status_code, response.json()) == (202, {"said": "nothing to do"})
    assert site.ingests.requests == []


def test_without_a_configured_branch_the_repositorys_own_counts(site: IngestSite) -> None:
    other = PUSH | {"ref": "refs/heads/feature"}
    assert "said" in github(site, other, source="wiki", secret=b"another").json()
    assert "job" in github(site, PUSH, source="wiki", secret=b"another").json()


def altered(headers: dict[str, str], **changes: str | None) -> dict[str, str]:
    merged = headers | {name.replace("_", "-"): value for name, value in changes.items()}  # type: ignore[operator]
    return {name: value for name, value in merged.items() if value is not None}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": "sha1=" + "0" * 40},
        {"X-Hub-Signature-256": "sha256=" + hmac.new(b"another", b"{}", sha256).hexdigest()},
        {"X-Hub-Signature-256": "sha256=" + hmac.new(b"", b"{}", sha256).hexdigest()},
        {"X-Hub-Signature-256": "sha256=" + hmac.new(SECRET, b"{} ", sha256).hexdigest()},
        {"X-Hub-Signature": "sha1=" + hmac.new(SECRET, b"{}", "sha1").hexdigest()},
        {"X-Gitlab-Token": ""},
        {"X-Gitlab-Token": "correct hors"},
        {"X-Gitlab-Token": "correct horse "[:-1] + "é"},
        {"X-Gitlab-Token": "another"},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64, "X-Gitlab-Token": "correct horse"},
        OPS,
    ],
)
def test_what_is_not_signed_is_refused_without_detail(site: IngestSite, headers: dict[str, str]) -> None:
    common = {"Content-Type": "application/json", "X-GitHub-Event": "push"}
    encoded = {name: value.encode("utf-8") for name, value in (common | headers).items()}
    response = site.client.post("/v1/hooks/code", content=b"{}", headers=encoded)
    assert response.status_code == 401
    assert response.json()["error"]["sentence"] == "This message is not signed as it must be."
    assert site.ingests.requests == []


def test_a_source_without_a_secret_looks_like_none(site: IngestSite) -> None:
    known, unknown = github(site, source="handbook"), github(site, source="payroll")
    assert (known.status_code, unknown.status_code) == (404, 404)
    assert known.json()["error"]["sentence"] == unknown.json()["error"]["sentence"]


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_signed_body_that_cannot_be_read_is_refused(site: IngestSite, body: bytes) -> None:
    assert site.client.post("/v1/hooks/code", content=body, headers=signed(body)).status_code == 400


def test_a_form_is_refused(site: IngestSite) -> None:
    body = b"payload=%7B%7D"
    headers = signed(body) | {"Content-Type": "application/x-www-form-urlencoded"}
    assert site.client.post("/v1/hooks/code", content=body, headers=headers).status_code == 415


def test_a_body_may_be_as_large_as_a_code_host_sends_and_no_larger(site: IngestSite) -> None:
    large = PUSH | {"commits": ["x" * 1_000_000] * 3}
    assert github(site, large).status_code == 202
    body = b" " * (25 * 1024 * 1024 + 1)
    assert site.client.post("/v1/hooks/code", content=body, headers=signed(body)).status_code == 413
    pieces = iter([b" " * (13 * 1024 * 1024)] * 2)
    assert site.client.post("/v1/hooks/code", content=pieces, headers=signed(body)).status_code == 413


def test_replays_are_harmless_and_have_a_limit(tmp_path: Path) -> None:
    now = [0.0]
    reports = ReportStore(tmp_path / "reports")
    ingests = FakeIngests(hold=True)
    jobs = IngestJobs(ingests, reports=reports)
    hooks = {"code": Hook(SECRET, "main"), "wiki": Hook(SECRET, "main")}
    app = FastAPI()
    app.include_router(hooks_router(ingestion=Ingestion(jobs, reports, bool, hooks=hooks), clock=lambda: now[0]))
    body = json.dumps(PUSH).encode()
    with TestClient(app) as client:

        def send(source: str = "code") -> Any:
            return client.post(f"/v1/hooks/{source}", content=body, headers=signed(body))

        started = {send().json()["job"] for _ in range(MOST_IN_MINUTE)}
        assert len(started) <= 2  # the one that runs, and the one that waits
        refused = send()
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 62
        assert send("wiki").status_code == 202
        now[0] = 61.0
        assert send().status_code == 202
    jobs.close()


def test_a_hook_without_a_secret_cannot_be_made_and_none_is_shown() -> None:
    for secret in (b"", b" \n"):
        with pytest.raises(ValueError, match="empty"):
            Hook(secret)
    assert "horse" not in repr(Hook(SECRET))
