"""What a glossary reads as the same, and what it refuses to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval.errors import GlossaryError
from retrieval.glossary import EVERYDAY, MOST_BYTES, Glossary, load_glossary
from retrieval.reading import LITERAL
from retrieval.terms import content_terms, terms

LEAVE = '[[terms]]\nsame = ["年休", "年次有給休暇", "Paid Leave", "PTO"]\n'
Glossaries = Callable[[str], Glossary]


@pytest.fixture
def glossary(tmp_path: Path) -> Glossaries:
    """Loads a glossary of this text."""

    def load(text: str) -> Glossary:
        file = tmp_path / "glossary.toml"
        file.write_text(text, encoding="utf-8")
        return load_glossary(file)

    return load


def held(glossary: Glossary, question: str, text: str) -> list[str]:
    """The terms of a question that stand in a text as it is read for it."""
    read = set(glossary.reading(terms(question)).read(terms(text)))
    return [term for term in content_terms(question) if term in read]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How many days of paid leave are there?", "年休は15日です。"),
        ("年休は何日ですか。", "Everybody has 15 days of PTO."),
        ("年休は何日ですか。", "PAID LEAVES are carried over."),
        ("pto?", "社員の年次有給休暇について"),
        ("年次有給休暇", "年休"),
    ],
)
def test_any_word_of_a_group_stands_for_any_other(glossary: Glossaries, question: str, text: str) -> None:
    said = set(content_terms(question)) & {"pay", "leav", "年休", "pto", *terms("年次有給休暇")}
    assert said <= set(held(glossary(LEAVE), question, text))
    assert said


def test_a_phrase_counts_whole_or_not_at_all(glossary: Glossaries) -> None:
    assert held(glossary(LEAVE), "Is the leave of absence paid?", "年休") == []
    assert glossary(LEAVE).reading(terms("which zebra")) is LITERAL


def test_a_longer_phrase_does_not_hide_a_shorter_one_within_it(glossary: Glossaries) -> None:
    made = glossary(LEAVE + '[[terms]]\nsame = ["leave", "absence"]\n')
    assert held(made, "paid leave", "absence") == ["leav"]
    assert held(made, "paid leave", "年休") == ["pay", "leav"]


def test_function_words_of_a_phrase_are_looked_for_and_not_asked_for(glossary: Glossaries) -> None:
    made = glossary('[[terms]]\nsame = ["work from home", "在宅勤務"]\n')
    assert held(made, "May I work from home?", "在宅勤務は週3日までです。") == ["work", "home"]
    assert held(made, "在宅勤務", "We work in your home.") == ["勤務"]  # an everyday word within it


def test_everyday_words_lead_into_the_other_script_and_to_no_other_word_of_their_own(glossary: Glossaries) -> None:
    made = glossary(LEAVE)
    assert held(made, "What is the deadline of the contract?", "契約の期限") == ["deadlin", "contract"]
    assert held(made, "契約の期限", "The deadline of a contract") == ["契約", "期限"]
    assert held(made, "deadline", "The due date") == []
    assert held(made, "期限", "締切") == []


def test_a_company_may_say_more_of_an_everyday_word(glossary: Glossaries) -> None:
    made = glossary('[[terms]]\nsame = ["contract", "K-document"]\n')
    assert held(made, "contract", "契約") == ["contract"]
    assert held(made, "contract", "the K-document") == ["contract"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no terms"),
        ("terms = []", "holds no terms"),
        ("terms = 3", "holds no terms"),
        ("word = 1", "a glossary has no word"),
        ("[[terms]]\nsame = [", "is not valid TOML"),
        (LEAVE + '[[terms]]\nsame = ["a"]', "group 2: a group needs two words that differ"),
        ('[[terms]]\nsame = ["day", "days"]', "group 1: a group needs two words that differ"),
        ('[[terms]]\nsame = ["day", "!"]', "group 1: '!' is no word"),
        ('[[terms]]\nsame = ["day", 3]', "group 1: 3 is no word"),
        ('[[terms]]\nsame = "day"', "group 1: a group has `same`, a list of words, and nothing else"),
        ('[[terms]]\nsame = ["day", "日間"]\nnote = "x"', "group 1: a group has `same`"),
        ("terms = [3]", "group 1: a group has `same`"),
        (LEAVE + '[[terms]]\nsame = ["holiday", "pto"]', "group 2: 'pto' stands in group 1 too"),
        (
            f"[[terms]]\nsame = {[f'n{number}' for number in range(101)]}",
            "group 1: 101 names are in this group, at most 100",
        ),
    ],
)
def test_a_glossary_that_is_none_is_refused_in_a_sentence_with_its_place(
    glossary: Glossaries, text: str, said: str
) -> None:
    with pytest.raises(GlossaryError, match=r"glossary\.toml") as caught:
        glossary(text)
    assert said in str(caught.value)


def test_a_file_that_is_too_large_or_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "glossary.toml"
    with pytest.raises(GlossaryError, match=r"cannot be read .*: check search\.glossary"):
        load_glossary(file)
    file.write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(GlossaryError, match="not UTF-8"):
        load_glossary(file)
    file.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(GlossaryError, match="1,048,577 bytes"):
        load_glossary(file)


def test_a_glossary_of_many_names_that_begin_alike_is_read_like_any_other(glossary: Glossaries) -> None:
    groups = (f'[[terms]]\nsame = ["kura {number}", "kura {number + 9_000}"]\n' for number in range(9_000))
    made = glossary("".join(groups))
    reading = made.reading(terms("kura " * 500 + "kura 77"))
    assert reading.same == {("kura", "9077"): ("kura", "77")}


def test_the_everyday_words_have_each_group_in_both_scripts() -> None:
    import tomllib

    for group in tomllib.loads(EVERYDAY.read_text(encoding="utf-8"))["terms"]:
        assert any(word.isascii() for word in group["same"]), group
        assert not all(word.isascii() for word in group["same"]), group
