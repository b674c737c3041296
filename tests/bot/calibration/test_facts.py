from __future__ import annotations

import pytest

from bot.calibration.facts import content_words, facts


@pytest.mark.parametrize(
    ("sentence", "language", "kind", "told"),
    [
        ("The plant was opened in March 1987 by the mayor.", "en", "time", "March 1987"),
        ("The hotel limit is 180 EUR per night.", "en", "number", "180"),
        ("The plan was drawn up by Ada Lovelace in spring.", "en", "name", "Ada Lovelace"),
        ("A lantern is a lamp with a protective case.", "en", "what", "a lamp with a protective case"),
        ("工場は1987年3月に開設された。", "ja", "time", "1987年3月"),
        ("宿泊費の上限は18,000円です。", "ja", "number", "18,000円"),
        ("設計はアーキテクトワークス社が行った。", "ja", "name", "アーキテクトワークス"),
        ("輪番とは、交代で当番に就くことを指す。", "ja", "what", "交代で当番に就くことを指す"),
    ],
)
def test_what_a_sentence_states_is_found(sentence: str, language: str, kind: str, told: str) -> None:
    assert (kind, told) in {(fact.kind, sentence[fact.start : fact.end]) for fact in facts(sentence, language)}


def test_a_sentence_that_states_nothing_of_the_kind_has_no_fact() -> None:
    assert facts("please be kind to each other.", "en") == []


def test_another_language_has_no_facts() -> None:
    assert facts("La réunion a lieu le 3 mai 2020.", "") == []


def test_content_words_leave_function_words_out_and_come_once() -> None:
    assert content_words("The hotel and the limit of the hotel", "en") == ["hotel", "limit"]
    assert content_words("宿泊費の上限は宿泊費規程で決まる", "ja") == ["宿泊費", "上限", "宿泊費規程"]
