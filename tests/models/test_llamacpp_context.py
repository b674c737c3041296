"""The real llama.cpp with the starter model: sequences, parking, breaking off."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from models.cards import ModelCard
from models.engine import GREEDY, EngineOptions
from models.errors import EngineFailed
from models.llamacpp_context import LlamaContext, LlamaModel
from models.runs import Aborted, Run
from models.templates import Message, render, tokens_of

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def model(starter: ModelCard) -> Iterator[LlamaModel]:
    model = LlamaModel(starter.path, EngineOptions())
    yield model
    model.close()


@pytest.fixture(scope="module")
def context(model: LlamaModel) -> Iterator[LlamaContext]:
    context = LlamaContext(model, sequences=3, context_length=512)
    yield context
    context.close()


@pytest.fixture(scope="module")
def tokens(model: LlamaModel) -> list[int]:
    prompt = render("chatml", [Message("user", "What is the capital of France?")])
    return tokens_of(prompt, model.vocabulary)


def scores(context: LlamaContext, run: Run) -> np.ndarray:
    (place,) = context.decode([run])
    return context.logits(place).copy()


def alone(context: LlamaContext, sequence: int, tokens: list[int]) -> np.ndarray:
    context.keep(sequence, 0)
    return scores(context, Run(sequence, 0, tokens, outputs=1))


def assert_alike(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Up to float noise, which comes from another order of additions; another text has a correlation far below."""
    assert np.corrcoef(ours, theirs)[0, 1] > 0.995
    assert ours[theirs.argmax()] > ours.max() - 0.5


def test_a_prompt_in_pieces_and_among_others_scores_as_it_does_alone(context: LlamaContext, tokens: list[int]) -> None:
    whole = alone(context, 0, tokens)
    for sequence in (1, 2):
        context.keep(sequence, 0)
    context.decode([Run(1, 0, tokens[:5]), Run(2, 0, tokens[:9])])
    places = context.decode([Run(2, 9, tokens[9:12]), Run(1, 5, tokens[5:], outputs=1)])

    assert_alike(context.logits(places[1]), whole)


def test_what_is_kept_needs_not_run_again(context: LlamaContext, tokens: list[int]) -> None:
    whole = alone(context, 0, tokens)
    assert context.keep(0, len(tokens) - 3) == len(tokens) - 3

    assert_alike(scores(context, Run(0, len(tokens) - 3, tokens[-3:], outputs=1)), whole)


def test_a_saved_sequence_goes_on_in_another(context: LlamaContext, tokens: list[int]) -> None:
    whole = alone(context, 0, tokens)
    context.keep(0, len(tokens) - 1)
    saved = context.save(0)
    assert len(saved) == context.saved_size(0)
    context.keep(0, 0)
    assert context.restore(2, saved)

    assert_alike(scores(context, Run(2, len(tokens) - 1, tokens[-1:], outputs=1)), whole)


def test_a_state_that_is_none_is_not_taken_and_leaves_an_empty_sequence(
    context: LlamaContext, tokens: list[int]
) -> None:
    alone(context, 1, tokens)
    assert not context.restore(1, b"\x07" * 64)

    assert_alike(alone(context, 1, tokens), alone(context, 0, tokens))


def test_sequences_that_share_a_memory_share_their_beginnings(model: LlamaModel, tokens: list[int]) -> None:
    shared = LlamaContext(model, sequences=4, context_length=512, shared=True)
    whole = alone(shared, 0, tokens)
    shared.keep(0, len(tokens) - 2)
    shared.fork(0, 1)
    shared.fork(0, 2)
    places = shared.decode([Run(sequence, len(tokens) - 2, tokens[-2:], outputs=1) for sequence in (1, 2)])

    for place in places:
        assert_alike(shared.logits(place), whole)
    shared.close()


def test_a_step_that_is_broken_off_can_be_done_again(context: LlamaContext, tokens: list[int]) -> None:
    whole = alone(context, 0, tokens)
    context.keep(0, 0)
    context.abort()
    with pytest.raises(Aborted):
        context.decode([Run(0, 0, tokens, outputs=1)])
    context.keep(0, 0)

    assert_alike(scores(context, Run(0, 0, tokens, outputs=1)), whole)


def test_a_long_step_is_broken_off_from_another_thread(context: LlamaContext, tokens: list[int]) -> None:
    context.keep(0, 0)
    long = (tokens * 40)[: context.batch_size]

    def abort_again_and_again() -> None:
        for _ in range(200):
            context.abort()
            time.sleep(0.001)

    stopper = threading.Thread(target=abort_again_and_again)
    stopper.start()
    with pytest.raises(Aborted):  # noqa: PT012 - a step may slip through between two signs
        for _ in range(50):
            context.keep(0, 0)
            context.decode([Run(0, 0, long, outputs=1)])
    stopper.join()
    context.keep(0, 0)
    with contextlib.suppress(Aborted):  # the last sign may still stand
        context.decode([Run(0, 0, tokens)])


def test_a_step_larger_than_the_batch_is_refused(context: LlamaContext) -> None:
    with pytest.raises(EngineFailed, match="more than"):
        context.decode([Run(0, 0, [1] * (context.batch_size + 1))])


def test_a_place_without_scores_is_refused(context: LlamaContext, tokens: list[int]) -> None:
    context.keep(0, 0)
    context.decode([Run(0, 0, tokens)])
    with pytest.raises(EngineFailed, match="no scores"):
        context.logits(0)


def test_the_best_token_is_chosen(context: LlamaContext, tokens: list[int]) -> None:
    whole = alone(context, 0, tokens)
    sampler = context.sampler(GREEDY, "")
    context.keep(0, 0)
    (place,) = context.decode([Run(0, 0, tokens, outputs=1)])

    assert sampler.draw(place).token == int(whole.argmax())
    sampler.close()


def test_the_context_is_no_longer_than_the_model_was_trained_for(model: LlamaModel) -> None:
    context = LlamaContext(model, sequences=1, context_length=1_000_000)

    assert context.context_length == model.trained_length == 8192
    context.close()
