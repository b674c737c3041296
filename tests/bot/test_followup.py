from __future__ import annotations

import pytest

from bot.followup import queries
from bot.store import Turn

BEFORE = [Turn("What is the hotel limit?", "What is the hotel limit?", "180 EUR [1]", False)]


def test_a_first_question_stands_alone() -> None:
    assert queries("And in Asia?", []) == ["And in Asia?"]


@pytest.mark.parametrize("question", ["And in Asia?", "Does it include breakfast?", "それはいつまでですか。", "Asia?"])
def test_a_question_that_leans_on_the_one_before_is_searched_with_it(question: str) -> None:
    assert queries(question, BEFORE) == [f"What is the hotel limit? {question}", question]


def test_a_question_of_its_own_is_tried_alone_first() -> None:
    question = "How many vacation days do new employees receive?"
    assert queries(question, BEFORE) == [question, f"What is the hotel limit? {question}"]
