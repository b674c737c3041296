from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import structlog
from fastapi import FastAPI
from starlette.testclient import TestClient

Site = Callable[..., TestClient]


class Companion:
    """A background task that notes its own life."""

    def __init__(self) -> None:
        self.life: list[str] = []

    async def __call__(self) -> None:
        self.life.append("started")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.life.append("ended")


async def crash() -> None:
    raise LookupError("no such guild")


def test_background_tasks_live_as_long_as_the_server(make_app: Callable[..., FastAPI]) -> None:
    companion = Companion()
    app = make_app(background=[companion])
    assert companion.life == []
    with TestClient(app, base_url="http://localhost") as client:
        client.get("/healthz")
        assert companion.life == ["started"]
    assert companion.life == ["started", "ended"]


def test_a_background_task_that_crashes_is_logged_and_harms_nobody(make_app: Callable[..., FastAPI]) -> None:
    companion = Companion()
    with (
        structlog.testing.capture_logs() as log,
        TestClient(make_app(background=[crash, companion]), base_url="http://localhost") as client,
    ):
        assert client.get("/healthz").status_code == 200
    fault = next(line for line in log if line["event"] == "background task failed")
    assert fault["task"] == "crash"
    assert "no such guild" in fault["exception"]
    assert companion.life == ["started", "ended"]


def test_the_environment_cannot_switch_the_frameworks_telemetry_on(
    make_app: Callable[..., FastAPI], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    # an exporter the framework does not know: were it to listen to the environment, it would complain
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "carrier-pigeon")
    with TestClient(make_app(), base_url="http://localhost") as client:
        assert client.get("/healthz").status_code == 200
    assert "carrier-pigeon" not in caplog.text
    assert "OTEL" not in caplog.text
