"""The real engine in a child process: the starter model, real crashes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from models.cards import ModelCard
from models.engine import EngineOptions, Request, Sampling
from models.errors import EngineFailed, ModelConfigError, PromptTooLong
from models.llamacpp import LlamaEngine
from models.process import ProcessEngine
from models.templates import Message, Segment, render

pytestmark = pytest.mark.real

OPTIONS = EngineOptions(context_length=1024, slots=2, threads=1)
WAIT_S = 60.0


def request(text: str, *, max_tokens: int = 16, sampling: Sampling = Sampling()) -> Request:  # noqa: B008 - frozen
    return Request(tuple(render("chatml", [Message("user", text)])), "anna", max_tokens, WAIT_S, sampling)


@pytest.fixture(scope="module")
def child(starter: ModelCard) -> Iterator[ProcessEngine]:
    engine = ProcessEngine(starter, OPTIONS)
    yield engine
    engine.close()


def test_answers_counts_and_scores_are_those_of_the_engine_in_this_process(
    starter: ModelCard, child: ProcessEngine
) -> None:
    here = LlamaEngine(starter, OPTIONS)
    try:
        for text in ("Name three colours.", "What is 2 + 2?", "蔵とは何ですか。"):
            asked = request(text, sampling=Sampling(logprobs=2))
            ours, theirs = here.generate(asked), child.generate(asked)
            assert ours.text() == theirs.text()
            assert ours.finished.reason == theirs.finished.reason
            assert ours.finished.usage == theirs.finished.usage
            assert [t.token for t in ours.finished.logprobs] == [t.token for t in theirs.finished.logprobs]
            assert len(theirs.finished.logprobs) == theirs.finished.usage.completion
            assert here.count_tokens(asked.segments) == child.count_tokens(asked.segments)
        prompt, continuations = (Segment("The sky is"),), [" blue", " a spoon"]
        theirs_scores = child.score(prompt, continuations, deadline_s=WAIT_S)
        for mine, other in zip(here.score(prompt, continuations, deadline_s=WAIT_S), theirs_scores, strict=True):
            assert mine.tokens == other.tokens
            assert mine.logprob == pytest.approx(other.logprob, abs=0.1)
        assert here.context_length == child.context_length
    finally:
        here.close()


def test_what_the_engine_refuses_is_refused_here(child: ProcessEngine) -> None:
    with pytest.raises(PromptTooLong, match="does not fit"):
        child.generate(request("word " * 2_000))
    with pytest.raises(ModelConfigError, match="max_tokens"):
        child.generate(request("Hello", max_tokens=0))


def test_a_native_crash_fails_the_streams_and_the_next_request_is_answered(child: ProcessEngine) -> None:
    streams = [child.generate(request(text, max_tokens=900)) for text in ("Tell me a long story.", "Count to 500.")]
    for stream in streams:
        next(iter(stream))
    os.kill(child.pid or 0, signal.SIGSEGV)
    for stream in streams:
        with pytest.raises(EngineFailed, match="SIGSEGV"):
            stream.text()
    child.load()
    generation = child.generate(request("Say hello."))
    assert generation.text()
    assert generation.finished.usage.completion
    assert child.state().restarts == 1
