from __future__ import annotations

from bot.calibration.making import Maker, in_turn, title_groups
from retrieval.passages import StoredChunk

SENTENCE = "The hotel limit for business trips to northern Europe is 180 EUR per night."


def chunk(text: str = SENTENCE, language: str = "en") -> StoredChunk:
    return StoredChunk(
        1,
        "c1",
        "d1",
        "Travel",
        "/t.md",
        language,
        ("Hotels",),
        1,
        None,
        0,
        len(text),
        text,
        "folder",
        "1",
        "docs",
        None,
    )


def test_copies_under_the_same_title_are_one_group() -> None:
    groups = title_groups({"a": "Travel  Policy", "b": "travel policy", "c": "Ｔravel policy", "d": "Leave"})
    assert sorted(map(sorted, groups)) == [["a", "b", "c"], ["d"]]


def test_every_document_is_asked_about_once_before_any_is_asked_again() -> None:
    order = [*in_turn({"a": [1, 2, 3], "b": [11], "c": [21, 22]}, seed=1)]
    assert sorted(one // 10 for one in order[:3]) == [0, 1, 2]
    assert sorted(order) == [1, 2, 3, 11, 21, 22]
    assert [*in_turn({"c": [21, 22], "a": [1, 2, 3], "b": [11]}, seed=1)] == order


def test_nothing_gives_nothing() -> None:
    assert [*in_turn({}, seed=1)] == []


def test_the_same_seed_makes_the_same_question() -> None:
    one, same = (Maker([SENTENCE], seed=3).by_template(chunk()) for _ in range(2))
    assert one == same
    assert one is not None
    assert (one.document_id, one.chunk_id, one.sentence, one.written) == ("d1", "c1", SENTENCE, False)
    assert one.answer in SENTENCE
    assert one.answer not in one.text


def test_code_and_other_languages_are_not_asked_about() -> None:
    maker = Maker([], seed=3)
    assert maker.by_template(chunk("```\nthe_rate = 180 # of the hotels in northern Europe and more\n```")) is None
    assert maker.by_template(chunk("La limite pour les nuits d'hôtel en Europe est de 180 EUR.", "")) is None


def test_a_writers_question_is_taken_and_a_template_steps_in_for_none() -> None:
    maker = Maker([], seed=3)
    written = maker.by_writer(chunk(), lambda _: "What may a night in Oslo cost?")
    assert written is not None
    assert (written.text, written.written, written.sentence) == ("What may a night in Oslo cost?", True, SENTENCE)
    instead = maker.by_writer(chunk(), lambda _: "")
    assert instead is not None
    assert not instead.written
