"""A reranker's second look at the best hits, which never fails a search: without it they stand as they were found.

Knows no index, no model but the port of a reranker, and who asks.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace

from models.errors import EngineBusy, ModelError
from models.rerank import Reranker
from retrieval.documents import Hit

MOST_FAILURES = 3
"""After so many in a row the reranker is left alone for a while: each one costs a question its deadline."""
PAUSE_S = 60.0
MOST_WAITING = 1
"""Questions that wait for the one being asked about: one more would hardly be answered before its deadline."""
_BUSY = "The reranker is busy with other questions; passages stand in the order of search."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RerankState:
    """Counts for monitoring; `busy` are the requests that went on without it because it was at work for others, and no
    failures; `problem` is why it failed last, in a sentence, or empty."""

    requests: int
    failures: int
    busy: int
    problem: str


class Reranking:
    """Asks a reranker about the first `candidates` hits of a search and waits `deadline_s` at most.

    One thread asks, so that a slow one is not asked for several questions at once; where more than `MOST_WAITING` wait, a
    search goes on without it. `clock` gives seconds. Safe to use from several threads; close it after use. The reranker
    belongs to the caller.
    """

    def __init__(
        self,
        reranker: Reranker,
        *,
        candidates: int,
        deadline_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.candidates = candidates
        self._reranker = reranker
        self._deadline_s = deadline_s
        self._clock = clock
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="rerank")
        self._lock = threading.Lock()
        self._requests = self._failures = self._in_a_row = self._busy = 0
        self._under_way = 0
        self._began: float | None = None
        self._problem = ""
        self._paused_until = 0.0

    def rerank(self, query: str, hits: Sequence[Hit]) -> tuple[tuple[Hit, ...], str]:
        """The hits in their new order with what the reranker says of them, and "", or as they were and why, in a sentence.

        The order is by a hit's share of the best score there plus its share of what the reranker says (each from 0, the
        worst of them, to 1). The scores themselves change hands and stay the same: what is weighed by them was fitted on
        those of a search.
        """
        first = hits[: self.candidates]
        if len(first) < 2:
            return tuple(hits), ""
        with self._lock:
            if self._clock() < self._paused_until:
                return tuple(hits), self._problem
        try:
            ordered = _ordered(first, self._asked(query, [hit.text for hit in first]))
        except EngineBusy as error:
            with self._lock:
                self._busy += 1
            return tuple(hits), str(error)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a second look, there was a first
            return tuple(hits), self._failed(error)
        self._answered()
        return (*ordered, *hits[self.candidates :]), ""

    def state(self) -> RerankState:
        """What it was asked and how that went."""
        with self._lock:
            return RerankState(self._requests, self._failures, self._busy, self._problem)

    def close(self) -> None:
        """Wait for what is under way."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _asked(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        with self._lock:
            self._requests += 1
            overdue = self._began is not None and self._clock() - self._began > self._deadline_s
            if overdue or self._under_way > MOST_WAITING:
                raise EngineBusy(_BUSY)
            waits = self._under_way > 0
            asked = self._worker.submit(self._run, query, texts, waits)
            self._under_way += 1
        try:
            return asked.result(timeout=self._deadline_s)
        except FutureTimeoutError:
            if asked.cancel():
                with self._lock:
                    self._under_way -= 1
            if waits:
                raise EngineBusy(_BUSY) from None
            raise self._too_slow() from None

    def _run(self, query: str, texts: Sequence[str], waited: bool) -> Sequence[float]:
        with self._lock:
            began = self._began = self._clock()
        try:
            return self._reranker.score(query, texts)
        finally:
            with self._lock:
                self._began, took = None, self._clock() - began
                self._under_way -= 1
            if waited and took > self._deadline_s:
                # whoever waited for it could not tell whether it was slow or late
                self._failed(self._too_slow())

    def _too_slow(self) -> TimeoutError:
        return TimeoutError(
            f"The reranker took longer than {self._deadline_s:g} s: lower rerank.candidates, or allow more."
        )

    def _answered(self) -> None:
        with self._lock:
            self._in_a_row, recovered, self._problem = 0, self._problem, ""
        if recovered:
            _log.info("The reranker works again.")

    def _failed(self, error: Exception) -> str:
        known = isinstance(error, (ModelError, TimeoutError))
        sentence = str(error) if known else f"The reranker failed ({type(error).__name__}: {error})."
        with self._lock:
            first = not self._problem
            self._failures += 1
            self._in_a_row += 1
            self._problem = sentence
            if self._in_a_row >= MOST_FAILURES:
                self._paused_until = self._clock() + PAUSE_S
        if first:
            _log.warning("%s Passages stay in the order of search until it works again.", sentence)
        return sentence


def _ordered(hits: Sequence[Hit], said: Sequence[float]) -> list[Hit]:
    if len(said) != len(hits):
        raise ValueError(f"{len(said)} scores for {len(hits)} passages")
    if not all(map(math.isfinite, said)):
        raise ValueError("a score that is no number")
    found, judged = _shares([hit.score for hit in hits]), _shares(said)
    order = sorted(range(len(hits)), key=lambda at: -(found[at] + judged[at]))
    scores = sorted((hit.score for hit in hits), reverse=True)
    return [replace(hits[at], rerank=said[at], score=score) for at, score in zip(order, scores, strict=True)]


def _shares(values: Sequence[float]) -> list[float]:
    lowest, highest = min(values), max(values)
    return [(value - lowest) / (highest - lowest) if highest > lowest else 0.0 for value in values]
