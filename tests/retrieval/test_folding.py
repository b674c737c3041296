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
        POLICY.removesuffix(" Receipts go to finance by the end of the month."),
        POLICY.removeprefix("Employees book hotels in the travel portal before they leave. "),
    ],
    ids=["case", "lines", "width", "less at the end", "less at the beginning"],
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
        (POLICY, "180", "18⁰"),
        (POLICY, " before they leave", ""),
        (POLICY, "The limit is 180 EUR a night, breakfast included. ", ""),
        (POLICY, "Employees book hotels", "Hotels book employees"),
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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "Contractors are paid monthly and employees are paid weekly.",
            "Employees are paid monthly and contractors are paid weekly.",
        ),
        ("Tokyo reports to Osaka.", "Osaka reports to Tokyo."),
        ("Tokyo. Ask Ito. Osaka. Ask Sato.", "Tokyo. Ask Sato. Osaka. Ask Ito."),
        ("Tokyo. Ask Ito. Osaka. Ask Sato.", "Tokyo. Ask Sato."),
    ],
)
def test_roles_that_change_places_are_two_statements(one: str, other: str) -> None:
    page = (
        "{} "
        + "The payroll desk of the head office answers all other questions about pay by mail or by telephone. " * 6
    )
    assert documents(hit(page.format(one), "a"), hit(page.format(other), "b")) == [("a", []), ("b", [])]


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        (POLICY, " Suites are never paid."),
        (POLICY, " Since 2024 interns book with the desk."),
        (POLICY, " The form is at travel/forms.html."),
        (POLICY_JA, "海外は除きます。"),
    ],
)
def test_what_the_better_one_may_take_back_stays(text: str, ending: str) -> None:
    assert documents(hit(text + ending, "a"), hit(text, "b")) == [("a", []), ("b", [])]


def test_a_japanese_copy_may_lack_the_last_sentence() -> None:
    assert documents(hit(POLICY_JA + "担当は総務です。", "a"), hit(POLICY_JA, "b")) == [("a", ["b"])]


@pytest.mark.parametrize("run", ["x", "x_", "_", "-", "x-", "1", "あ", "n'", ". ", "。", ".", "@"])
def test_long_runs_of_one_character_are_read(run: str) -> None:
    texts = [hit(f"Name {name}. " + run * (20_000 // len(run)), name) for name in "abcd"]
    assert documents(*texts, texts[0]) == [(name, []) for name in "abcd"]
    assert documents(*texts, replace(texts[0], document_id="e"))[0] == ("a", ["e"])
    longer = hit(texts[0].text + ". " + run * 10_000, "longer")
    assert documents(longer, texts[0])[0][0] == "longer"


def test_filled_in_forms_all_stay() -> None:
    forms = [
        hit("Pay this invoice to the account named below. " * 45 + f"The sum is {number} EUR. Thank you.", str(number))
        for number in range(300)
    ]
    assert documents(*forms) == [(str(number), []) for number in range(300)]


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


def test_the_copies_of_a_copy_are_named_too() -> None:
    (pair,) = fold([hit(POLICY, "b"), hit(POLICY, "c")])
    assert documents(replace(hit(POLICY, "a"), score=2.0), pair) == [("a", ["b", "c"])]


def test_a_text_without_words_is_folded_only_into_the_same() -> None:
    assert documents(hit("!?", "a"), hit("…", "b"), hit("!?", "c")) == [("a", ["c"]), ("b", [])]


def test_a_quote_stands_in_a_copy_with_other_spaces() -> None:
    assert holds("The limit\nis  180 EUR.", "limit is 180 eur")
    assert not holds("The limit is 180 EUR.", "limit is 210 EUR")
    assert holds("上限は１２０ＥＵＲです。ｶﾞｲﾄﾞ", "上限は120EURです。ガイド")
    assert not holds("The limit is 10² m.", "limit is 102 m")


def test_of_equal_copies_the_youngest_stays() -> None:
    old, new, undated = (
        replace(hit(POLICY, name), dated=dated)
        for name, dated in (("old", date(2021, 4, 1)), ("new", date(2024, 4, 1)), ("undated", None))
    )
    assert documents(undated, old, new) == [("new", ["old", "undated"])]
    assert documents(replace(old, score=2.0), new) == [("old", ["new"])]
