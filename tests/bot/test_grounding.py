from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.grounding import Claim, GroundedProse, SentenceStream, support
from retrieval.documents import Hit

TEXT = "The hotel limit is 180 EUR per night in Europe. Breakfast is paid by the company."
HIT = Hit("d", "c", "Travel", (), "/t.md", "en", 1, None, 50, 50 + len(TEXT), TEXT, 1.0, 1.0, None)


def even(_: str) -> float:
    return 1.0


def claims(text: str, size: int) -> list[Claim]:
    stream = SentenceStream()
    found = [claim for at in range(0, len(text), size) for claim in stream.feed(text[at : at + size])]
    return found + list(stream.finish())


@given(st.integers(1, 60))
def test_sentences_come_out_the_same_however_they_stream(size: int) -> None:
    text = "It costs 1.5 EUR [1]. Ask Mr. Mori [2][3]! 上限は三万円です。[1] 終わり"
    assert [claim.named for claim in claims(text, size)][-2:] == [(1,), ()]
    assert "".join(claim.text for claim in claims(text, size)).replace(" ", "") == (
        "Itcosts1.5EUR.AskMr.Mori!上限は三万円です。終わり"
    )


def test_a_sentence_a_passage_says_is_supported_by_that_unit() -> None:
    span = support(Claim("In Europe the hotel limit is 180 EUR per night.", (1,)), [HIT], even)
    assert span is not None
    assert TEXT[span.start - 50 : span.end - 50] == "The hotel limit is 180 EUR per night in Europe."


@pytest.mark.parametrize(
    "sentence",
    [
        "The hotel limit is 280 EUR per night in Europe.",
        "Bananas are yellow.",
        "180.",
        "!!!",
        "180 EUR in Asia at sea.",
        "The hotel limit is not 180 EUR per night in Europe.",
        "The hotel limit is 180 USD per night in Europe.",
    ],
)
def test_another_number_or_another_thing_is_not_supported(sentence: str) -> None:
    assert support(Claim(sentence, (1,)), [HIT], even) is None


def test_marks_of_the_model_are_never_taken_at_their_word() -> None:
    prose = GroundedProse([HIT], even)
    pieces = [*prose.feed("The hotel limit is 180 EUR per night [7]. Bananas are yellow [1]."), *prose.finish()]
    assert "".join(pieces) == prose.text == "The hotel limit is 180 EUR per night. [1]"
    assert [citation.n for citation in prose.citations] == [1]
    assert prose.removed == ["Bananas are yellow."]


def test_a_name_from_another_sentence_of_the_passage_is_not_put_into_this_one() -> None:
    text = "Alice approves travel over 500 EUR. Bob approves training courses."
    hit = Hit("d", "c", "Approvals", (), "/a.md", "en", 1, None, 0, len(text), text, 1.0, 1.0, None)
    assert support(Claim("Bob approves travel over 500 EUR.", (1,)), [hit], even) is None
    assert support(Claim("Alice approves travel over 500 EUR.", (1,)), [hit], even) is not None


def test_the_same_span_keeps_its_number() -> None:
    prose = GroundedProse([HIT], even)
    list(prose.feed("Breakfast is paid by the company. The company paid breakfast. "))
    list(prose.feed("Breakfast is paid by the company. "))  # said already
    list(prose.finish())
    assert prose.text == "Breakfast is paid by the company. [1] The company paid breakfast. [1]"
