"""How probable texts are after a prompt: many continuations in one batch on one shared prefix. Knows no queue.

Driven by the engine's thread, a native step at a time, on a context of its own whose sequences share one memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from models.engine import Cancel, Score
from models.errors import EngineFailed
from models.runs import Aborted, Context, Run, log_probability

PREFIX = 0
"""The sequence that holds the shared prompt; the others take turns at the continuations."""


@dataclass(slots=True, eq=False)
class ScoreJob:
    """A prompt and what might follow it, in tokens; `ends_at` on the monotonic clock."""

    prompt: list[int]
    continuations: list[list[int]]
    ends_at: float
    cancel: Cancel
    scores: Future[list[Score]] = field(default_factory=Future)


def steps(open_context: Callable[[], Context], job: ScoreJob, chunk: Callable[[], int]) -> Iterator[None]:
    """Work on a job; each `next` is one native step of at most `chunk` tokens, so that nobody beside it waits long.

    At the end, or at a fault, its future is answered.
    """
    try:
        context = open_context()
        for sequence in range(context.sequences):
            context.keep(sequence, 0)
        yield from _steps(context, job, lambda: min(chunk(), context.batch_size))
    except Aborted:
        job.scores.set_exception(EngineFailed("The model was closed; ask again after the restart."))
    except Exception as error:  # noqa: BLE001 - it is the caller's: raised again where the future is waited for
        job.scores.set_exception(error)


def _steps(context: Context, job: ScoreJob, chunk: Callable[[], int]) -> Iterator[None]:
    # 1. The shared prompt; its last token says how each continuation may begin.
    done, first = 0, np.empty(0)
    while done < len(job.prompt):
        _check(job)
        tokens = job.prompt[done : done + chunk()]
        done += len(tokens)
        last = done == len(job.prompt)
        places = context.decode([Run(PREFIX, done - len(tokens), tokens, outputs=int(last))])
        if last:
            first = context.logits(places[0]).copy()  # the next step overwrites them
        yield
    # 2. The continuations, as many at once as fit; the last token of each need not run.
    totals = [log_probability(first, tokens[0]) if tokens else 0.0 for tokens in job.continuations]
    for group in _groups(job.continuations, context, len(job.prompt)):
        for sequence, _ in enumerate(group, 1):
            context.fork(PREFIX, sequence)
        for runs in _batches(group, job, chunk()):
            _check(job)
            places = context.decode([run for _, run in runs])
            for (number, run), place in zip(runs, places, strict=True):
                offset = run.position - len(job.prompt) + 1
                for at, token in enumerate(job.continuations[number][offset : offset + len(run.tokens)]):
                    totals[number] += log_probability(context.logits(place + at), token)
            yield
        for sequence, _ in enumerate(group, 1):
            context.keep(sequence, 0)
    job.scores.set_result([Score(total, len(tokens)) for total, tokens in zip(totals, job.continuations, strict=True)])


def _check(job: ScoreJob) -> None:
    if job.cancel.is_set():
        raise EngineFailed("Nobody waits for these scores any more; ask again if they are wanted.")
    if time.monotonic() >= job.ends_at:
        raise EngineFailed("The scores were not there in time; allow more time or hand in fewer texts.")


def _groups(continuations: Sequence[Sequence[int]], context: Context, prompt: int) -> Iterator[list[int]]:
    """Numbers of continuations that run together, each in a sequence of its own: as many as fill one step.

    More would fit into the memory, but each token looks at all that is there, at the others' too.
    """
    group: list[int] = []
    whole = min(context.context_length - prompt, context.batch_size)
    room = whole
    for number, tokens in enumerate(continuations):
        if len(tokens) < 2:
            continue  # the prompt has said it all
        cost = len(tokens) - 1
        if group and (cost > room or len(group) == context.sequences - 1):
            yield group
            group, room = [], whole
        group.append(number)
        room -= cost
    if group:
        yield group


def _batches(group: Sequence[int], job: ScoreJob, size: int) -> Iterator[list[tuple[int, Run]]]:
    """Runs of a group, filled into steps of at most `size` tokens; every token is an output."""
    runs: list[tuple[int, Run]] = []
    room = size
    for sequence, number in enumerate(group, 1):
        tokens, done = job.continuations[number][:-1], 0
        while done < len(tokens):
            piece = tokens[done : done + room]
            runs.append((number, Run(sequence, len(job.prompt) + done, piece, outputs=len(piece))))
            done += len(piece)
            room -= len(piece)
            if not room:
                yield runs
                runs, room = [], size
    if runs:
        yield runs
