from __future__ import annotations

from collections.abc import Callable

import structlog
from starlette.testclient import TestClient

from bot.answers import Answer, Done, Refused
from bot.fakes import ScriptedAssistant
from bot.web.metrics import Metrics
from models.engine import EngineState
from models.errors import ModelFileError

Site = Callable[..., TestClient]
NO_MODEL = "The model file /srv/kura/m.gguf is missing: run `kura doctor`."


async def no_model() -> None:
    raise ModelFileError(NO_MODEL)


async def broken() -> None:
    raise LookupError("secret")


def test_a_server_that_is_up_and_ready_says_so(site: Site) -> None:
    client = site()
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_a_server_without_a_model_is_up_but_not_ready_and_only_its_log_says_why(site: Site) -> None:
    client = site(readiness=no_model)
    assert client.get("/healthz").status_code == 200
    with structlog.testing.capture_logs() as log:
        response = client.get("/readyz")
    assert response.status_code == 503
    assert "/srv" not in response.text
    assert "log" in response.json()["error"]["sentence"]
    assert {"event": "not ready", "log_level": "warning", "reason": NO_MODEL} in log
    assert int(response.headers["retry-after"]) > 0


def test_an_unforeseen_fault_of_the_check_is_not_readiness(site: Site) -> None:
    response = site(readiness=broken).get("/readyz")
    assert response.status_code == 500
    assert "secret" not in response.text


def test_metrics_count_requests_by_route_and_answers_by_style(site: Site, answer: Answer, refusal: Answer) -> None:
    metrics = Metrics()
    for event in (Done(answer), Refused(refusal)):
        site(ScriptedAssistant([event]), metrics=metrics).post("/v1/ask", json={"question": "何?"})
    client = site(metrics=metrics)
    client.get("/v1/documents/secret-id")
    client.get("/somewhere/else")
    client.request("BREW", "/healthz")
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.text.splitlines()
    for line in (
        'kura_http_requests_total{method="POST",route="/v1/ask",status="200"} 2.0',
        'kura_http_requests_total{method="GET",route="/v1/documents/{document_id}",status="404"} 1.0',
        'kura_http_requests_total{method="GET",route="other",status="404"} 1.0',
        'kura_http_requests_total{method="other",route="/healthz",status="405"} 1.0',
        'kura_ask_seconds_bucket{le="0.05",style="quote"} 1.0',
        'kura_ask_seconds_sum{style="refusal"} 1.5',
        "kura_refusals_total 1.0",
    ):
        assert line in lines
    assert "secret-id" not in response.text


def test_the_engine_is_asked_what_it_does_when_somebody_looks(site: Site) -> None:
    state = EngineState(slots=8, active=3, waiting=2, parked_bytes=5, requests=7, completion_tokens=90, restarts=1)
    states = iter([None, state])
    client = site(metrics=Metrics(lambda: next(states)))
    assert "kura_engine" not in client.get("/metrics").text
    lines = client.get("/metrics").text.splitlines()

    for line in ("kura_engine_slots 8.0", "kura_engine_waiting 2.0", "kura_engine_restarts_total 1.0"):
        assert line in lines


def test_two_servers_in_one_process_count_apart(site: Site) -> None:
    first, second = site(), site()
    first.get("/healthz")
    assert "/healthz" in first.get("/metrics").text
    assert "/healthz" not in second.get("/metrics").text
