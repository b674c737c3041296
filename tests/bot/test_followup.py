from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.evidence import Evidence, Span
from bot.followup import Reading, focus, meant, read
from bot.store import Turn
from retrieval.documents import Hit
from retrieval.found import Found

LIMIT = "What is the hotel limit in Europe?"
BEFORE = [Turn(LIMIT, LIMIT, "180 EUR [1]", False)]


def queries(question: str, history: list[Turn] = BEFORE) -> list[str]:
    return [way.query for way in read(question, history).ways]


def test_a_first_question_stands_alone() -> None:
    readings = read("And in Asia?", [])
    assert readings.ways == (Reading("And in Asia?"),)
    assert not readings.leans


@pytest.mark.parametrize(
    "question",
    [
        "And in Asia?",
        "in Asia?",
        "What about Asia?",
        "No, in Asia",
        "I meant Asia.",
        "Sorry, Asia please",
        "not in Europe, in Asia",
    ],
)
def test_a_fragment_replaces_its_counterpart_in_the_question_before(question: str) -> None:
    readings = read(question, BEFORE)
    assert readings.ways[0].query == "What is the hotel limit in Asia?"
    assert readings.ways[0].must == {"asia"}
    assert readings.leans


@pytest.mark.parametrize(
    "question", ["いや、日本です", "いえ、日本では", "違います、日本です。", "では、日本の場合は？"]
)
def test_japanese_fragments_lose_the_words_around_them(question: str) -> None:
    assert queries(question) == [f"{LIMIT} 日本"]


def test_what_cannot_replace_anything_is_added() -> None:
    assert queries("And with breakfast?") == [f"{LIMIT} with breakfast"]


def test_a_bare_fragment_may_be_a_question_of_its_own() -> None:
    assert queries("VPN port?") == [f"{LIMIT} VPN port", "VPN port?"]


@pytest.mark.parametrize("question", ["Does it include breakfast?", "それはいつまでですか。"])
def test_a_question_that_says_little_and_points_back_is_never_taken_alone(question: str) -> None:
    assert queries(question) == [f"{LIMIT} {question}"]


@pytest.mark.parametrize(
    "question",
    [
        "Who signs the claim form for it in Finance?",
        "And which form do I send to Finance for a claim?",
        "What is Kujira?",
    ],
)
def test_between_a_question_alone_and_with_the_one_before_the_evidence_decides(question: str) -> None:
    readings = read(question, BEFORE)
    assert queries(question) == [f"{LIMIT} {question}", question]
    assert readings.best


@pytest.mark.parametrize(
    "question",
    [
        "How many vacation days do new employees receive?",
        "Is there a trial of Tideboard for customers?",
        "社用車を返すとき、ガソリンはどのくらい減っていたら入れるべきですか。",
    ],
)
def test_another_subject_stands_alone_and_the_former_counts_only_for_what_speaks_to_it(question: str) -> None:
    readings = read(question, BEFORE)
    alone, together = readings.ways
    assert alone == Reading(question)
    assert together.query == f"{LIMIT} {question}"
    assert together.share > 0.5
    assert not readings.leans


SAID = st.text(min_size=1, max_size=80).filter(str.strip)


@given(SAID, SAID)
def test_any_question_after_any_other_has_a_reading(question: str, before: str) -> None:
    readings = read(question, [Turn(before, before, "", False)])
    assert readings.ways
    assert all(way.query.strip() for way in readings.ways)


# --- what the answer must hold ----------------------------------------------------------------------------------------


def hit(text: str) -> Hit:
    return Hit(
        document_id="d", chunk_id="c", title="Travel", heading=(), address="travel.md", language="en", line=1, page=None,
        start=0, end=len(text), text=text, score=1.0, words=1.0, similarity=None,
    )  # fmt: skip


CAPS = hit("Bergen: 190 EUR. Oslo: 210 EUR. 父母: 5万円.")
FOUND = Found((CAPS,), lambda _: 1.0)


def evidence(text: str, score: float = 0.9) -> Evidence:
    start = CAPS.text.index(text)
    return Evidence((Span(CAPS, start, start + len(text), 1.0),), score)


def test_of_the_two_that_counts_which_says_more_of_what_is_new() -> None:
    together, alone = evidence("Bergen: 190 EUR."), evidence("Oslo: 210 EUR.", 0.2)
    focused = focus(together, alone, Reading("?", own="in Oslo"), FOUND)
    assert focused.spans == alone.spans
    assert focused.score == together.score


def test_passages_that_do_not_hold_a_new_name_are_no_evidence() -> None:
    both = evidence("Bergen: 190 EUR."), evidence("Bergen: 190 EUR.")
    assert focus(*both, Reading("?", own="in Paris", must=frozenset({"pari"})), FOUND) == Evidence((), 0.0)
    assert focus(*both, Reading("?", own="in Oslo", must=frozenset({"oslo"})), FOUND).score == 0.9


def test_passages_that_hold_too_little_of_a_new_question_are_no_evidence() -> None:
    both = evidence("Bergen: 190 EUR."), evidence("Bergen: 190 EUR.")
    assert focus(*both, Reading("?", own="canteen soup price", share=0.5), FOUND) == Evidence((), 0.0)
    assert focus(*both, Reading("?", own="Oslo EUR", share=0.5), FOUND).score == 0.9


def test_a_kanji_counts_within_a_longer_word() -> None:
    both = evidence("父母: 5万円."), evidence("父母: 5万円.")
    assert focus(*both, Reading("?", own="父", share=0.5), FOUND).score == 0.9


def test_a_short_question_with_words_of_its_own_needs_one_of_them_in_a_passage() -> None:
    pension = "ノルウェーの年金は何％ですか"
    together = read("寮費はいくら？", [Turn(pension, pension, "6% [1]", False)]).ways[0]
    both = evidence("Oslo: 210 EUR."), evidence("Oslo: 210 EUR.")
    assert focus(*both, together, FOUND) == Evidence((), 0.0)
    assert focus(*both, read("How much EUR?", BEFORE).ways[0], FOUND).score == 0.9


def test_why_goes_on_from_the_answer_before() -> None:
    both = evidence("Oslo: 210 EUR."), evidence("Oslo: 210 EUR.")
    assert focus(*both, read("why?", BEFORE).ways[0], FOUND).score == 0.9


def test_words_of_different_passages_say_nothing_together() -> None:
    first, second = replace(CAPS, chunk_id="1", text="business days"), replace(CAPS, chunk_id="2", text="cards")
    spans = tuple(Span(one, 0, len(one.text), 1.0) for one in (first, second))
    both = Evidence(spans, 0.9)
    reading = Reading("?", own="business cards", share=0.6)
    assert focus(both, both, reading, Found((first, second), lambda _: 1.0)) == Evidence((), 0.0)


# --- long texts and long threads --------------------------------------------------------------------------------------


def test_asking_why_again_and_again_does_not_lengthen_what_is_searched_for() -> None:
    history = list(BEFORE)
    for _ in range(4):
        history.append(Turn("why?", read("why?", history).ways[0].query, "", False))
    assert history[-1].query == f"{LIMIT} why?"


def test_what_was_added_to_a_question_is_left_behind_by_the_next() -> None:
    added = Turn("And with breakfast?", f"{LIMIT} with breakfast", "", False)
    assert queries("And with lunch?", [*BEFORE, added]) == [f"{LIMIT} with lunch"]


def test_a_name_that_was_put_into_a_question_is_no_addition() -> None:
    put_in = Turn("Asia?", "What is the hotel limit in Asia?", "", False)
    assert queries("And in Africa?", [*BEFORE, put_in]) == ["What is the hotel limit in Africa?"]


@pytest.mark.parametrize("question", ["a" + " " * 3990 + "b", "?" * 3990 + "b", "not " * 1000, "a" * 4000])
def test_long_runs_in_a_question_are_read(question: str) -> None:
    assert read(question, BEFORE).ways
    assert meant(question)
