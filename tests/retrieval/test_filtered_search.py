"""Searches that are narrowed by filters, and ordered by age and source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from retrieval import authority, candidates
from retrieval.access import Readers
from retrieval.database import writing
from retrieval.filters import Filters
from retrieval.index import Index
from retrieval.preference import Preference
from retrieval.search import Searcher
from tests.retrieval.conftest import ALL, HR, IN_HR, SOMEBODY, prepared

TODAY = date(2026, 6, 1)
HOTELS, HOTELS_TOO = "Hotels of the north cost little.", "Some old hotels near the station are quite loud."
Add = Callable[..., None]


@pytest.fixture
def add(index: Index) -> Add:
    """Put a document into a source, which is made if it is new."""
    ids = {"docs": 1}

    def add(
        name: str,
        text: str,
        *,
        source: str = "docs",
        language: str = "en",
        dated: date | None = None,
        readers: Readers = ALL,
    ) -> None:
        if source not in ids:
            with writing(index.engine) as connection:
                ids[source] = authority.put_source(connection, source, f"/{source}", readers)
        made = prepared(f"{name}.md", text, readers)
        index.put(ids[source], [replace(made, document=replace(made.document, language=language, dated=dated))])

    return add


def titles(searcher: Searcher, query: str, filters: Filters, principal: object = SOMEBODY, k: int = 10) -> list[str]:
    return [hit.title for hit in searcher.search(query, principal=principal, k=k, filters=filters).hits]  # type: ignore[arg-type]


def test_only_documents_that_fit_every_part_of_a_filter_are_found(add: Add, searcher: Searcher) -> None:
    add("old", "Hotels cost at most 180 EUR.", dated=date(2024, 12, 31))
    add("new", "Hotels cost at most 190 EUR.", dated=date(2025, 1, 1))
    add("ja", "ホテル hotels は 200 EUR まで。", language="ja", dated=date(2025, 6, 1))
    add("wiki", "Hotels cost at most 170 EUR.", source="Wiki", dated=date(2025, 6, 1))
    add("undated", "Hotels cost whatever.")
    everything = {"old", "new", "ja", "wiki", "undated"}
    assert set(titles(searcher, "hotels", Filters())) == everything
    assert set(titles(searcher, "hotels", Filters(after=date(2025, 1, 1)))) == {"new", "ja", "wiki"}
    assert set(titles(searcher, "hotels", Filters(before=date(2025, 1, 1)))) == {"old"}
    assert titles(searcher, "hotels", Filters(languages=frozenset({"ja"}))) == ["ja"]
    assert set(titles(searcher, "hotels", Filters(languages=frozenset({"en", "ja"})))) == everything
    assert titles(searcher, "hotels", Filters(sources=frozenset({"wiki"}))) == ["wiki"]
    both = Filters(sources=frozenset({"docs"}), languages=frozenset({"en"}), after=date(2025, 1, 1))
    assert titles(searcher, "hotels", both) == ["new"]


@pytest.mark.parametrize(
    ("name", "typed"),
    [("Über uns", "über UNS"), ("Straße", "STRASSE"), ("ｗｉｋｉ", "Wiki"), ("ガイド", "ｶﾞｲﾄﾞ"), ("Éire", "E\u0301IRE")],
)
def test_a_source_is_found_by_its_name_in_any_case_and_width(
    add: Add, searcher: Searcher, name: str, typed: str
) -> None:
    add("one", "Hotels cost at most 180 EUR.", source=name)
    add("two", "Hotels cost at most 190 EUR.")
    assert titles(searcher, "hotels", Filters(sources=frozenset({typed}))) == ["one"]
    assert titles(searcher, "hotels", Filters(sources=frozenset({"docs"}))) == ["two"]


def test_a_hit_says_what_day_its_document_is_of(add: Add, searcher: Searcher) -> None:
    add("new", "Hotels cost at most 190 EUR.", dated=date(2025, 1, 1))
    add("undated", "Trains are second class.")
    found = searcher.search("hotels trains", principal=SOMEBODY, k=2).hits
    assert {hit.title: hit.dated for hit in found} == {"new": date(2025, 1, 1), "undated": None}


def test_a_source_that_may_not_be_read_looks_like_one_that_is_not_there(add: Add, searcher: Searcher) -> None:
    add("travel", "Hotels cost at most 180 EUR.")
    add("pay", "Hotels are paid in April.", source="payroll", readers=HR)
    hidden = searcher.search("hotels", principal=SOMEBODY, k=5, filters=Filters(sources=frozenset({"payroll"})))
    missing = searcher.search("hotels", principal=SOMEBODY, k=5, filters=Filters(sources=frozenset({"nothing"})))
    assert (
        (hidden.hits, hidden.rarity("hotel"))
        == (missing.hits, missing.rarity("hotel"))
        == ((), missing.rarity("hotel"))
    )
    assert titles(searcher, "hotels", Filters(sources=frozenset({"payroll"})), IN_HR) == ["pay"]


def test_rarity_stays_that_of_all_that_may_be_read(add: Add, searcher: Searcher) -> None:
    add("one", "Hotels cost at most 180 EUR.")
    add("two", "Hotels are booked by the office.", source="wiki")
    narrowed = searcher.search("hotels", principal=SOMEBODY, k=5, filters=Filters(sources=frozenset({"wiki"})))
    assert narrowed.rarity("hotel") == searcher.search("hotels", principal=SOMEBODY, k=5).rarity("hotel")


@pytest.mark.parametrize("few", [0, 500], ids=["by growing numbers of neighbours", "one by one"])
def test_what_fits_is_found_however_many_nearer_ones_do_not(
    add: Add, searcher: Searcher, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(candidates, "FEW", few)
    monkeypatch.setattr(candidates, "VECTOR_CANDIDATES", 2)
    monkeypatch.setattr(candidates, "WORD_CANDIDATES", 2)
    monkeypatch.setattr(candidates, "GROWTH", 2)
    for number in range(30):
        add(f"near{number}", f"The gate code of door {number} is 4711.")
    for number in range(3):
        add(f"far{number}", f"A gate is mentioned here beside much else, part {number}.", source="wiki")
    hits = searcher.search("gate code door", principal=SOMEBODY, k=5, filters=Filters(frozenset({"wiki"}))).hits
    assert {hit.title for hit in hits} <= {"far0", "far1", "far2"}
    assert len([hit for hit in hits if hit.similarity is not None]) == 2
    assert len([hit for hit in hits if hit.words > 0]) >= 2
    unnarrowed = searcher.search("gate code door", principal=SOMEBODY, k=40, without=()).hits
    assert {hit.title for hit in unnarrowed}.isdisjoint({"far0", "far1", "far2"})


def test_both_ways_to_the_nearest_vectors_find_the_same(
    add: Add, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        add(f"n{number}", f"Door {number} of gate {number % 7}.", source=("docs", "wiki")[number % 2])
    add("pay", "The gate of payroll.", readers=HR)
    filters = Filters(sources=frozenset({"wiki", "docs"}), languages=frozenset({"en"}))

    def similarities(filters: Filters) -> dict[str, float | None]:
        hits = searcher.search("gate 3 door 5", principal=IN_HR, k=50, filters=filters).hits
        return {hit.title: hit.similarity for hit in hits}

    one_by_one = similarities(filters)
    monkeypatch.setattr(candidates, "FEW", 0)
    assert len(one_by_one) == 41
    assert similarities(filters) == pytest.approx(one_by_one, abs=1e-6)
    assert similarities(Filters()) == pytest.approx(one_by_one, abs=1e-6)  # all documents fit


def test_documents_left_out_of_a_filtered_search_are_not_found(add: Add, searcher: Searcher) -> None:
    add("one", "Hotels cost at most 180 EUR.")
    add("two", "Hotels are booked by the office.")
    filters = Filters(languages=frozenset({"en"}))
    ids = {hit.title: hit.document_id for hit in searcher.search("hotels", principal=SOMEBODY, k=2).hits}
    found = searcher.search("hotels", principal=SOMEBODY, k=2, filters=filters, without={ids["one"]}).hits
    assert [hit.title for hit in found] == ["two"]


@pytest.mark.parametrize("name", ["'; DROP TABLE chunks; --", "%", "*", "docs' OR '1'='1"])
def test_a_name_in_a_filter_is_never_a_piece_of_sql(add: Add, searcher: Searcher, name: str) -> None:
    add("one", "Hotels cost at most 180 EUR.")
    assert titles(searcher, "hotels", Filters(sources=frozenset({name}))) == []
    assert titles(searcher, "hotels", Filters()) == ["one"]


def test_of_two_alike_the_younger_comes_first_where_age_counts(add: Add, index: Index) -> None:
    add("a", HOTELS, dated=date(2019, 1, 1))
    add("b", HOTELS_TOO, dated=date(2026, 1, 1))
    young = Searcher(index, preference=Preference(half_life_days=365), today=lambda: TODAY)
    assert titles(Searcher(index), "hotels", Filters()) == ["a", "b"]
    assert titles(young, "hotels", Filters()) == ["b", "a"]


def test_of_two_alike_the_one_of_the_better_source_comes_first(add: Add, index: Index) -> None:
    add("a", HOTELS)
    add("b", HOTELS_TOO, source="wiki")
    preferring = Searcher(index, preference=Preference(weights={"wiki": 1.5}))
    assert titles(Searcher(index), "hotels", Filters()) == ["a", "b"]
    assert titles(preferring, "hotels", Filters()) == ["b", "a"]
    assert titles(preferring, "hotels", Filters(), k=1) == ["b"]


def test_weights_of_one_and_no_half_life_change_nothing_at_all(add: Add, index: Index) -> None:
    add("a", "Hotels cost at most 180 EUR.", dated=date(2019, 1, 1))
    add("b", "Hotels and trains.", source="wiki")
    plain = Searcher(index).search("hotels", principal=SOMEBODY, k=5)
    same = Searcher(index, preference=Preference(0.0, {"wiki": 1.0})).search("hotels", principal=SOMEBODY, k=5)
    assert same.hits == plain.hits
