from __future__ import annotations

import asyncio
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bot.web.routes_uploads as routes
from bot.ingesting import IngestRequest
from ingest.sources.uploads import Uploads
from tests.bot.ingests import PATIENCE_S, FakeIngests
from tests.bot.web.ingesting import HR, OPS, IngestSite, ingest_site

FILES = "/v1/sources/uploads/files"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


@pytest.fixture
def site(tmp_path: Path, folder: Path) -> Iterator[IngestSite]:
    with ingest_site(tmp_path, uploads={"uploads": Uploads(folder)}) as opened:
        yield opened


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_is_kept_as_it_is_and_taken_in_by_a_job(site: IngestSite, folder: Path) -> None:
    content = bytes(range(256)) * 20_000  # several pieces
    response = site.client.put(f"{FILES}/旅費 規程.pdf", content=content, headers=OPS)
    assert response.status_code == 202
    said = response.json()
    assert said["name"] == "旅費 規程.pdf"
    assert response.headers["location"] == f"/v1/ingest/{said['job']}"
    assert kept(folder) == {"旅費 規程.pdf": content}
    assert site.ended(said["job"])["state"] == "done"
    assert site.ingests.requests == [IngestRequest(("uploads",))]
    assert site.client.get(FILES, headers=OPS).json() == {"files": ["旅費 規程.pdf"]}


def test_an_upload_without_a_declared_length_is_kept_too(site: IngestSite, folder: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield from [b"# A", b"", b"\n", b"text"]

    assert site.client.put(f"{FILES}/a.md", content=pieces(), headers=OPS).status_code == 202
    assert kept(folder) == {"a.md": b"# A\ntext"}


def test_a_zip_is_kept_whole_and_an_empty_file_is_one(site: IngestSite, folder: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.md", "# A")
    assert site.client.put(f"{FILES}/all.zip", content=packed.getvalue(), headers=OPS).status_code == 202
    assert site.client.put(f"{FILES}/empty.md", content=b"", headers=OPS).status_code == 202
    assert kept(folder) == {"all.zip": packed.getvalue(), "empty.md": b""}


def test_a_deleted_file_goes_and_its_source_is_read_again_however_much_that_is(site: IngestSite, folder: Path) -> None:
    site.ended(site.client.put(f"{FILES}/a.md", content=b"a", headers=OPS).json()["job"])
    response = site.client.delete(f"{FILES}/a.md", headers=OPS)
    assert (response.status_code, response.json()["name"]) == (202, "a.md")
    assert kept(folder) == {}
    site.ended(response.json()["job"])
    assert site.ingests.requests[-1] == IngestRequest(("uploads",), confirmed=True)
    again = site.client.delete(f"{FILES}/a.md", headers=OPS)
    assert again.status_code == 404
    assert again.json()["error"]["sentence"] == "There is no file of this name: GET the list without a name."


@pytest.mark.parametrize("source", ["handbook", "payroll", "%2e%2e", "規程"])
@pytest.mark.parametrize(("method", "name"), [("GET", ""), ("PUT", "/a.md"), ("DELETE", "/a.md")])
def test_other_sources_take_no_uploads_and_look_like_none(
    site: IngestSite, source: str, method: str, name: str
) -> None:
    response = site.client.request(method, f"/v1/sources/{source}/files{name}", headers=OPS)
    assert response.status_code == 404
    assert site.ingests.requests == []


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fetc%2fpasswd",
        "a%2fb.md",
        "%2e%2e",
        ".hidden",
        "CON.md",
        "a%00b",
        "a%0ab",
        "x" * 300,
        "%20",
        "~$a.docx",
    ],
)
def test_names_that_lead_elsewhere_are_refused(site: IngestSite, folder: Path, name: str) -> None:
    for method in ("PUT", "DELETE"):
        response = site.client.request(method, f"{FILES}/{name}", headers=OPS)
        assert response.status_code in {404, 405, 422}
    assert kept(folder) == {}
    assert site.ingests.requests == []


@pytest.mark.parametrize("name", ["photo.png", "archive.7z", "README", "a.md.exe", "規程.一太郎"])
def test_a_kind_that_no_ingest_reads_is_refused_at_the_door(site: IngestSite, folder: Path, name: str) -> None:
    response = site.client.put(f"{FILES}/{name}", content=b"x", headers=OPS)
    assert response.status_code == 415
    sentence = response.json()["error"]["sentence"]
    assert sentence.startswith(f"{name}: ")
    assert {".md", ".pdf", ".zip"} <= set(sentence.rstrip(".").split())
    assert kept(folder) == {}
    assert site.ingests.requests == []


@pytest.mark.parametrize("name", ["RULES.PDF", "All.ZIP"])
def test_a_kind_is_known_in_capitals_too(site: IngestSite, folder: Path, name: str) -> None:
    assert site.client.put(f"{FILES}/{name}", content=b"x", headers=OPS).status_code == 202
    assert kept(folder) == {name: b"x"}


def test_a_file_of_an_unknown_kind_that_was_kept_before_can_be_deleted(site: IngestSite, folder: Path) -> None:
    (folder / "photo.png").write_bytes(b"x")
    assert site.client.delete(f"{FILES}/photo.png", headers=OPS).status_code == 202
    assert kept(folder) == {}


@pytest.mark.parametrize("declared", [True, False])
def test_a_file_over_the_limit_is_refused_and_leaves_nothing(
    site: IngestSite, folder: Path, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    monkeypatch.setattr(routes, "MAX_BYTES", 100_000)
    body: Any = b"x" * 100_001 if declared else iter([b"x" * 60_000, b"x" * 40_001])
    response = site.client.put(f"{FILES}/a.md", content=body, headers=OPS)
    assert response.status_code == 413
    assert "split it" in response.json()["error"]["sentence"]
    assert kept(folder) == {}
    assert site.ingests.requests == []
    assert site.client.put(f"{FILES}/a.md", content=b"x" * 100_000, headers=OPS).status_code == 202


def test_a_refused_client_writes_nothing(site: IngestSite, folder: Path) -> None:
    assert site.client.put(f"{FILES}/a.md", content=b"x", headers=HR).status_code == 403
    assert kept(folder) == {}


def test_when_too_many_ingests_wait_the_file_is_kept_and_that_is_said(tmp_path: Path, folder: Path) -> None:
    with ingest_site(tmp_path, FakeIngests(hold=True), most_waiting=1, uploads={"uploads": Uploads(folder)}) as site:
        site.client.post("/v1/ingest", json={}, headers=OPS)
        assert site.ingests.begun.acquire(timeout=PATIENCE_S)
        site.client.post("/v1/ingest", json={}, headers=OPS)
        response = site.client.put(f"{FILES}/a.md", content=b"x", headers=OPS)
    assert response.status_code == 503
    assert "a.md is kept" in response.json()["error"]["sentence"]
    assert kept(folder) == {"a.md": b"x"}


def test_uploads_at_once_are_all_kept(site: IngestSite, folder: Path) -> None:
    statuses: list[int] = []

    def upload(number: int) -> None:
        response = site.client.put(f"{FILES}/{number}.md", content=bytes([number]) * 300_000, headers=OPS)
        statuses.append(response.status_code)

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [202] * 8
    assert kept(folder) == {f"{number}.md": bytes([number]) * 300_000 for number in range(8)}


def asgi_put(site: IngestSite, messages: list[Any]) -> list[Any]:
    """Send a body by hand; after the last of `messages` nothing comes."""
    sent: list[Any] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "PUT",
        "path": f"{FILES}/a.md",
        "raw_path": f"{FILES}/a.md".encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"authorization", b"Bearer ops")],
    }

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(site.client.app(scope, receive, send))  # type: ignore[arg-type]
    return sent


def test_a_client_that_goes_away_midway_leaves_nothing(site: IngestSite, folder: Path) -> None:
    messages = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]
    assert asgi_put(site, messages) == []
    assert kept(folder) == {}


def test_a_client_that_falls_silent_is_given_up(
    site: IngestSite, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "SILENCE_S", 0.05)
    sent = asgi_put(site, [{"type": "http.request", "body": b"half", "more_body": True}])
    assert sent[0]["status"] == 408
    assert kept(folder) == {}
