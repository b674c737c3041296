"""What speaks for a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from bot.asking import Asked, read_question
from bot.clues import clues
from retrieval.documents import Hit
from retrieval.found import Found, Likeness


def asked(question: str) -> Asked:
    return read_question(question, lambda _term: 1.0)


def hit(text: str, title: str = "", heading: tuple[str, ...] = (), *, score: float = 1.0) -> Hit:
    language = "en" if text.isascii() else "ja"
    return Hit("d", "c", title, heading, "a.md", language, 1, None, 0, len(text), text, score, 1.0, None)


def found(*hits: Hit, likeness: Likeness | None = None) -> Found:
    return Found(hits, lambda _term: 1.0, likeness)


def features(question: str, text: str, title: str = "") -> list[dict[str, float]]:
    """The features of each unit of one hit."""
    return [dict(clue.features) for clue in clues(asked(question), found(hit(text, title)))]


def test_a_sentence_shows_the_kind_asked_for_or_lacks_it() -> None:
    shows, lacks = features("How much is a hotel?", "A hotel is at most 180 EUR. A hotel is booked by us.")
    assert (shows["shows"], shows["lacks"]) == (1.0, 0.0)
    assert (lacks["shows"], lacks["lacks"]) == (0.0, 1.0)


def test_a_number_of_the_question_itself_is_no_answer_to_it() -> None:
    (echo,) = features("How much is a hotel in 2026?", "A hotel in 2026 is dear.")
    assert (echo["shows"], echo["lacks"]) == (0.0, 1.0)


def test_where_no_kind_is_asked_for_none_is_shown_or_lacking() -> None:
    (one,) = features("Tell me about hotels.", "A hotel is at most 180 EUR.")
    assert (one["shows"], one["lacks"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("question", "counts", "does_not"),
    [
        ("How many nations joined?", "In the end nine nations joined.", "In the end they joined on 9 May."),
        ("部屋には何人入れますか。", "部屋には五人入れます。", "部屋は五つあります。"),
        ("How many days a week?", "週3日までとします。", "3階にあります。"),
        ("何か月で交換しますか。", "It is replaced after 48 months.", "It is replaced on floor 48."),
        ("何文字必要ですか。", "At least 14 characters.", "At least 14 digits."),
        ("何文字必要ですか。", "14文字以上です。", "14回までです。"),
    ],
)
def test_a_number_of_what_is_counted_is_told_from_any_number(question: str, counts: str, does_not: str) -> None:
    assert features(question, counts)[0]["counts"] == 1.0
    assert features(question, does_not)[0]["counts"] == 0.0


@pytest.mark.parametrize(
    ("question", "defines", "does_not"),
    [
        ("What is Lighthouse?", "Lighthouse is the client of our VPN.", "We have installed Lighthouse."),
        ("ポータルとは何ですか。", "ポータルとは社内の入口です。", "社内の入口はポータルにあります。"),
    ],
)
def test_a_sentence_that_says_what_something_is(question: str, defines: str, does_not: str) -> None:
    assert features(question, defines)[0]["defines"] == 1.0
    assert features(question, does_not)[0]["defines"] == 0.0


def test_title_and_neighbours_lend_what_the_sentence_does_not_say() -> None:
    first, second = features("hotel cap Bergen", "The hotel is small. The cap is low.", title="Bergen")
    assert first["own"] == second["own"] == pytest.approx(1 / 3)
    assert first["context"] == second["context"] == pytest.approx(1 / 3)
    assert first["before"] == pytest.approx(0.0)
    assert first["after"] == second["before"] == pytest.approx(1 / 3)
    assert first["passage"] == second["passage"] == pytest.approx(1.0)


def test_what_every_sentence_says_tells_less_than_what_one_says() -> None:
    common, rare, _ = features("hotel Bergen", "A hotel is here. Bergen is here. Another hotel is there.")
    assert common["own"] == rare["own"]
    assert common["local"] < rare["local"]


def test_clues_come_hit_by_hit_and_the_best_hit_is_the_measure() -> None:
    hints = clues(asked("hotel"), found(hit("A hotel. It is far.", score=2.0), hit("No hotel.", score=1.0)))
    assert [clue.hit for clue in hints] == [0, 0, 1]
    assert [clue.features["relative"] for clue in hints] == [1.0, 1.0, 0.5]
    assert clues(asked("hotel"), found()) == []


def test_scores_below_zero_count_as_nothing() -> None:
    hints = clues(asked("hotel"), found(hit("A hotel.", score=-1.0)))
    assert [clue.features["relative"] for clue in hints] == [0.0]


def test_a_kanji_of_the_question_counts_in_another_word_too() -> None:
    chosen, other = features("誰が選出されましたか。", "田中氏が選ばれた。会議は終わった。")
    assert (chosen["kanji"], other["kanji"]) == (0.5, 0.0)
    assert chosen["kanji around"] == other["kanji around"] == 0.5
    assert asked("Who was elected?").written("田中氏") == 0.0


def test_likeness_is_measured_of_each_unit_with_its_neighbours_below_the_title() -> None:
    seen: list[str] = []

    def likeness(texts: Sequence[str]) -> list[float]:
        seen.extend(texts)
        return [float(number) for number in range(len(texts))]

    hits = (hit("One. Two. Three.", "Title"), hit("Four.", "Other"))
    hints = clues(asked("Who books?"), found(*hits, likeness=likeness))
    assert seen == ["Title\nOne. Two.", "Title\nOne. Two. Three.", "Title\nTwo. Three.", "Other\nFour."]
    assert [clue.features["likeness"] for clue in hints] == [0.0, 1.0, 2.0, 3.0]


def test_units_are_measured_by_the_best_of_all_and_of_their_passage() -> None:
    hits = (hit("The hotel cap. A hotel."), hit("No word."))
    first, second, third = (clue.features for clue in clues(asked("hotel cap"), found(*hits)))
    assert (first["behind"], second["behind"], third["behind"]) == (0.0, 0.5, 0.0)
    assert [math.exp(one["better"]) - 1 for one in (first, second, third)] == pytest.approx([0.0, 1.0, 2.0])


def test_what_is_asked_for_may_stand_in_the_sentence_or_beside_it() -> None:
    named, other, far = features("Which city is meant?", "The city is old. It is Bergen. It rains.")
    assert [one["focus"] > 0 for one in (named, other, far)] == [True, False, False]
    assert [one["focus beside"] > 0 for one in (named, other, far)] == [False, True, False]


def test_the_end_of_the_question_counts_by_itself() -> None:
    (subject, rest) = features("Lighthouse client refund deadline", "The Lighthouse client. The refund deadline.")
    assert (subject["tail"], rest["tail"]) == (0.0, 1.0)


def test_what_the_question_does_not_say_is_new_but_for_function_words() -> None:
    (one,) = features("Who is the chair?", "The chair in 2026 is Ms Berg.")
    assert math.exp(one["new"]) - 1 == pytest.approx(3.0)
    assert math.exp(one["numbers"]) - 1 == pytest.approx(1.0)
    (names,) = features("誰ですか。", "議長はトムと田中です。")
    assert math.exp(names["names"]) - 1 == pytest.approx(2.0)


def test_in_a_text_without_kanji_words_count_in_their_place() -> None:
    (clue,) = clues(asked("VPNの期限"), found(hit("The VPN ends.")))
    assert clue.features["kanji"] == clue.features["own"] > 0
    (clue,) = clues(asked("VPNの期限"), found(hit("VPNは便利です。")))
    assert clue.features["kanji"] == 0.0 < clue.features["own"]
