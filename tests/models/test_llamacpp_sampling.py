"""Samplers over real vocabulary and made-up scores."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from models.cards import ModelCard
from models.engine import EngineOptions, Sampling
from models.errors import ModelConfigError
from models.llamacpp_model import LlamaVocabulary, load_model, native, start_backend
from models.llamacpp_sampling import LlamaSampler
from models.runs import log_probability

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def vocabulary(starter: ModelCard) -> Iterator[LlamaVocabulary]:
    start_backend()
    model = load_model(starter.path, EngineOptions())
    yield LlamaVocabulary(model)
    native.llama_model_free(model)


def flat(vocabulary: LlamaVocabulary, **raised: float) -> np.ndarray:
    """Scores of 0 for all tokens but those named by their text."""
    logits = np.zeros(vocabulary.size, np.float32)
    for text, score in raised.items():
        logits[token(vocabulary, text)] = score
    return logits


def token(vocabulary: LlamaVocabulary, text: str) -> int:
    (found,) = vocabulary.tokenize(text, special=False)
    return found


def drawn(vocabulary: LlamaVocabulary, logits: np.ndarray, count: int, grammar: str = "", **given: object) -> list[str]:
    sampler = LlamaSampler(lambda _: logits, vocabulary, Sampling(**given), grammar)  # type: ignore[arg-type]
    pieces = [vocabulary.piece(sampler.draw(0).token).decode(errors="replace") for _ in range(count)]
    sampler.close()
    return pieces


def test_greedy_takes_the_best_each_time(vocabulary: LlamaVocabulary) -> None:
    assert drawn(vocabulary, flat(vocabulary, a=5, b=4), 3) == ["a", "a", "a"]


def test_a_repeat_penalty_makes_greedy_move_on(vocabulary: LlamaVocabulary) -> None:
    logits = flat(vocabulary, a=5, b=4.9, c=4.8)

    assert drawn(vocabulary, logits, 4, repeat_penalty=2.0) == ["a", "b", "c", "a"]
    assert drawn(vocabulary, logits, 4, presence_penalty=1.0) == ["a", "b", "c", "a"]
    assert drawn(vocabulary, logits, 2, frequency_penalty=0.05) == ["a", "a"]


def test_a_seed_decides_what_is_drawn(vocabulary: LlamaVocabulary) -> None:
    logits = flat(vocabulary, a=5, b=5, c=5, d=5)

    def draw(seed: int) -> list[str]:
        return drawn(vocabulary, logits, 20, temperature=1.0, seed=seed, top_p=1.0, min_p=0.0, top_k=4)

    assert draw(1) == draw(1)
    assert len({tuple(draw(seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    ("cuts", "left"),
    [
        ({"top_k": 2}, {"a", "b"}),
        ({"top_p": 0.6}, {"a"}),
        ({"min_p": 0.3}, {"a", "b"}),
        ({"top_k": 3}, {"a", "b", "c"}),
    ],
)
def test_cuts_leave_the_candidates_they_say(
    vocabulary: LlamaVocabulary, cuts: dict[str, float], left: set[str]
) -> None:
    logits = flat(vocabulary, a=20, b=19, c=17)  # 0.70, 0.26, 0.03 of the whole
    off = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}

    assert set(drawn(vocabulary, logits, 300, temperature=1.0, seed=3, **(off | cuts))) == left


def test_frequencies_are_those_of_the_scores_and_temperature_flattens_them(vocabulary: LlamaVocabulary) -> None:
    logits = flat(vocabulary, a=20, b=20 - math.log(3))

    def share(temperature: float) -> float:
        counts = Counter(
            drawn(vocabulary, logits, 2000, temperature=temperature, seed=11, top_k=2, top_p=1.0, min_p=0.0)
        )
        return counts["a"] / 2000

    assert share(1.0) == pytest.approx(0.75, abs=0.04)
    assert share(100.0) == pytest.approx(0.5, abs=0.04)


def test_log_probabilities_are_the_models_own_whatever_is_cut(vocabulary: LlamaVocabulary) -> None:
    logits = flat(vocabulary, a=20, b=19)
    sampler = LlamaSampler(lambda _: logits, vocabulary, Sampling(logprobs=3, temperature=0.7, top_k=1), "")
    found = sampler.draw(0)
    sampler.close()

    assert found.logprob == pytest.approx(log_probability(logits, found.token))
    assert [one for one, _ in found.top[:2]] == [token(vocabulary, "a"), token(vocabulary, "b")]
    assert len(found.top) == 3


def test_a_grammar_is_kept_among_the_cut_and_beyond_it(vocabulary: LlamaVocabulary) -> None:
    likely = flat(vocabulary, yes=9, a=10)
    unlikely = flat(vocabulary)
    unlikely[:200] = 10.0  # what the grammar wants is far from the best

    assert drawn(vocabulary, likely, 1, 'root ::= "yes" | "no"') == ["yes"]
    for temperature in (0.0, 1.0):
        text = "".join(drawn(vocabulary, unlikely, 1, 'root ::= "no"', temperature=temperature))
        assert text
        assert "no".startswith(text)


def test_after_a_finished_grammar_only_the_end_is_left(vocabulary: LlamaVocabulary) -> None:
    logits = flat(vocabulary, yes=9, a=10)
    sampler = LlamaSampler(lambda _: logits, vocabulary, Sampling(), 'root ::= "yes"')
    assert vocabulary.piece(sampler.draw(0).token) == b"yes"

    assert vocabulary.is_end(sampler.draw(0).token)
    sampler.close()


@pytest.mark.parametrize("grammar", ["no root", 'other ::= "a"', "root ::= [", 'root ::= missing "a"'])
def test_a_grammar_that_is_none_is_refused(vocabulary: LlamaVocabulary, grammar: str) -> None:
    with pytest.raises(ModelConfigError, match="grammar"):
        LlamaSampler(lambda _: flat(vocabulary), vocabulary, Sampling(), grammar)


def test_random_scores_under_a_json_grammar_give_json(vocabulary: LlamaVocabulary) -> None:
    grammar = 'root ::= "{" ws "\\"n\\"" ws ":" ws [1-9] [0-9]? ws "}"\nws ::= " "?'
    chance = np.random.default_rng(5)
    scores = chance.normal(size=(200, vocabulary.size)).astype(np.float32)
    for start in range(0, 200, 40):
        step = iter(range(start, start + 40))
        sampler = LlamaSampler(lambda _, step=step: scores[next(step)], vocabulary, Sampling(), grammar)  # type: ignore[misc]
        text = b""
        while not vocabulary.is_end(found := sampler.draw(0).token):
            text += vocabulary.piece(found)
        sampler.close()
        assert isinstance(json.loads(text)["n"], int)
