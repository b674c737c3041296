"""The scheduler under random arrivals, lengths, stops and cancels: nothing is lost, crossed or starved."""

from __future__ import annotations

import itertools
import random
import threading
import time
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from models.cards import local_chat
from models.engine import Cancel, Channel, EngineOptions, Finished, Request
from models.errors import EngineBusy, EngineFailed, ModelError
from models.llamacpp import LlamaEngine
from models.queueing import FairQueue
from models.scheduler import Job, Scheduler
from models.sequences import Sequences
from models.templates import Segment
from tests.models.scripted import HELLO, WAIT_S, ScriptedBackend, ScriptedContext, expected, follows

SEQUENCES, BATCH, LENGTH = 3, 24, 120
PINNED = "system: "
PEOPLE = ("ann", "bob", "eve", "")
MOST_STEPS = 40 * LENGTH
"""More jobs than arrive in a run, one after the other, each with as many steps as its sequence has tokens."""


def until_stop(text: str, stop: tuple[str, ...]) -> str:
    """The text before the first stop string."""
    ends = [place for place in map(text.find, stop) if place >= 0]
    return text[: min(ends)] if ends else text


def said(channel: Channel) -> tuple[str, Finished | ModelError | None]:
    """What was said so far, and how it ended, if it has."""
    text = ""
    while not channel.items.empty():
        item = channel.items.get_nowait()
        if not isinstance(item, str):
            return text, item
        text += item
    return text, None


class Serving(RuleBasedStateMachine):
    """A scheduler and its queue, driven by hand: every order of events that a thread could meet."""

    def __init__(self) -> None:
        super().__init__()
        self.context = ScriptedContext(follows, sequences=SEQUENCES, context_length=LENGTH, batch_size=BATCH)
        sequences = Sequences(self.context, parked_bytes=2000, pinned=list(map(ord, PINNED)))
        self.scheduler = Scheduler(self.context, sequences)
        self.queue: FairQueue[Job] = FairQueue(1000)
        self.under_way: dict[Job, tuple[str, str]] = {}
        self.waited: dict[Job, int] = {}

    @rule(
        body=st.text("abc ", min_size=1, max_size=60),
        person=st.sampled_from(PEOPLE),
        most=st.integers(1, 40),
        stop=st.sampled_from(((), ("q",), ("xy", "m"))),
        priority=st.sampled_from(("interactive", "interactive", "batch")),
        system=st.booleans(),
        adapter=st.sampled_from(("", "", "hr")),
    )
    def arrive(
        self, body: str, person: str, most: int, stop: tuple[str, ...], priority: str, system: bool, adapter: str
    ) -> None:
        prompt = (PINNED if system else "") + body
        request = Request(
            (Segment(prompt),),
            person,
            most,
            WAIT_S,
            stop=stop,
            priority=priority,
            adapter=adapter,  # type: ignore[arg-type]
        )
        job = Job(list(map(ord, prompt)), request, "", time.monotonic() + 1000, Cancel(), Channel())
        self.queue.add(job, person, request.priority)
        self.under_way[job] = (prompt, "")
        self.waited[job] = 0

    @precondition(lambda self: self.under_way)
    @rule(number=st.integers(0, 1000))
    def cancel(self, number: int) -> None:
        list(self.under_way)[number % len(self.under_way)].cancel.set()

    @rule(number=st.integers(0, 1000))
    def cancel_in_the_middle_of_a_step(self, number: int) -> None:
        jobs = list(self.under_way)
        if jobs:
            self.context.before_decode = jobs[number % len(jobs)].cancel.set
        self.step()
        self.context.before_decode = lambda: None

    @rule()
    def fail(self) -> None:
        def broken() -> None:
            raise EngineFailed("status 1")

        self.context.before_decode = broken
        self.step(broken=True)
        self.context.before_decode = lambda: None

    @rule(count=st.integers(1, 12))
    def work(self, count: int) -> None:
        for _ in range(count):
            self.step()

    def step(self, *, broken: bool = False) -> None:
        for job in self.queue.drop(lambda job: job.cancel.is_set()):
            del self.under_way[job]
        while self.scheduler.room and (job := self.queue.pop()) is not None:
            self.scheduler.take_up(job)
        self.scheduler.step()
        for job, (prompt, text) in list(self.under_way.items()):
            more, outcome = said(job.channel)
            self.under_way[job] = (prompt, text + more)
            self.waited[job] += 1
            # nobody starves, whatever arrives: those before it, and a batch job's interactive ones, are bounded
            assert self.waited[job] <= MOST_STEPS
            if outcome is not None:
                del self.under_way[job]
                self.check(job, prompt, text + more, outcome, broken=broken)

    def check(self, job: Job, prompt: str, text: str, outcome: Finished | ModelError, *, broken: bool) -> None:
        whole = until_stop(expected(prompt, job.request.max_tokens), job.request.stop)
        if isinstance(outcome, ModelError):
            assert broken
            assert whole.startswith(text)
        elif outcome.reason == "cancelled":
            assert job.cancel.is_set()
            assert whole.startswith(text)
        else:
            assert text == whole

    @invariant()
    def memory_and_accounts_agree(self) -> None:
        active = self.scheduler.active
        assert self.context.samplers == active
        assert self.scheduler.room == SEQUENCES - active
        assert len(self.under_way) == active + len(self.queue)

    def teardown(self) -> None:
        """Whatever was asked comes to its end, in a bounded number of steps: prompts and answers, one after the other."""
        jobs = len(self.under_way)
        for _ in range(2 * jobs * LENGTH + 1):
            if not self.under_way:
                break
            self.step()
        assert not self.under_way
        assert self.context.samplers == 0
        assert self.scheduler.room == SEQUENCES


TestServing = Serving.TestCase
TestServing.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_cancelled_answer_does_not_show_what_may_begin_a_stop_string() -> None:
    context = ScriptedContext(HELLO, sequences=1, context_length=50, batch_size=BATCH)
    scheduler = Scheduler(context, Sequences(context, parked_bytes=0, pinned=[]))
    request = Request((Segment("hi"),), "ann", 20, WAIT_S, stop=("lo!",))
    job = Job([ord("h"), ord("i")], request, "", time.monotonic() + 1000, Cancel(), Channel())
    scheduler.take_up(job)
    for _ in "hel":
        scheduler.step()
    job.cancel.set()
    scheduler.step()
    text, outcome = said(job.channel)
    assert isinstance(outcome, Finished)
    assert (text, outcome.reason) == ("he", "cancelled")


def test_a_thousand_requests_from_twenty_people_all_come_to_the_right_end() -> None:
    context = ScriptedContext(follows, sequences=6, context_length=200, batch_size=64)
    engine = LlamaEngine(
        local_chat(Path("scripted.gguf")),
        EngineOptions(queue_size=40, parked_bytes=20_000),
        pinned=[Segment(PINNED)],
        open_backend=lambda: ScriptedBackend(context),
    )
    numbers = itertools.count()
    outcomes: list[str] = []
    wrong: list[str] = []

    def person(name: str) -> None:
        chance = random.Random(name)  # noqa: S311 - arrivals, not secrets
        while (number := next(numbers)) < 1000:
            prompt = f"{PINNED * chance.randint(0, 1)}{name} asks {number} {'x' * chance.randint(0, 90)}"
            most, stop = chance.randint(1, 60), chance.choice(((), ("q",), ("ab", "z")))
            request = Request(
                (Segment(prompt),), name, most, WAIT_S, stop=stop, priority=chance.choice(("interactive", "batch"))
            )
            try:
                generation = engine.generate(request)
            except EngineBusy:
                outcomes.append("busy")
                time.sleep(0.001)
                continue
            patience = chance.choice((None, None, 0, 1, 5))
            pieces = []
            for piece in generation:
                pieces.append(piece)
                if patience is not None and len(pieces) > patience:
                    generation.close()
            whole = until_stop(expected(prompt, most), stop)
            text = "".join(pieces)
            reason = generation.finished.reason
            outcomes.append(reason)
            if not whole.startswith(text) or (reason != "cancelled" and text != whole):
                wrong.append(f"{prompt}: {text!r} is not {whole!r} ({reason})")

    people = [threading.Thread(target=person, args=(f"p{number}",)) for number in range(20)]
    for one in people:
        one.start()
    for one in people:
        one.join(60)

    assert not wrong
    assert len(outcomes) == 1000
    assert outcomes.count("deadline") == 0
    assert outcomes.count("stop") + outcomes.count("length") > 300
    assert (engine.state().active, engine.state().waiting) == (0, 0)
    engine.close()
    assert context.samplers == 0
    assert context.closed
