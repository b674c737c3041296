"""Which words count as misspelt, and what they are taken for."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.spelling import distance, guesses, respelt, spelt
from retrieval.terms import terms

KNOWN = {"passphras": 9, "hotel": 12, "receipt": 5, "reimburs": 3, "expert": 2, "claim": 4, "chain": 4, "night": 1}


def guessed(question: str, known: Mapping[str, int] = KNOWN) -> dict[str, str]:
    unknown = {term for term in terms(question) if term not in known}

    def vocabulary(beginning: str, shortest: int, longest: int) -> dict[str, int]:
        return {
            term: count
            for term, count in known.items()
            if term.startswith(beginning) and shortest <= len(term) <= longest
        }

    return guesses(question, unknown, vocabulary)


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("how long must a pasphrase be", {"pasphrase": "passphras"}),
        ("which hotle is cheap", {"hotle": "hotel"}),
        ("I lost a reciept.", {"reciept": "receipt"}),
        ("the hootel, please", {"hootel": "hotel"}),
        ("is it rembursd?", {"rembursd": "reimburs"}),  # two slips, in a long word
        ("may I export it?", {"export": "expert"}),
    ],
)
def test_a_word_with_a_slip_is_taken_for_its_nearest_neighbour(question: str, meant: dict[str, str]) -> None:
    assert guessed(question) == meant


@pytest.mark.parametrize(
    "question",
    [
        "hotels claim receipts",  # all known
        "who is Hotle?",  # a name
        "HOTLE",
        "what is hotle-x",  # identifiers
        "open hotle.txt and hotle_2 on @hotle",
        "hotle2",
        "nigt",  # too short
        "is the otel good",  # another first letter
        "the htoell",  # two slips in a short word
        "クレームはhotleですか。"[:4],
        "clain",  # as near to claim as to chain
    ],
)
def test_what_may_be_meant_as_it_is_written_is_left_alone(question: str) -> None:
    assert guessed(question) == {}


def test_only_the_first_unknown_words_are_looked_at_and_the_vocabulary_is_read_once_for_each_first_letter() -> None:
    known = {"reciept": "receipt", "hotle": "hotel", "nigth": "night", "rembursd": "reimburs"}
    asked: list[tuple[str, int, int]] = []

    def vocabulary(beginning: str, shortest: int, longest: int) -> dict[str, int]:
        asked.append((beginning, shortest, longest))
        return KNOWN

    question = " ".join([*known, "reciept", "others", "others", "unrelated", "passphrese", "hotle"])
    unknown = set(terms(question))
    assert guesses(question, unknown, vocabulary) == known
    assert asked == [("r", 5, 10), ("h", 3, 5), ("n", 4, 6), ("o", 4, 6), ("u", 4, 6)]


def test_long_questions_of_odd_words_end() -> None:
    words = [f"{a}{b}{c}{'qxz' * 8}" for a in ascii_lowercase for b in ascii_lowercase for c in "ab"]
    known = {f"{word}z": 1 for word in words}
    assert guessed(" ".join(words), known) == {word: f"{word}z" for word in words[:6]}
    assert guessed("a" * 100_000, {"a" * 100_001: 3}) == {}
    assert guessed(" ".join(["hotle"] * 10_000)) == {"hotle": "hotel"}


def test_of_two_neighbours_one_that_is_far_more_frequent_is_meant() -> None:
    assert guessed("clain", {**KNOWN, "claim": 20}) == {"clain": "claim"}


def test_a_guess_is_shown_as_the_texts_write_it() -> None:
    meant = {"expences": "expens", "hotle": "hotel"}
    texts = ["An EXPENSE is claimed; expenses are paid.", "Hotels."]
    assert spelt(meant, texts) == {"expences": "expenses", "hotle": "hotels"}
    assert spelt(meant, ["Nothing of it."]) == meant
    assert spelt({}, texts) == {}


def test_a_question_is_told_with_its_misspelt_words_as_they_were_taken() -> None:
    assert respelt("hotle: which hotle, hotle2?", {"hotle": "hotel"}) == "hotel: which hotel, hotle2?"
    assert respelt("which hotle?", {}) == "which hotle?"


@pytest.mark.parametrize(
    ("one", "other", "slips"),
    [("hotel", "hotel", 0), ("hotel", "hotle", 1), ("hotel", "hoteel", 1), ("ca", "abc", 3), ("", "ab", 2)],
)
def test_distances(one: str, other: str, slips: int) -> None:
    assert distance(one, other, 5) == distance(other, one, 5) == slips


@given(st.text("abc", max_size=8), st.text("abc", max_size=8), st.integers(0, 3))
def test_a_distance_beyond_the_limit_is_only_told_to_be_beyond(one: str, other: str, most: int) -> None:
    whole = distance(one, other, 99)
    assert distance(one, other, most) == whole if whole <= most else distance(one, other, most) > most


@given(st.text("abcd", max_size=8), st.integers(0, 7))
def test_swapping_two_neighbours_is_one_slip(word: str, at: int) -> None:
    swapped = word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
    assert distance(word, swapped, 9) == (word != swapped)
