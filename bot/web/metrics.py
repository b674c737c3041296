"""Counts for Prometheus, one registry for each server. Knows no question, answer text or principal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from bot.answers import Answer
from bot.feedback import Verdict
from bot.jobs import Job
from models.engine import EngineState
from retrieval.reranking import RerankState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ASK_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)
"""From a quote out of a warm index to a long answer of a large model on a CPU."""


_GAUGES = {
    "slots": "Answers the model can write at once.",
    "active": "Answers being written.",
    "waiting": "Requests in the queue in front of the model.",
    "parked_bytes": "Memory that idle conversations take.",
}
_COUNTERS = {
    "requests": "Requests the model has worked on.",
    "prompt_tokens": "Tokens of their prompts.",
    "cached_tokens": "Of those, tokens that were still in memory.",
    "completion_tokens": "Tokens written.",
    "restarts": "How often the model's process was started again.",
}
"""Fields of `EngineState`."""


class Metrics:
    """What a server counts; `engine` and `rerank` say what the model's engine and the reranker are doing, if there are any."""

    def __init__(
        self,
        engine: Callable[[], EngineState | None] = lambda: None,
        rerank: Callable[[], RerankState | None] = lambda: None,
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Engine(engine))
        self._registry.register(_Reranker(rerank))
        self._requests = Counter(
            "kura_http_requests",
            "HTTP requests answered, by method, route and status (499: the client went away first).",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._ask = Histogram(
            "kura_ask_seconds",
            "Seconds from taking up a question to its whole answer, by answer style.",
            ("style",),
            buckets=_ASK_BUCKETS_S,
            registry=self._registry,
        )
        self._refusals = Counter("kura_refusals", "Questions the documents held no answer to.", registry=self._registry)
        self._feedback = Counter(
            "kura_feedback",
            "Verdicts given on answers (a changed one counts again), by verdict.",
            ("verdict",),
            registry=self._registry,
        )
        self._ingests = Counter(
            "kura_ingests", "Ingest jobs that ended, by state.", ("state",), registry=self._registry
        )
        self._unread = Counter("kura_ingest_failures", "Documents and sources not read.", registry=self._registry)
        self._fresh = Gauge(
            "kura_ingest_last_whole_timestamp_seconds",
            "When an ingest in which nothing failed was last over (Unix time).",
            registry=self._registry,
        )

    def answered_request(self, *, method: str, route: str, status: int) -> None:
        """Count a request. `route` is a route's template, never a path as sent: the labels stay few."""
        self._requests.labels(method, route, str(status)).inc()

    def answered_question(self, answer: Answer) -> None:
        """Count an answer and how long it took."""
        self._ask.labels(answer.style).observe(answer.timings.total_ms / 1000)
        if answer.refused:
            self._refusals.inc()

    def given_feedback(self, verdict: Verdict) -> None:
        """Count a verdict on an answer."""
        self._feedback.labels(verdict).inc()

    def ended_ingest(self, job: Job) -> None:
        """Count a job that is over. No source is named: these counts are shown to anybody."""
        self._ingests.labels(job.state).inc()
        if job.outcome is None or job.request.dry_run:
            return
        self._unread.inc(len(job.outcome.faults) + sum(len(report.failed) for report in job.outcome.reports))
        if job.outcome.whole and job.finished:
            self._fresh.set(job.finished.timestamp())

    def exposition(self) -> bytes:
        """All counts, in Prometheus' text format."""
        return generate_latest(self._registry)


class _Engine(Collector):
    """The engine's own counts, asked for when somebody looks."""

    def __init__(self, state: Callable[[], EngineState | None]) -> None:
        self._state = state

    def describe(self) -> Iterator[Metric]:
        """Nothing is asked before somebody looks."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        if state is None:
            return
        for name, text in _GAUGES.items():
            yield GaugeMetricFamily(f"kura_engine_{name}", text, value=getattr(state, name))
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"kura_engine_{name}", text, value=getattr(state, name))


class _Reranker(Collector):
    """The counts of the reranker, asked for when somebody looks."""

    def __init__(self, state: Callable[[], RerankState | None]) -> None:
        self._state = state

    def describe(self) -> Iterator[Metric]:
        """Nothing is asked before somebody looks."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        if state is None:
            return
        yield CounterMetricFamily("kura_rerank_requests", "Searches the reranker was asked about.", state.requests)
        yield CounterMetricFamily("kura_rerank_failures", "Of those, searches it failed.", state.failures)
        yield CounterMetricFamily("kura_rerank_busy", "Of those, searches it had no time for.", state.busy)
        yield GaugeMetricFamily("kura_rerank_failing", "1 if it failed last.", value=float(bool(state.problem)))
