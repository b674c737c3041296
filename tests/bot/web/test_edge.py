from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
import structlog
from starlette.testclient import TestClient

from bot.answers import Answer, Done
from bot.fakes import ScriptedAssistant
from bot.web.edge import MAX_BODY_BYTES

Site = Callable[..., TestClient]
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:8000"])
def test_the_servers_own_names_are_answered(site: Site, host: str) -> None:
    assert site().get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "localhost@evil.example", "", "[::1", "local host", "localhost:x"],
)
def test_other_names_that_lead_here_are_refused(site: Site, host: str) -> None:
    assistant = ScriptedAssistant()
    response = site(assistant).post("/v1/search", json={"question": "a"}, headers={"Host": host})
    assert response.status_code == 421
    assert "host name" in response.json()["error"]["sentence"]
    assert assistant.searches == []


@pytest.mark.parametrize("named", ["[FD00::1]", "fd00::1", "[fd00::1]:8642"])
def test_an_ipv6_address_may_be_set_with_brackets_or_without(site: Site, named: str) -> None:
    client = site(hosts=[named])
    assert client.get("/healthz", headers={"Host": "[fd00::1]:8642"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "[fd00::2]"}).status_code == 421


def test_the_names_can_be_set(site: Site) -> None:
    client = site(hosts={"Kura.internal"})
    assert client.get("/healthz", headers={"Host": "kura.internal"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "localhost"}).status_code == 421


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/healthz", 200), ("GET", "/nothing", 404), ("DELETE", "/v1/ask", 405), ("POST", "/v1/ask", 415)],
)
def test_every_answer_is_dressed_the_same(site: Site, method: str, path: str, status: int) -> None:
    response = site().request(method, path)
    assert response.status_code == status
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in response.headers
    if status != 200:
        assert response.json()["error"]["request_id"] == response.headers["x-request-id"]


def test_another_sites_page_gets_no_permission_to_ask(site: Site) -> None:
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    response = site().options("/v1/ask", headers=asking)
    assert response.status_code == 405
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("given", ["abc-1.2_3", "x" * 64])
def test_a_proxys_request_id_is_kept(site: Site, given: str) -> None:
    assert site().get("/healthz", headers={"X-Request-Id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "<script>"])
def test_a_strange_request_id_is_replaced(site: Site, given: str) -> None:
    replaced = site().get("/healthz", headers={"X-Request-Id": given}).headers["x-request-id"]
    assert replaced != given
    assert len(replaced) == 32


def body_of(size: int) -> bytes:
    """A valid question of exactly `size` bytes."""
    frame = len(json.dumps({"question": ""}))
    return json.dumps({"question": "a" * (size - frame)}).encode()


def test_a_body_up_to_the_limit_is_read(site: Site) -> None:
    response = site().post("/v1/search", content=body_of(MAX_BODY_BYTES), headers=JSON)
    assert response.status_code == 200


def test_a_body_over_the_limit_is_refused_declared_or_not(site: Site) -> None:
    assistant = ScriptedAssistant()
    client = site(assistant)

    def pieces() -> Iterator[bytes]:
        body = body_of(MAX_BODY_BYTES + 1)
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    for content in (body_of(MAX_BODY_BYTES + 1), pieces()):
        response = client.post("/v1/search", content=content, headers=JSON)
        assert response.status_code == 413
        assert "1024 KiB" in response.json()["error"]["sentence"]
        assert "content-security-policy" in response.headers
    assert assistant.searches == []


def test_a_request_leaves_one_log_line_without_its_question(site: Site, answer: Answer) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as log:
        client = site(ScriptedAssistant([Done(answer)]))
        response = client.post(
            "/v1/ask?note=whisper",
            json={"question": "whisper"},
            headers={"X-Request-Id": "r1", "Authorization": "Bearer hr"},
        )
    assert response.status_code == 200
    (line,) = log
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "route": "/v1/ask",
        "status": 200,
        "request_id": "r1",
    }


def test_an_unforeseen_fault_shows_nothing_and_logs_everything_but_the_locals(site: Site) -> None:
    assistant = ScriptedAssistant([LookupError("/srv/secret.db")])
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as log:
        response = site(assistant).post("/v1/ask", json={"question": "whisper"}, headers={"X-Request-Id": "r1"})
    assert response.status_code == 500
    assert response.json()["error"]["request_id"] == "r1"
    assert "secret" not in response.text
    fault = next(line for line in log if line["event"] == "unforeseen fault")
    assert fault["request_id"] == "r1"
    assert "LookupError: /srv/secret.db" in fault["exception"]
    assert "Traceback" in fault["exception"]
    assert "whisper" not in str(log)
