from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bot.ingesting import IngestRequest, Outcome
from bot.jobs import Job
from bot.web.metrics import Metrics
from retrieval.reranking import RerankState
from tests.bot.ingests import sync_report

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
ENDED = Job(
    "j1", IngestRequest(("payroll",)), "test", "done", NOON, NOON, NOON, outcome=Outcome((sync_report("payroll"),))
)


def test_ended_ingests_are_counted_and_name_no_source() -> None:
    metrics = Metrics()
    metrics.ended_ingest(ENDED)
    metrics.ended_ingest(replace(ENDED, state="interrupted", outcome=None))
    shown = metrics.exposition().decode()
    assert 'kura_ingests_total{state="done"} 1.0' in shown
    assert 'kura_ingests_total{state="interrupted"} 1.0' in shown
    assert f"kura_ingest_last_whole_timestamp_seconds {NOON.timestamp()}" in shown.replace(
        "1.7750448e+09", "1775044800.0"
    )
    assert "payroll" not in shown


def test_an_ingest_with_failures_or_a_dry_run_leaves_nothing_fresh() -> None:
    metrics = Metrics()
    failed = Outcome((sync_report(failed={"a.pdf": "No text.", "b.pdf": "No text."}),), {"wiki": "Gone."})
    metrics.ended_ingest(replace(ENDED, outcome=failed))
    metrics.ended_ingest(replace(ENDED, request=IngestRequest(dry_run=True)))
    shown = metrics.exposition().decode()
    assert "kura_ingest_failures_total 3.0" in shown
    assert "kura_ingest_last_whole_timestamp_seconds 0.0" in shown


def test_a_reranker_is_counted_where_there_is_one() -> None:
    assert b"kura_rerank" not in Metrics().exposition()
    shown = Metrics(rerank=lambda: RerankState(7, 2, 1, "It stopped.")).exposition().decode()
    assert "kura_rerank_requests_total 7.0" in shown
    assert "kura_rerank_failures_total 2.0" in shown
    assert "kura_rerank_busy_total 1.0" in shown
    assert "kura_rerank_failing 1.0" in shown
