"""Continuous batching: each step runs one token of every answer that is being written and a piece of the oldest prompts.

Driven by one thread (`models/llamacpp.py`), which alone calls it, `interrupt` apart. Knows no queue and no native library.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from models.engine import Cancel, Channel, Finished, FinishReason, Request, TokenLogprob, TokenUsage
from models.errors import EngineFailed, ModelError
from models.runs import Aborted, Context, Run, Sampler
from models.sequences import Owner, Sequences, Slot
from models.streaming import StopCutter

STEP_S = 1.0
"""Seconds that a step should last at most: so long a token of everybody else may wait for somebody's prompt."""
LEAST_CHUNK = 32
"""Tokens of a prompt run at once at least, however slow the machine."""
RATE_MEMORY = 0.7
"""Weight of the past in the running mean of the prefill rate."""


@dataclass(slots=True, eq=False)
class Job:
    """One request, as it waits: its prompt in tokens, its grammar (GBNF), its end on the monotonic clock."""

    prompt: list[int]
    request: Request
    grammar: str
    ends_at: float
    cancel: Cancel
    channel: Channel

    def ending(self) -> FinishReason | None:
        """Why to stop now, if there is a reason."""
        if self.cancel.is_set():
            return "cancelled"
        return "deadline" if time.monotonic() >= self.ends_at else None


@dataclass(slots=True, eq=False)
class _Active:
    """A job that is being worked on. `tokens` is the prompt, then what was generated; the first `done` are in memory."""

    job: Job
    slot: Slot
    sampler: Sampler
    timer: threading.Timer
    cutter: StopCutter
    tokens: list[int]
    done: int
    cached: int
    taken_up_at: float
    logprobs: list[TokenLogprob] = field(default_factory=list)

    @property
    def made(self) -> int:
        return len(self.tokens) - len(self.job.prompt)

    @property
    def in_prompt(self) -> bool:
        """Whether more must run than the token that was generated last."""
        return not self.made or len(self.tokens) - self.done > 1

    def run(self, count: int) -> Run:
        tokens = self.tokens[self.done : self.done + count]
        return Run(self.slot.sequence, self.done, tokens, outputs=int(self.done + len(tokens) == len(self.tokens)))


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that was worked on: what it took."""

    usage: TokenUsage
    seconds: float


class Scheduler:
    """Works on as many jobs at once as the context has sequences. A job ends by its channel; none is lost."""

    def __init__(self, context: Context, sequences: Sequences) -> None:
        self._context = context
        self._sequences = sequences
        self._active: list[_Active] = []  # oldest first
        self._interruptible: frozenset[Job] = frozenset()
        self._adapter = ""
        self._rate = 0.0
        self.ended: list[Ended] = []
        """Jobs that ended since somebody last looked (and cleared this)."""

    @property
    def active(self) -> int:
        """Jobs that are being worked on."""
        return len(self._active)

    @property
    def room(self) -> int:
        """How many more jobs may be taken up now."""
        return self._sequences.free

    @property
    def chunk(self) -> int:
        """Tokens of prompts in a step, so that it lasts no longer than it should; few until the machine's pace is known."""
        return max(LEAST_CHUNK, int(self._rate * STEP_S))

    def take_up(self, job: Job) -> None:
        """Begin with a job; one that cannot begin is told why."""
        try:
            sampler = self._context.sampler(job.request.sampling, job.grammar)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is wrong with this job alone
            failed = EngineFailed(f"The answer cannot be begun ({type(error).__name__}); ask in another way.")
            job.channel.put(error if isinstance(error, ModelError) else failed)
            return
        slot = self._sequences.take(job.prompt, Owner(job.request.principal_key, job.request.adapter))
        timer = threading.Timer(max(0.0, job.ends_at - time.monotonic()), self.interrupt, (job,))
        timer.daemon = True
        cached = len(slot.tokens)
        cutter, tokens = StopCutter(job.request.stop), list(job.prompt)
        self._active.append(_Active(job, slot, sampler, timer, cutter, tokens, cached, cached, time.monotonic()))
        timer.start()
        job.cancel.then(lambda: self.interrupt(job))

    def interrupt(self, job: Job) -> None:
        """Break off the running step if it is busy with this job's prompt: the job has ended. From any thread.

        Not where memory cannot be cut: there, all that shared the step would have to be computed from the beginning.
        """
        if job in self._interruptible and self._context.cuttable:
            self._context.abort()

    def step(self) -> None:
        """One native step for everybody; a job that ends is told so."""
        # 1. Who has had enough.
        for active in list(self._active):
            if reason := active.job.ending():
                self._finish(active, reason)
        # 2. Tokens for the step: one of each answer, then prompts, oldest first. One adapter at a time.
        batch = self._gather(self._turn())
        if not batch:
            return
        # 3. Run them. What is said now of a job in its prompt breaks the step off; what was said before is seen here.
        self._interruptible = frozenset(active.job for active, _ in batch if active.in_prompt)
        started = time.monotonic()
        try:
            if any(job.ending() for job in self._interruptible):
                return
            self._context.use_adapter(self._adapter)
            places = self._context.decode([run for _, run in batch])
        except Aborted:
            self._roll_back(batch)
            return
        except EngineFailed as error:
            for active, _ in batch:
                self._end(active, error)
            return
        finally:
            self._interruptible = frozenset()
        self._learn(batch, time.monotonic() - started)
        # 4. What follows.
        for (active, run), place in zip(batch, places, strict=True):
            self._advance(active, run, place)

    def stop(self, error: ModelError) -> None:
        """End all jobs with an error."""
        for active in list(self._active):
            self._end(active, error)

    # --- the parts of a step ---

    def _turn(self) -> list[_Active]:
        """The jobs of the adapter whose turn it is, oldest first."""
        names = sorted({active.job.request.adapter for active in self._active})
        if names != [self._adapter]:
            later = [name for name in names if name > self._adapter]
            self._adapter = (later or names or [""])[0]
        return [active for active in self._active if active.job.request.adapter == self._adapter]

    def _gather(self, turn: Sequence[_Active]) -> list[tuple[_Active, Run]]:
        batch = [(active, active.run(1)) for active in turn if not active.in_prompt]
        room = min(self._context.batch_size - len(batch), self.chunk)
        for active in turn:
            if active.in_prompt and room > 0:
                # a prompt stops for a moment where the pinned prefix is whole, so that it can be kept
                run = active.run(min(room, self._sequences.until_pinned(active.slot, active.job.prompt) or room))
                batch.append((active, run))
                room -= len(run.tokens)
        # llama.cpp runs neighbours together only if their sequences ascend; out of order each is a pass of its own
        return sorted(batch, key=lambda pair: pair[1].sequence)

    def _learn(self, batch: Sequence[tuple[_Active, Run]], seconds: float) -> None:
        count = sum(len(run.tokens) for _, run in batch)
        if count >= LEAST_CHUNK and seconds > 0:
            rate = count / seconds
            self._rate = RATE_MEMORY * self._rate + (1 - RATE_MEMORY) * rate if self._rate else rate

    def _roll_back(self, batch: Iterable[tuple[_Active, Run]]) -> None:
        """Forget what a broken-off step may have done; where memory cannot be cut, everything runs again."""
        for active, _ in batch:
            active.done = self._context.keep(active.slot.sequence, active.done)
            del active.slot.tokens[active.done :]

    def _advance(self, active: _Active, run: Run, place: int) -> None:
        active.done += len(run.tokens)
        active.slot.tokens += run.tokens
        self._sequences.pin(active.slot)
        if not run.outputs or active.job.ending():
            return  # of one that has had enough, the next step says so
        try:
            drawn = active.sampler.draw(place)
        except EngineFailed as error:
            self._end(active, error)
            return
        vocabulary, request = self._context.vocabulary, active.job.request
        if vocabulary.is_end(drawn.token):
            self._finish(active, "stop")
            return
        active.tokens.append(drawn.token)
        piece = vocabulary.piece(drawn.token)
        if request.sampling.logprobs:
            top = tuple((vocabulary.piece(token), logprob) for token, logprob in drawn.top)
            active.logprobs.append(TokenLogprob(piece, drawn.logprob, top))
        if text := active.cutter.feed(piece):
            active.job.channel.put(text)
        if active.cutter.stopped:
            self._finish(active, "stop")
        elif active.made >= request.max_tokens:
            self._finish(active, "length")

    def _finish(self, active: _Active, reason: FinishReason) -> None:
        # what is held back may be the beginning of a stop string: of a cancelled answer that stays unknown
        if reason != "cancelled" and (text := active.cutter.finish()):
            active.job.channel.put(text)
        usage = TokenUsage(len(active.job.prompt), active.cached, active.made)
        self._end(active, Finished(reason, usage, tuple(active.logprobs)))

    def _end(self, active: _Active, outcome: Finished | ModelError) -> None:
        active.timer.cancel()
        active.sampler.close()
        self._active.remove(active)
        self._sequences.release(active.slot, forget=isinstance(outcome, ModelError))
        usage = TokenUsage(len(active.job.prompt), active.cached, active.made)
        self.ended.append(Ended(usage, time.monotonic() - active.taken_up_at))
        # each reader its own: what is raised collects a traceback
        active.job.channel.put(copy.copy(outcome) if isinstance(outcome, ModelError) else outcome)
