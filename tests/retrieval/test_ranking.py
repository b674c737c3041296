"""The order of passages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ranking import (
    FOREIGN_VECTOR_WEIGHT,
    VECTOR_WEIGHT,
    Candidate,
    Statistics,
    emphasis,
    fuse,
    most_words,
    score,
    vector_weight,
)

STATISTICS = Statistics(100, 3.0, 2.0, 10.0, {"hotel": 40, "cap": 5, "bergen": 2, "oslo": 2})
WORDS = st.sampled_from(["hotel", "cap", "bergen", "oslo", "other", "経費", "です", "費の"])
FIELD = st.lists(WORDS, max_size=12)


def body(*words: str) -> Candidate:
    return Candidate((), (), words)


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    query = ["hotel", "bergen"]
    assert score(query, body("bergen", "x"), STATISTICS) > score(query, body("hotel", "x"), STATISTICS)


def test_a_word_that_stands_nowhere_is_the_rarest() -> None:
    assert STATISTICS.rarity("nowhere") > STATISTICS.rarity("bergen") > STATISTICS.rarity("hotel") > 0


def test_frequencies_above_the_number_of_chunks_do_no_harm() -> None:
    assert Statistics(1, 1.0, 1.0, 1.0, {"hotel": 3}).rarity("hotel") > 0


def test_many_words_once_beat_one_word_often() -> None:
    query = ["cap", "bergen"]
    assert score(query, body("cap", "bergen"), STATISTICS) > score(query, body("bergen", "bergen"), STATISTICS)


def test_a_word_in_the_title_counts_more_than_in_the_body() -> None:
    rest = ("x",) * 9
    in_title = Candidate(("bergen",), (), ("y", *rest))
    in_body = Candidate(("y",), (), ("bergen", *rest))
    assert score(["bergen"], in_title, STATISTICS) > score(["bergen"], in_body, STATISTICS)


def test_neighbours_in_the_question_are_better_side_by_side() -> None:
    query = ["hotel", "cap"]
    assert score(query, body("hotel", "cap", "x"), STATISTICS) > score(query, body("cap", "x", "hotel"), STATISTICS)


def test_a_long_passage_needs_more_to_say_the_same() -> None:
    short, long = body("bergen"), body("bergen", *["x"] * 50)
    assert score(["bergen"], short, STATISTICS) > score(["bergen"], long, STATISTICS)


@given(st.lists(WORDS, min_size=1, max_size=6), FIELD, FIELD, FIELD)
def test_a_score_is_zero_exactly_when_no_word_is_shared(
    query: list[str], title: list[str], heading: list[str], text: list[str]
) -> None:
    value = score(query, Candidate(title, heading, text), STATISTICS)
    assert (value > 0) == bool(set(query) & {*title, *heading, *text})


@given(st.lists(WORDS, min_size=1, max_size=6, unique=True), FIELD)
def test_no_passage_without_phrases_scores_above_the_most(query: list[str], text: list[str]) -> None:
    weight = sum(emphasis(term) * STATISTICS.rarity(term) for term in query)
    spread = [word for term in text for word in (term, "between")]
    assert score(query, body(*spread), STATISTICS) <= most_words(weight) + 1e-9


def test_grammar_weighs_less_than_matter() -> None:
    assert emphasis("です") < emphasis("ひま") < emphasis("費の") < emphasis("経費") == emphasis("hotel")


def test_words_alone_keep_their_order() -> None:
    assert [id_ for id_, _ in fuse({"a": 1.0, "b": 3.0, "c": 2.0}, {}, weight=0.7)] == ["b", "c", "a"]


def test_without_words_similarity_decides() -> None:
    assert [id_ for id_, _ in fuse({"a": 0.0, "b": 0.0}, {"b": 0.9, "a": 0.2, "c": 0.5}, weight=0.1)] == ["b", "c", "a"]


def test_similarity_settles_what_words_leave_open() -> None:
    assert fuse({"a": 2.0, "b": 2.0}, {"a": 0.1, "b": 0.6}, weight=0.1)[0][0] == "b"


def test_a_chunk_that_was_not_near_enough_to_measure_counts_as_the_farthest() -> None:
    fused = dict(fuse({"a": 1.0, "b": 1.0, "c": 1.0}, {"b": 0.3, "c": 0.8}, weight=1.0))
    assert fused["a"] == fused["b"] < fused["c"]


@pytest.mark.parametrize(
    ("language", "spoken", "weight"),
    [
        ("en", frozenset({"en"}), VECTOR_WEIGHT),
        ("ja", frozenset({"en"}), FOREIGN_VECTOR_WEIGHT),
        ("ja", frozenset(), VECTOR_WEIGHT),
        ("ja", frozenset({"en", "ja"}), VECTOR_WEIGHT),
    ],
)
def test_an_embedder_is_trusted_in_its_languages(language: str, spoken: frozenset[str], weight: float) -> None:
    assert vector_weight(language, spoken) == weight
