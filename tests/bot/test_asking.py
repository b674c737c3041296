"""What a question asks for."""

from __future__ import annotations

import pytest

from bot.asking import KIN, Asked, read_question


def asked(question: str) -> Asked:
    return read_question(question, lambda _term: 1.0)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When is the deadline?", "time"),
        ("What day is the audit?", "time"),
        ("How many days may I work at home?", "number"),
        ("What is the maximum for a hotel?", "number"),
        ("Who approves travel?", "name"),
        ("Why was the server moved?", "reason"),
        ("Tell me about remote work.", ""),
        ("締切はいつですか。", "time"),
        ("宿泊費の上限を教えてください。", "number"),
        ("誰が承認しますか。", "name"),
        ("なぜ移転したのですか。", "reason"),
    ],
)
def test_a_question_says_what_kind_of_thing_it_asks_for(question: str, kind: str) -> None:
    assert asked(question).kind == kind


def test_a_word_of_the_same_family_counts_for_less_than_the_word() -> None:
    held = asked("partnership").held
    assert held(["partnership"]) == {"partnership": 1.0}
    assert held(["partner"]) == {"partnership": KIN}
    assert held(["part", "parting", "apart"]) == {}


def test_short_words_have_no_family() -> None:
    assert asked("cart").held(["cartoon"]) == {}
    assert asked("carton").held(["cart"]) == {}


def test_what_is_named_and_not_held_is_missing() -> None:
    question = asked("Which hotel is near Bergen and Oslo?")
    assert question.unnamed(["bergen", "oslo"]) == 0.0
    assert question.unnamed(["bergen", "hotel"]) == pytest.approx(0.5)
    assert question.unnamed([]) == 1.0
    assert asked("where is the hotel?").unnamed([]) == 0.0


@pytest.mark.parametrize(
    ("question", "focus"),
    [
        ("In which city was the congress held?", {"citi", "congress"}),
        ("What did she find?", {"find"}),
        ("彼の出身地はどこですか。", {"出身", "身地"}),
        ("最初の作品は何という雑誌に載りましたか。", {"作品", "雑誌"}),
        ("Tell me about hotels.", set()),
    ],
)
def test_what_stands_beside_the_interrogative_is_in_focus(question: str, focus: set[str]) -> None:
    assert asked(question).focus == focus


def test_the_last_third_is_what_is_asked_of_the_subject() -> None:
    assert asked("Lighthouse client version license cost refund").tail == {"cost", "refund"}
    assert asked("hotel").tail == {"hotel"}


def test_a_part_of_the_question_is_held_by_weight() -> None:
    question = asked("hotel cap Bergen")
    assert question.part({"hotel", "cap"}, {"hotel": 1.0, "bergen": 1.0}) == 0.5
    assert question.part(set(), {"hotel": 1.0}) == 0.0


def test_a_word_that_was_taken_for_another_counts_as_its_kin() -> None:
    asked = read_question("may I export the report", lambda _term: 1.0, ["export"])
    assert asked.held(["export", "report"]) == {"export": KIN, "report": 1.0}
