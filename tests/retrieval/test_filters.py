from __future__ import annotations

from datetime import date

import pytest

from retrieval.errors import BadFilter
from retrieval.filters import NO_FILTERS, Filters, read_day, read_filters


@pytest.mark.parametrize(
    ("typed", "left", "filters"),
    [
        ("remote work source:handbook", "remote work", Filters(sources=frozenset({"handbook"}))),
        ('source:"People team" remote work', "remote work", Filters(sources=frozenset({"People team"}))),
        ("remote source:a work source:b", "remote work", Filters(sources=frozenset({"a", "b"}))),
        ("有給は何日？ source：手引き lang：ja", "有給は何日？", Filters(frozenset({"手引き"}), frozenset({"ja"}))),
        ("有給　source:「人事 規程」　の日数", "有給　の日数", Filters(sources=frozenset({"人事 規程"}))),
        ("leave LANG:EN", "leave", Filters(languages=frozenset({"en"}))),
        ("leave after:2025-01-31", "leave", Filters(after=date(2025, 1, 31))),
        ("leave after:2025-1", "leave", Filters(after=date(2025, 1, 1))),
        ("leave after:２０２５ before:2026", "leave", Filters(after=date(2025, 1, 1), before=date(2026, 1, 1))),
        ("leave after:2024 after:2025", "leave", Filters(after=date(2025, 1, 1))),
        ("What is leave, in source:handbook?", "What is leave, in", Filters(sources=frozenset({"handbook"}))),
        ("one\nlang:ja\ntwo", "one\ntwo", Filters(languages=frozenset({"ja"}))),
        ("source:handbook", "", Filters(sources=frozenset({"handbook"}))),
        ("leave source:v1.2、 now", "leave now", Filters(sources=frozenset({"v1.2"}))),
        ("leave source:??", "leave", Filters(sources=frozenset({"?"}))),
    ],
)
def test_filters_are_read_out_of_a_question(typed: str, left: str, filters: Filters) -> None:
    assert read_filters(typed) == (left, filters)


@pytest.mark.parametrize(
    "typed",
    [
        "see http://source:80/ and E:4",
        "time: 9:00",
        "source: handbook",
        "resource:handbook",
        "(source:handbook)",
        "what does `lang:ja` do",
        'what does "after:2025 lang:xx" mean',
        "「lang:ja」とは",
        'an open " quotation mark and resource:x',
        "  spaces   stay  ",
        "",
    ],
)
def test_everything_else_with_a_colon_is_text(typed: str) -> None:
    assert read_filters(typed) == (typed, NO_FILTERS)


@pytest.mark.parametrize(
    ("typed", "allowed"),
    [
        ("leave after:2025-02-31", "after:2025-01-31, after:2025-01 or after:2025"),
        ("leave before:yesterday", "before:2025-01-31, before:2025-01 or before:2025"),
        ("leave after:0000", "after:2025"),
        ("leave lang:xx", "lang:en or lang:ja"),
        ("leave lang:english", "lang:en or lang:ja"),
        ("leave after:2026 before:2025", "the first day that counts"),
        ("leave after:2025 before:2025", "the first day that counts"),
    ],
)
def test_what_no_document_can_fit_is_refused_with_what_is_allowed(typed: str, allowed: str) -> None:
    with pytest.raises(BadFilter, match=allowed) as refused:
        read_filters(typed)
    assert str(refused.value).endswith(".")


def test_filters_from_two_places_are_any_of_all_names_and_the_narrower_span() -> None:
    one = Filters(frozenset({"a"}), frozenset({"ja"}), date(2024, 1, 1), date(2026, 1, 1))
    other = Filters(frozenset({"b"}), after=date(2025, 1, 1))
    assert one & other == Filters(frozenset({"a", "b"}), frozenset({"ja"}), date(2025, 1, 1), date(2026, 1, 1))
    assert NO_FILTERS & one == one
    with pytest.raises(BadFilter):
        _ = other & Filters(before=date(2024, 1, 1))


def test_filters_are_shown_as_they_are_typed() -> None:
    filters = Filters(frozenset({"b", "People team"}), frozenset({"ja"}), date(2025, 1, 31))
    assert str(filters) == 'source:"People team" source:b lang:ja after:2025-01-31'
    assert read_filters(f"leave {filters}") == ("leave", filters)
    assert (str(NO_FILTERS), bool(NO_FILTERS), bool(filters)) == ("", False, True)


def test_a_day_by_itself_is_read_like_one_in_a_question() -> None:
    assert read_day("after", "2024-02-29") == date(2024, 2, 29)
    with pytest.raises(BadFilter, match="after:2023-02-29 names no day"):
        read_day("after", "2023-02-29")


def test_a_long_text_of_signs_is_read_quickly() -> None:
    assert read_filters("source:" + "?" * 4_000 + "x")[0] == ""
    assert read_filters("source:" + "?" * 100_000 + '"')[1] == NO_FILTERS
    assert read_filters(" source:" * 20_000)[1] == NO_FILTERS
    assert read_filters("source:" + "a." * 50_000)[1] == Filters(sources=frozenset({"a." * 49_999 + "a"}))
    assert read_filters("「" * 4_000)[1] == NO_FILTERS
