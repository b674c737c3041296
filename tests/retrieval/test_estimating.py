"""The weight of a cosine, estimated from trials whose right candidate is known."""

# ruff: noqa: S311 - samples, no secrets

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from retrieval.estimating import WEIGHTS, Trial, estimated, quality

Cosine = Callable[[bool, random.Random], float]


def trials(cosine: Cosine, *, words_say: float = 0.3, many: int = 120, candidates: int = 60) -> list[Trial]:
    """The words raise the right candidate by `words_say`; `cosine` is told whether a candidate is right."""
    chance = random.Random(7)
    made = []
    for _ in range(many):
        right = chance.randrange(candidates)
        words = [min(1.0, 0.6 * chance.random() + words_say * (at == right)) for at in range(candidates)]
        made.append(Trial(words, [cosine(at == right, chance) for at in range(candidates)], right))
    return made


def noise(_right: bool, chance: random.Random) -> float:
    return chance.gauss(0.0, 0.15)


def knowing(right: bool, chance: random.Random) -> float:
    return chance.gauss(0.6 if right else 0.2, 0.1)


def misled(right: bool, chance: random.Random) -> float:
    return chance.gauss(0.1 if right else 0.3, 0.1)


@pytest.mark.parametrize("cosine", [noise, misled, lambda *_: 0.5], ids=["noise", "misled", "the same for all"])
def test_an_embedder_that_says_nothing_gets_no_weight(cosine: Cosine) -> None:
    assert estimated(trials(cosine)) == 0


def test_an_embedder_that_knows_gets_weight_and_finds_more_than_the_words() -> None:
    made = trials(knowing)
    weight = estimated(made)
    assert weight >= 0.5
    assert quality(made, weight).reciprocal > quality(made, 0).reciprocal
    assert quality(made, weight).first > quality(made, 0).first


def test_words_that_say_nothing_leave_it_to_the_cosine() -> None:
    assert estimated(trials(knowing, words_say=0.0)) == WEIGHTS[-1]


def test_what_a_few_trials_say_by_chance_gives_no_weight() -> None:
    assert estimated(trials(noise, many=30)) == 0


def test_trials_may_have_different_numbers_of_candidates() -> None:
    one, other = Trial([1.0, 0.2], [0.1, 0.9], 0), Trial([0.5, 1.0, 0.1], [0.9, 0.1, 0.2], 0)
    assert (quality([one, other], 0).first, quality([one, other], 0).reciprocal) == (0.5, 0.75)


def test_equals_share_their_ranks() -> None:
    assert quality([Trial([1.0, 1.0, 0.0], [0.0, 0.0, 0.0], 1)], 0).reciprocal == pytest.approx(1 / 1.5)
