"""The one tokenisation: what is found by which question, and that FTS5 sees the same terms."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retrieval.documents import Chunk, Document
from retrieval.terms import ChunkWords, chunk_words, content_terms, is_function, is_packed, terms
from retrieval.words import TOKENIZER


def fts5_terms(text: str) -> list[str]:
    """The terms FTS5 makes of a space-joined string of terms, in order."""
    with sqlite3.connect(":memory:") as connection:
        tokenizer = TOKENIZER.replace("'", "''")
        connection.execute(f"CREATE VIRTUAL TABLE words USING fts5(body, tokenize = '{tokenizer}')")
        connection.execute("CREATE VIRTUAL TABLE seen USING fts5vocab(words, instance)")
        connection.execute("INSERT INTO words(body) VALUES (?)", (" ".join(terms(text)),))
        found = [row[0] for row in connection.execute('SELECT term FROM seen ORDER BY "offset"')]
    connection.close()
    return found


@given(st.text(max_size=60))
@example(
    "E-4012 --dry-run @weave.op config.yaml 10.2.3 12:30 1,200 ＡＢＣ１２３ foo_bar #general c++ https://a.b/c?d=e"
)
@example("日本で梅雨がないのは北海道とどこか。한국어 검색 สวัสดี हिन्दी ग़ज़ल Ogród Straße ﬁn ǅ İ")
def test_fts5_splits_the_joined_terms_into_the_same_terms(text: str) -> None:
    assert fts5_terms(text) == terms(text)


@given(
    st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x3FFFF, exclude_categories=("Cs",)), max_size=12)
)
def test_fts5_agrees_on_every_script(text: str) -> None:
    assert fts5_terms(text) == terms(text)


@given(st.text(max_size=80))
def test_terms_of_terms_are_found_again_and_a_question_never_gains_terms(text: str) -> None:
    every = terms(text)
    kept = content_terms(text)
    assert set(kept) <= set(every)
    assert bool(kept) == bool(every)


def test_japanese_becomes_bigrams_so_that_two_character_words_are_found() -> None:
    assert terms("経費精算") == ["経費", "費精", "精算"]
    assert set(terms("経費")) <= set(terms("交通費と経費の精算"))


def test_a_lone_character_is_a_term() -> None:
    assert terms("円 A") == ["円", "a"]


def test_english_words_are_stemmed_and_case_is_folded() -> None:
    assert terms("Reimbursements") == terms("reimbursement")
    assert terms("The company’s") == terms("the company")


@pytest.mark.parametrize(
    ("written", "asked"),
    [("1,200", "1200"), ("１，２００", "1200"), ("180", "180"), ("12:30", "12:30"), ("Ogród", "ogrod"), ("ｶﾞｽ", "ガス")],
)
def test_one_thing_written_two_ways_is_one_term(written: str, asked: str) -> None:
    assert terms(written) == terms(asked) == [terms(asked)[0]]


@pytest.mark.parametrize("identifier", ["E-4012", "--dry-run", "@weave.op", "config.yaml", "10.2.3", "foo_bar", "C++"])
def test_an_identifier_is_kept_as_written(identifier: str) -> None:
    assert identifier.casefold() in terms(f"Use {identifier}, then wait.")


def test_an_identifier_is_found_by_its_parts() -> None:
    assert {"config", "yaml"} <= set(terms("config.yaml"))
    assert {"e", "4012"} <= set(terms("E-4012"))


def test_a_sentence_s_last_word_has_no_full_stop() -> None:
    assert terms("See config. Then 3.5.") == ["see", "config", "then", "3.5"]


def test_function_words_are_left_out_of_a_question() -> None:
    assert content_terms("What is the limit of the hotel?") == ["limit", "hotel"]
    assert not any(is_function(term) for term in content_terms("宿泊費の上限はいくらですか"))


@pytest.mark.parametrize("question", ["what is it", "これは何ですか", "who are you"])
def test_a_question_of_function_words_alone_keeps_them(question: str) -> None:
    assert content_terms(question) == terms(question)


def test_a_bigram_is_told_from_a_word() -> None:
    assert is_packed("経費")
    assert is_packed("円")
    assert not is_packed("op")


def test_the_words_of_a_chunk_are_its_terms_by_field() -> None:
    document = Document("The Travel Guide", "Hotels cost 1,200.\n\n経費", "en")
    chunks = [Chunk(0, 18, ("Travel", "Hotels"), 1), Chunk(20, 22, (), 3)]
    title = " ".join(terms(document.title))
    assert chunk_words(document, chunks) == (
        ChunkWords(title, "travel hotel", "hotel cost 1200"),
        ChunkWords(title, "", "経費"),
    )


@pytest.mark.parametrize(
    ("form", "base"), [("wrote", "write"), ("written", "writes"), ("children", "child"), ("left", "leaving")]
)
def test_an_irregular_form_is_the_same_term_as_its_base(form: str, base: str) -> None:
    assert terms(form) == terms(base)
