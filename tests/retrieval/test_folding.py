from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from retrieval.documents import Hit
from retrieval.folding import MOST_ALSO, fold, holds

POLICY = (
    "Employees book hotels in the travel portal before they leave. The limit is 180 EUR a night, breakfast included."
    " You may not book a suite without the approval of your manager. Receipts go to finance by the end of the month."
)
POLICY_JA = (
    "出張の宿泊は旅行ポータルで予約してください。上限は一泊12,000円です。上長の承認がない場合、予約は取り消せます。"
)


def hit(text: str, document: str, *, heading: tuple[str, ...] = ("Hotels",), title: str = "Travel") -> Hit:
    return Hit(
        document, f"c-{document}", title, heading, f"/{document}", "en", 1, None, 0, len(text), text, 1.0, 1.0, None
    )


def documents(*hits: Hit) -> list[tuple[str, list[str]]]:
    return [(one.document_id, [copy.document_id for copy in one.also]) for one in fold(hits)]


def test_a_copy_is_told_beside_the_better_one() -> None:
    assert documents(hit(POLICY, "a"), hit("Something else.", "b"), hit(POLICY, "c")) == [("a", ["c"]), ("b", [])]


@pytest.mark.parametrize(
    "copy",
    [
        POLICY.upper(),
        POLICY.replace(". ", ".\n\n"),
        POLICY.replace("180", "１８０"),
        POLICY.replace(" before they leave", ""),
    ],
    ids=["case", "lines", "width", "a clause less"],
)
def test_a_copy_may_look_otherwise_or_say_a_little_less(copy: str) -> None:
    assert documents(hit(POLICY, "a"), hit(copy, "b")) == [("a", ["b"])]


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (POLICY, "180", "210"),
        (POLICY, "may not", "may"),
        (POLICY, "suite", "cottage"),
        (POLICY, "before", "after"),
        (POLICY, "without", "with"),
        (POLICY, "finance", "finance@example.com"),
        (POLICY_JA, "12,000", "15,000"),
        (POLICY_JA, "取り消せます", "取り消せません"),
        (POLICY_JA, "承認がない", "承認がある"),
    ],
)
def test_texts_that_differ_in_what_they_say_both_stay(text: str, old: str, new: str) -> None:
    other = text.replace(old, new)
    assert other != text
    assert documents(hit(text, "a"), hit(other, "b")) == [("a", []), ("b", [])]
    assert documents(hit(other, "b"), hit(text, "a")) == [("b", []), ("a", [])]


def test_numbers_that_change_places_are_two_statements() -> None:
    one = "The limit in Tokyo is 180 EUR and the limit in Osaka is 120 EUR. Ask the travel desk if you need more than that."
    other = one.replace("180", "x").replace("120", "180").replace("x", "120")
    assert documents(hit(one, "a"), hit(other, "b")) == [("a", []), ("b", [])]


def test_what_says_more_than_the_better_one_stays() -> None:
    assert documents(hit(POLICY, "a"), hit(POLICY + " The desk helps with visas.", "b")) == [("a", []), ("b", [])]


def test_the_same_words_under_another_heading_say_another_thing() -> None:
    first, second = hit(POLICY, "a", heading=("Germany",)), hit(POLICY, "b", heading=("France",))
    assert documents(first, second) == [("a", []), ("b", [])]


def test_a_copy_may_have_another_title() -> None:
    first = hit(POLICY, "a", heading=("Travel 2023", "Hotels"), title="Travel 2023")
    second = hit(POLICY, "b", heading=("Travel 2024", "Hotels"), title="Travel 2024")
    assert documents(first, second) == [("a", ["b"])]


def test_a_text_repeated_in_one_document_is_shown_once_and_names_no_other_place() -> None:
    assert documents(hit(POLICY, "a"), replace(hit(POLICY, "a"), start=900, end=900 + len(POLICY))) == [("a", [])]


def test_a_text_that_stands_everywhere_names_a_few_places() -> None:
    (one,) = fold([hit(POLICY, str(number)) for number in range(40)])
    assert [copy.document_id for copy in one.also] == ["1", "2", "3", "4", "5"]
    assert len(one.also) == MOST_ALSO


def test_what_was_folded_before_stays_known() -> None:
    assert documents(*fold([hit(POLICY, "a"), hit(POLICY, "b")]), hit(POLICY, "c")) == [("a", ["b", "c"])]


def test_a_text_without_words_is_folded_only_into_the_same() -> None:
    assert documents(hit("!?", "a"), hit("…", "b"), hit("!?", "c")) == [("a", ["c"]), ("b", [])]


def test_a_quote_stands_in_a_copy_with_other_spaces() -> None:
    assert holds("The limit\nis  180 EUR.", "limit is 180 eur")
    assert not holds("The limit is 180 EUR.", "limit is 210 EUR")


def test_of_equal_copies_the_youngest_stays() -> None:
    old, new, undated = (
        replace(hit(POLICY, name), dated=dated)
        for name, dated in (("old", date(2021, 4, 1)), ("new", date(2024, 4, 1)), ("undated", None))
    )
    assert documents(undated, old, new) == [("new", ["old", "undated"])]
    assert documents(replace(old, score=2.0), new) == [("old", ["new"])]
