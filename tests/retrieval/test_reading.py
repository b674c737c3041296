"""Texts in a question's words."""

from __future__ import annotations

from retrieval.reading import LITERAL, Reading

READING = Reading({("pay", "leav"): ("年休",), ("leav",): ("休暇",), ("holiday",): ("休暇",)})


def test_a_phrase_brings_the_questions_terms_and_keeps_its_own() -> None:
    assert READING.read(["my", "pay", "leav", "today"]) == ["my", "pay", "leav", "年休", "today"]


def test_the_longest_phrase_counts_and_what_stands_within_it_does_not_count_again() -> None:
    assert READING.read(["pay", "leav", "leav"]) == ["pay", "leav", "年休", "leav", "休暇"]


def test_a_phrase_stands_where_its_terms_stand_side_by_side_and_nowhere_else() -> None:
    assert Reading({("pay", "leav"): ("年休",)}).read(["pay", "sick", "leav"]) == ["pay", "sick", "leav"]
    assert Reading({("pay", "leav"): ("年休",)}).read(["leav", "pay"]) == ["leav", "pay"]


def test_a_text_without_a_phrase_is_read_as_it_is() -> None:
    terms = ["the", "printer"]
    assert READING.read(terms) is terms
    assert LITERAL.read(terms) is terms
    assert not LITERAL


def test_it_tells_what_says_a_term_in_other_words() -> None:
    assert READING.sayings("休暇") == [("leav",), ("holiday",)]
    assert READING.sayings("printer") == []


def test_two_readings_together_read_as_either_does() -> None:
    joined = READING.joined(Reading({("holiday",): ("vacat",), ("trip",): ("travel",)}))
    assert joined.read(["holiday", "trip", "leav"]) == ["holiday", "休暇", "vacat", "trip", "travel", "leav", "休暇"]
