from __future__ import annotations

import time

import numpy as np
import pytest

from models.engine import Cancel, Score
from models.errors import EngineFailed
from models.runs import log_probability
from models.scoring import ScoreJob, steps
from tests.models.scripted import ScriptedContext


def scored(context: ScriptedContext, prompt: list[int], continuations: list[list[int]]) -> list[Score]:
    job = ScoreJob(prompt, continuations, time.monotonic() + 20, Cancel())
    for _ in steps(lambda: context, job, lambda: 512):
        assert max(context.decoded) <= context.batch_size
    return job.scores.result(timeout=0)


def right(context: ScriptedContext, prompt: list[int], continuation: list[int]) -> float:
    """The same, a token at a time."""
    total, held = 0.0, list(prompt)
    for token in continuation:
        context._outputs = [held]
        total += log_probability(context.logits(0), token)
        held = [*held, token]
    return total


@pytest.mark.parametrize(("sequences", "batch"), [(2, 4), (3, 7), (8, 512)])
def test_the_likelihood_is_that_of_each_continuation_alone(sequences: int, batch: int) -> None:
    context = ScriptedContext(sequences=sequences, context_length=60, batch_size=batch)
    prompt = list(range(1, 20))
    continuations = [[7], [7, 8], [], list(range(30, 55)), [7, 8], [9, 9, 9, 9, 9]]
    scores = scored(context, prompt, continuations)

    assert [score.tokens for score in scores] == [1, 2, 0, 25, 2, 5]
    for score, continuation in zip(scores, continuations, strict=True):
        assert score.logprob == pytest.approx(right(context, prompt, continuation), abs=1e-4)


def test_the_prompt_runs_once_and_short_continuations_share_a_step() -> None:
    context = ScriptedContext(sequences=8, context_length=500, batch_size=100)
    scored(context, list(range(1, 51)), [[60, number] for number in range(7)])

    assert context.decoded == [50, 7]


def test_a_continuation_as_long_as_the_memory_is_scored_alone() -> None:
    context = ScriptedContext(sequences=8, context_length=40, batch_size=100)
    prompt, long = list(range(1, 21)), list(range(40, 61))
    scores = scored(context, prompt, [[5, 6], long, [5, 6]])

    assert scores[1].logprob == pytest.approx(right(context, prompt, long), abs=1e-4)
    assert scores[0] == scores[2]


def test_a_cancel_and_a_deadline_end_it_between_two_steps() -> None:
    for cancel, ends_at, message in ((True, 20.0, "Nobody waits"), (False, -1.0, "in time")):
        context = ScriptedContext(sequences=2, batch_size=4)
        job = ScoreJob(list(range(1, 20)), [[1, 2]], time.monotonic() + ends_at, Cancel())
        if cancel:
            job.cancel.set()
        assert list(steps(lambda context=context: context, job, lambda: 512)) == []  # type: ignore[misc]
        with pytest.raises(EngineFailed, match=message):
            job.scores.result(timeout=0)
        assert context.decoded == []


def test_a_fault_is_the_callers_and_leaves_nothing_for_the_next() -> None:
    context = ScriptedContext(sequences=2, batch_size=4)

    def broken() -> None:
        raise EngineFailed("status 1")

    context.before_decode = broken
    job = ScoreJob(list(range(1, 20)), [[1, 2]], time.monotonic() + 20, Cancel())
    assert list(steps(lambda: context, job, lambda: 512)) == []
    with pytest.raises(EngineFailed, match="status 1"):
        job.scores.result(timeout=0)
    context.before_decode = lambda: None

    assert scored(context, [1, 2], [[3, 4]])[0].tokens == 2


def test_log_probabilities_sum_to_one() -> None:
    logits = np.random.default_rng(1).normal(size=300).astype(np.float32) * 20

    assert sum(np.exp(log_probability(logits, token)) for token in range(300)) == pytest.approx(1.0, abs=1e-5)
