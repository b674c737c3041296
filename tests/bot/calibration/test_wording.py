from __future__ import annotations

from random import Random

import pytest

from bot.calibration.facts import facts
from bot.calibration.wording import ask
from retrieval.terms import terms

EN = "The hotel limit for business trips to northern Europe is 180 EUR per night, breakfast included."
JA = "北欧への出張における宿泊費の上限は、朝食を含めて一泊あたり18,000円と定められています。"


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311


@pytest.mark.parametrize(("sentence", "language", "answer"), [(EN, "en", "180"), (JA, "ja", "18,000円")])
def test_a_question_does_not_hold_its_answer_nor_repeat_the_sentence(sentence: str, language: str, answer: str) -> None:
    (fact,) = [one for one in facts(sentence, language) if sentence[one.start : one.end] == answer]
    made = {ask(sentence, fact, "", (), language, seeded(seed)) for seed in range(40)}
    assert len(made) > 20
    for question in made:
        assert answer not in question
        assert question.endswith(("?", "？"))
        assert question.rstrip("?？") not in sentence
        assert len(set(terms(question)) & set(terms(sentence))) >= 2


def test_some_words_are_replaced_by_strange_ones_and_title_words_come_in() -> None:
    (fact,) = [one for one in facts(EN, "en") if one.kind == "number"]
    made = " ".join(ask(EN, fact, "Reimbursement", ["quay"], "en", seeded(seed)) for seed in range(40))
    assert "quay" in made
    assert "Reimbursement" in made


def test_a_sentence_that_says_too_little_gives_no_question() -> None:
    sentence = "It is 180 EUR."
    assert all(ask(sentence, fact, "Hotels in Europe", (), "en", seeded(1)) == "" for fact in facts(sentence, "en"))
