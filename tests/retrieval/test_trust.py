from __future__ import annotations

from collections.abc import Callable

import pytest

from retrieval import generations, trust
from retrieval.database import reading, writing
from retrieval.index import Index
from retrieval.ranking import FOREIGN_VECTOR_WEIGHT, VECTOR_WEIGHT
from retrieval.search import Searcher
from retrieval.trust import Trust, Trusted
from tests.retrieval.conftest import SOMEBODY

ENGLISH = frozenset({"en"})


def test_what_was_measured_counts_and_is_shared_by_passage_and_sentence() -> None:
    trusted = Trusted({"en": 1.0}, ENGLISH)
    assert (trusted.weight("en", twice=False), trusted.weight("en", twice=True)) == (1.0, 0.5)


def test_no_measurement_raises_the_weight_in_a_language_that_an_embedder_does_not_say_it_speaks() -> None:
    assert Trusted({"ja": 1.4}, ENGLISH).weight("ja", twice=False) == FOREIGN_VECTOR_WEIGHT
    assert Trusted({"ja": 0.0}, ENGLISH).weight("ja", twice=False) == 0
    assert Trusted({"ja": 1.4}, frozenset()).weight("ja", twice=False) == 1.4


@pytest.mark.parametrize("twice", [False, True])
def test_without_a_measurement_an_embedder_counts_as_it_says_it_speaks(twice: bool) -> None:
    trusted = Trusted({}, ENGLISH)
    assert trusted.weight("en", twice=twice) == VECTOR_WEIGHT
    assert trusted.weight("ja", twice=twice) == FOREIGN_VECTOR_WEIGHT


@pytest.mark.parametrize(
    ("measured", "spoken", "language", "understood"),
    [
        ({}, ENGLISH, "en", True),
        ({}, ENGLISH, "ja", False),
        ({}, frozenset[str](), "ja", True),
        ({"ja": 0.0}, frozenset[str](), "ja", False),
        ({"en": 0.0}, ENGLISH, "en", False),
        ({"en": 0.2}, ENGLISH, "en", True),
        ({"ja": 0.2}, ENGLISH, "ja", False),
    ],
)
def test_a_cosine_speaks_of_answers_where_the_embedder_says_so_and_was_not_found_wanting(
    measured: dict[str, float], spoken: frozenset[str], language: str, understood: bool
) -> None:
    assert Trusted(measured, spoken).understands(language) == understood


def test_a_question_in_no_language_that_can_be_told_is_as_likely_in_each_as_passages_are(
    index: Index, put: Callable[..., None]
) -> None:
    put(a="Text.")
    with writing(index.engine) as connection:
        generation = index.answering(connection)
        assert generation
        for one in (Trust("en", 1.0, 300, 120), Trust("ja", 0.0, 100, 120)):
            trust.put(connection, generation, one)
        assert trust.trusted(connection, generation, ENGLISH).weight("", twice=False) == 0.75
        trust.put(connection, generation, Trust("en", None, 300, 10))
        trusted = trust.trusted(connection, generation, ENGLISH)
    assert (trusted.weight("en", twice=False), trusted.weight("", twice=False)) == (VECTOR_WEIGHT, 0)


def test_a_search_orders_by_what_was_measured(index: Index, put: Callable[..., None]) -> None:
    put(gate="What is the gate code? It is 4711.", tea="What is the tea? It is green.")
    before = {hit.title: hit.score for hit in Searcher(index).search("What is green?", principal=SOMEBODY, k=2).hits}
    with reading(index.engine) as connection:
        generation = index.answering(connection)
    assert generation
    with writing(index.engine) as connection:
        trust.put(connection, generation, Trust("en", 0.0, 60, 120))
    found = Searcher(index).search("What is green?", principal=SOMEBODY, k=2)
    assert found.hits[0].score == 1
    assert before["tea"] > 1


def test_nothing_is_kept_of_a_generation_that_is_gone(index: Index) -> None:
    with writing(index.engine) as connection:
        gone = generations.add(connection, fingerprint="f", recipe="1", embedder="")
        trust.put(connection, gone, Trust("en", 1.0, 60, 120))
        assert trust.stored(connection, gone)
        generations.delete(connection, gone)
        assert trust.stored(connection, gone) == []
        trust.put(connection, gone, Trust("en", 1.0, 60, 120))
        assert trust.stored(connection, gone) == []
