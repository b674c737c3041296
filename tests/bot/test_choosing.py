"""What is told of the units of a search, and what comes with each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.choosing import EARNS, MOST_ITEMS, choose
from bot.clues import Clue
from bot.sentences import units
from retrieval.documents import Hit

LEAVE = "Leave is paid.\n\nTo request leave:\n\n1. Open the tool\n2. Fill in the form\n3. Send it\n\nAsk the desk if it fails."
KIT = "You get on your first day:\n\n- a laptop\n- a badge\n- a key\n\nAll of it stays ours."


def hit(text: str, document: str = "d") -> Hit:
    place = (document, f"{document}c", "T", (), "/t.md", "en", 1, None, 50, 50 + len(text), text)
    return Hit(*place, score=1.0, words=1.0, similarity=None)


def told(
    question: str,
    likely: Sequence[str],
    *texts: str,
    at_most: int = 3,
    shares: Sequence[float] = (),
    unwanted: str = "!",
) -> list[str]:
    """What is told where the units `likely` are the likeliest, best first; each text is a document."""
    hits = [hit(text, f"d{place}") for place, text in enumerate(texts)]
    hints = [Clue(place, unit, {}) for place, one in enumerate(hits) for unit in units(one.text, "en")]
    said = [hits[one.hit].text[one.unit.start : one.unit.end] for one in hints]
    shares = shares or [0.5**place for place in range(len(likely))]
    likelihoods = [shares[likely.index(text)] if text in likely else 1e-9 for text in said]
    pieces = choose(question, hints, likelihoods, hits, at_most, lambda text: unwanted in text)
    return [one.hit.text[one.start : one.end] for one in pieces]


LEAVE_LIST = LEAVE[LEAVE.index("To request") : LEAVE.index("\n\nAsk")]
KIT_LIST = KIT[: KIT.index("\n\nAll")]


@pytest.mark.parametrize("question", ["How do I request leave?", "休暇を申請する手順は？", "steps to request leave"])
def test_a_step_brings_its_whole_procedure(question: str) -> None:
    assert told(question, ["Fill in the form"], LEAVE, at_most=1) == [LEAVE_LIST]


def test_a_step_is_told_with_what_leads_in_where_no_procedure_is_asked_for() -> None:
    assert told("What is filled in for leave?", ["Fill in the form"], LEAVE) == [
        "To request leave:",
        "Fill in the form",
    ]


def test_a_procedure_in_second_place_stays_out_of_it() -> None:
    found = told("How do I get paid leave?", ["Leave is paid.", "Send it"], LEAVE)
    assert found == ["Leave is paid.\n\nTo request leave:", "Send it"]


def test_the_sentence_that_leads_in_brings_its_list() -> None:
    assert told("first day", ["You get on your first day:"], KIT, at_most=1) == [KIT_LIST]


@pytest.mark.parametrize(
    ("question", "whole"),
    [
        ("Which things do I get?", True),
        ("What are the things I get?", True),
        ("何がもらえますか。どんなものですか。", True),
        ("Do I get a badge?", False),
    ],
)
def test_several_items_bring_the_whole_list_where_all_are_asked_for(question: str, whole: bool) -> None:
    found = told(question, ["a badge", "a key"], KIT)
    assert found == ([KIT_LIST] if whole else ["You get on your first day:", "- a badge\n- a key"])
    assert told(question, ["a badge"], KIT) == ["You get on your first day:", "a badge"]


def test_a_long_list_is_not_told_whole() -> None:
    long = "To do it:\n" + "".join(f"{n}. step {n}\n" for n in range(1, MOST_ITEMS + 2))
    assert told("How do I do it?", ["step 2"], long) == ["To do it:", "step 2"]
    wordy = "To do it:\n" + "".join(f"{n}. step {n} {'word ' * 150}.\n" for n in range(1, 4))
    assert wordy not in told("How do I do it?", ["To do it:"], wordy)


def test_what_is_unwanted_comes_with_nothing() -> None:
    how = "How do I request leave?"
    assert told(how, ["Fill in the form"], LEAVE, unwanted="Open the tool") == ["To request leave:", "Fill in the form"]
    assert told(how, ["Fill in the form"], LEAVE, unwanted="To request") == ["Fill in the form"]


# --- sentences that lean on others -------------------------------------------------------------------------------------

BADGES = "The badge opens the door. It is renewed each year. The desk prints it. 期限は一年です。しかし延長できます。"


@pytest.mark.parametrize(
    ("sentence", "before"),
    [("It is renewed each year.", "The badge opens the door."), ("しかし延長できます。", "期限は一年です。")],
)
def test_a_sentence_that_points_back_brings_the_one_before_where_there_is_room(sentence: str, before: str) -> None:
    assert told("renewed", [sentence], BADGES) in ([f"{before} {sentence}"], [f"{before}{sentence}"])
    assert told("renewed", [sentence], BADGES, at_most=1) == [sentence]


def test_what_a_sentence_points_to_takes_nobodys_place() -> None:
    text = "The badge opens the door. It is renewed each year.\n\n# Desk\n\nAsk the desk.\n\n# Key\n\nKeep the key."
    likely = ["Ask the desk.", "It is renewed each year.", "Keep the key."]
    assert set(told("renewed", likely, text)) == set(likely)
    pair = "The badge opens the door. It is renewed each year."
    assert set(told("renewed", likely[:2], text)) == {pair, likely[0]}


def test_a_sentence_that_stands_alone_or_opens_its_paragraph_brings_none() -> None:
    assert told("desk", ["The desk prints it."], BADGES) == ["The desk prints it."]
    assert told("desk", ["It is new."], "The desk.\n\n## Printer\n\nIt is new.") == ["It is new."]


# --- what is one piece ------------------------------------------------------------------------------------------------


def test_neighbouring_steps_are_one_piece_with_their_marks() -> None:
    assert told("tool", ["Send it", "Fill in the form"], LEAVE)[1:] == ["2. Fill in the form\n3. Send it"]


def test_a_table_takes_no_prose() -> None:
    text = "| a | b |\n|---|---|\n| one | 1 |\n| two | 2 |\n\nIt is so."
    found = told("two", ["| two | 2 |", "It is so."], text)
    assert found == ["| a | b |", "| two | 2 |", "It is so."]


def test_documents_come_as_their_best_unit_ranks() -> None:
    assert told("so", ["Best.", "Next.", "First."], "First.\n\n# A\n\nNext.", "Best.") == ["Best.", "First.", "Next."]


# --- how many ---------------------------------------------------------------------------------------------------------


def test_what_is_far_less_likely_than_the_best_is_not_told() -> None:
    text = "One is so.\n\n# A\n\nTwo is so.\n\n# B\n\nThree is so."
    likely = ["One is so.", "Two is so.", "Three is so."]
    assert told("so", likely, text, shares=[0.9, 0.9 * EARNS, 0.8 * EARNS]) == likely[:2]
    assert told("so", likely, text, at_most=1) == likely[:1]


# --- contradictions ---------------------------------------------------------------------------------------------------

OLD = "The hotel cap in Bergen is NOK 1,900 a night."
REST = f"{OLD}\n\n# Meals\n\nMeals are paid.\n\n# Trains\n\nTrains are booked."


@pytest.mark.parametrize(
    ("new", "otherwise"),
    [
        ("The hotel cap in Bergen is NOK 2,100 a night.", True),
        ("In Bergen the hotel cap is EUR 190 a night.", True),
        ("The hotel cap in Bergen is not NOK 1,900 a night.", True),
        ("A hotel in Bergen is booked by the desk for 2,100 guests a year.", False),
        ("The hotel cap in Oslo is NOK 1,900 a night.", False),
        ("In Bergen the hotel cap is NOK 1,900 a night.", False),
    ],
)
def test_whoever_says_otherwise_in_another_document_is_told_before_others(new: str, otherwise: bool) -> None:
    likely = [OLD, "Meals are paid.", "Trains are booked.", new]
    found = told("hotel cap in Bergen", likely, REST, new)
    assert (new in found) is otherwise
    assert len(found) == 3


def test_one_document_may_say_two_things() -> None:
    other = "The hotel cap in Bergen is NOK 2,100 a night."
    likely = [OLD, "Meals are paid.", "Trains are booked.", other]
    assert other not in told("hotel cap in Bergen", likely, f"{REST}\n\n# A\n\n{other}")
