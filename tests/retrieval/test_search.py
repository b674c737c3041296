from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from models.errors import EngineFailed
from models.fakes import HashingEmbeddings
from retrieval import authority, purging
from retrieval.access import Audience, Principal, Readers
from retrieval.building import Builder
from retrieval.database import reading, writing
from retrieval.errors import NotFound
from retrieval.glossary import load_glossary
from retrieval.index import Index
from retrieval.ranking import UNDECIDED, VECTOR_WEIGHT
from retrieval.reranking import Reranking
from retrieval.search import Searcher
from retrieval.terms import terms
from tests.retrieval.conftest import ALL, HR, IN_HR, SOMEBODY, CountingEmbeddings, prepared

Put = Callable[..., None]


def test_what_may_not_be_read_changes_nothing_not_even_a_score(put: Put, searcher: Searcher) -> None:
    put(travel="Hotels cost at most 180 EUR a night.", it="The printer is on floor 2.")
    before = searcher.search("hotel salaries april", principal=SOMEBODY, k=10)
    put(HR, pay="Salaries are reviewed in April.", bonus="The hotel bonus is paid in April, hotels too.")
    after = searcher.search("hotel salaries april", principal=SOMEBODY, k=10)
    assert after.hits == before.hits
    assert [after.rarity(term) for term in ("hotel", "salari", "april")] == [
        before.rarity(term) for term in ("hotel", "salari", "april")
    ]


def test_documents_left_out_of_a_search_are_as_if_never_ingested(put: Put, searcher: Searcher) -> None:
    put(travel="Hotels cost at most 180 EUR a night.", it="The printer is on floor 2.\n\nThe hotel printer is broken.")
    before = searcher.search("hotel printer april", principal=SOMEBODY, k=10)
    put(stay="Hotel printers are mended in April, hotels too.\n\nApril, april.")
    (stay,) = {hit.document_id for hit in searcher.search("april", principal=SOMEBODY, k=9).hits if hit.title == "stay"}
    after = searcher.search("hotel printer april", principal=SOMEBODY, k=10, without={stay})
    assert after.hits == before.hits
    assert [after.rarity(term) for term in ("hotel", "april")] == [before.rarity(term) for term in ("hotel", "april")]


def test_everything_may_be_left_out_of_a_search(put: Put, searcher: Searcher) -> None:
    put(travel="Hotels cost at most 180 EUR a night.")
    (hit,) = searcher.search("hotels", principal=SOMEBODY, k=9).hits
    assert hit.source == "docs"
    assert searcher.search("hotels", principal=SOMEBODY, k=9, without={hit.document_id}).hits == ()


def test_a_member_finds_what_their_groups_may_read(put: Put, searcher: Searcher) -> None:
    put(HR, pay="Salaries are reviewed in April.")
    assert [hit.title for hit in searcher.search("salaries", principal=IN_HR, k=10).hits] == ["pay"]
    assert searcher.search("salaries", principal=SOMEBODY, k=10).hits == ()


def test_discord_shows_only_what_is_marked_for_it(put: Put, searcher: Searcher) -> None:
    put(inside="The gate code is 4711.")
    put(Readers(frozenset({"all"}), discord=True), outside="The gate opens at 7.")
    on_discord = Principal("discord:1", frozenset({"all"}), Audience.DISCORD)
    assert [hit.title for hit in searcher.search("gate", principal=on_discord, k=10).hits] == ["outside"]
    assert {hit.title for hit in searcher.search("gate", principal=SOMEBODY, k=10).hits} == {"inside", "outside"}


def test_a_hidden_document_looks_like_one_that_is_not_there(put: Put, searcher: Searcher) -> None:
    put(HR, pay="Salaries are reviewed in April.")
    hidden = searcher.search("salaries", principal=IN_HR, k=1).hits[0].document_id
    with pytest.raises(NotFound) as of_hidden:
        searcher.document(hidden, principal=SOMEBODY)
    with pytest.raises(NotFound) as of_missing:
        searcher.document("0000", principal=SOMEBODY)
    assert str(of_hidden.value).replace(hidden, "ID") == str(of_missing.value).replace("0000", "ID")


def test_japanese_words_of_two_characters_are_found(put: Put, searcher: Searcher) -> None:
    put(rules="経費は月末までに精算します。\n\n有給休暇は年に十日です。")
    assert searcher.search("経費", principal=SOMEBODY, k=1).hits[0].text == "経費は月末までに精算します。"


def test_title_and_heading_are_searched_too(put: Put, searcher: Searcher) -> None:
    put(Parking="Spaces are in the yard.", Canteen="Meals are served at noon.")
    assert searcher.search("parking", principal=SOMEBODY, k=1).hits[0].text == "Spaces are in the yard."


def test_an_empty_index_finds_nothing(searcher: Searcher) -> None:
    assert searcher.search("anything", principal=SOMEBODY, k=10).hits == ()


@pytest.mark.parametrize(
    "query", ['"', "AND OR NOT", "a* NEAR(b)", "'; DROP TABLE chunks; --", "^title:x", "😀", "title : gate"]
)
def test_a_query_is_text_never_a_language(put: Put, searcher: Searcher, query: str) -> None:
    put(inside="The gate code is 4711.")
    searcher.search(query, principal=SOMEBODY, k=3)
    assert searcher.search("gate", principal=SOMEBODY, k=1).hits[0].title == "inside"


def test_the_embedder_runs_beside_no_snapshot(
    index: Index, put: Put, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(inside="The gate code is 4711.", other="The canteen opens at noon.")
    document_id = searcher.search("canteen", principal=SOMEBODY, k=1).hits[0].document_id
    embed = HashingEmbeddings.embed_query

    def while_it_is_removed(self: HashingEmbeddings, text: str) -> list[float]:
        index.remove([document_id])
        index.tidy(purge=True)
        return embed(self, text)

    monkeypatch.setattr(HashingEmbeddings, "embed_query", while_it_is_removed)
    assert [hit.title for hit in searcher.search("gate canteen", principal=SOMEBODY, k=5).hits] == ["inside"]
    with reading(index.engine) as connection:
        assert not purging.due(connection)


def test_a_generation_that_begins_to_answer_meanwhile_is_asked_with_a_vector_of_its_own(
    index: Index, put: Put, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(inside="The gate code is 4711.")
    index.close()
    other = Index(folder, HashingEmbeddings(32), reopen=lambda _spec: HashingEmbeddings(64))
    with writing(other.engine) as connection:
        connection.execute(text("UPDATE generations SET embedder = '64'"))
    builder, embed, embedded = Builder(other), HashingEmbeddings.embed_query, []
    made = builder.begin()
    builder.catch_up(made)

    def meanwhile(self: HashingEmbeddings, question: str) -> list[float]:
        embedded.append(self.fingerprint)
        if len(embedded) == 1:
            builder.flip(made)
        return embed(self, question)

    monkeypatch.setattr(HashingEmbeddings, "embed_query", meanwhile)
    (hit,) = Searcher(other).search("gate code", principal=SOMEBODY, k=1).hits
    assert hit.similarity is not None
    assert embedded == [HashingEmbeddings(64).fingerprint, HashingEmbeddings(32).fingerprint]
    other.close()


def test_the_probe_passes_on_a_sound_index(index: Index, put: Put) -> None:
    put(inside="The gate code is 4711.")
    Searcher(index).probe()
    assert index.vectors.collections()


class InstantEmbeddings(CountingEmbeddings):
    instant = True


class TestWithAnInstantEmbedder:
    @pytest.fixture
    def embedder(self) -> CountingEmbeddings:
        return InstantEmbeddings()

    def test_the_passage_with_the_nearest_sentence_is_raised(self, put: Put, searcher: Searcher) -> None:
        put(gate="The gate code is 4711. It is changed each month, and lunch is at noon.", tea="Tea is at four.")
        found = searcher.search("The gate code is 4711.", principal=SOMEBODY, k=2)
        assert [hit.title for hit in found.hits] == ["gate", "tea"]
        assert found.hits[0].score > 1 + VECTOR_WEIGHT
        assert len(searcher.search("gate", principal=SOMEBODY, k=1).hits) == 1

    def test_texts_are_compared_with_the_query(self, put: Put, searcher: Searcher) -> None:
        put(gate="The gate code is 4711.")
        likeness = searcher.search("The gate code is 4711.", principal=SOMEBODY, k=2).likeness
        assert likeness is not None
        assert likeness(["The gate code is 4711."]) == pytest.approx([1.0], abs=1e-6)
        assert likeness([]) == []


def test_any_other_embedder_says_nothing_of_sentences(put: Put, searcher: Searcher) -> None:
    put(gate="The gate code is 4711.")
    assert searcher.search("gate", principal=SOMEBODY, k=10).likeness is None


def glossed(index: Index, folder: Path) -> Searcher:
    file = folder / "glossary.toml"
    file.write_text('[[terms]]\nsame = ["年休", "paid leave", "PTO"]\n', encoding="utf-8")
    return Searcher(index, glossary=load_glossary(file))


def test_a_glossary_finds_what_is_said_in_another_language(put: Put, index: Index, folder: Path) -> None:
    put(leave="Everybody has 15 days of paid leave.", it="The printer is on floor 2.", food="Lunch is at noon.")
    put(kyuka="年休は15日です。")
    searcher = glossed(index, folder)
    hits = searcher.search("年休", principal=SOMEBODY, k=2).hits
    assert {hit.title for hit in hits} == {"leave", "kyuka"}
    assert all(hit.words > 0 for hit in hits)
    assert searcher.search("How much PTO?", principal=SOMEBODY, k=1).hits[0].words > 0


def test_who_weighs_the_hits_reads_them_as_the_search_did(put: Put, index: Index, folder: Path) -> None:
    put(leave="Everybody has 15 days of paid leave.")
    found = glossed(index, folder).search("年休", principal=SOMEBODY, k=1)
    assert "年休" in found.read(terms(found.hits[0].text))
    assert Searcher(index).search("年休", principal=SOMEBODY, k=1).read(["pay", "leav"]) == ["pay", "leav"]


def test_a_word_of_a_group_is_no_rarer_than_the_whole_group(put: Put, index: Index, folder: Path) -> None:
    put(**{f"leave{n}": f"Rule {n} of paid leave and PTO." for n in range(5)}, other="年休と祝日")
    plain, read = (
        one.search("年休 祝日", principal=SOMEBODY, k=1) for one in (Searcher(index), glossed(index, folder))
    )
    assert plain.rarity("年休") == plain.rarity("祝日")
    assert read.rarity("年休") < read.rarity("祝日") == plain.rarity("祝日")


def test_a_glossary_lets_nothing_be_seen_that_may_not_be_read(put: Put, index: Index, folder: Path) -> None:
    put(leave="Everybody has 15 days of paid leave.", it="The printer is on floor 2.")
    searcher = glossed(index, folder)
    before = searcher.search("年休", principal=SOMEBODY, k=10)
    put(HR, secret="Paid leave of the board, paid leave.", other="PTO")
    after = searcher.search("年休", principal=SOMEBODY, k=10)
    assert (after.hits, after.rarity("年休")) == (before.hits, before.rarity("年休"))
    put(stay="More paid leave.\n\nPTO")
    (stay,) = {hit.document_id for hit in searcher.search("more", principal=SOMEBODY, k=9).hits if hit.title == "stay"}
    without = searcher.search("年休", principal=SOMEBODY, k=10, without={stay})
    assert (without.hits, without.rarity("年休")) == (before.hits, before.rarity("年休"))


def test_a_question_without_a_word_of_the_glossary_is_searched_as_without_one(
    put: Put, index: Index, folder: Path
) -> None:
    put(leave="Everybody has 15 units of paid leave.", it="The zebra is on top.")
    plain, read = (
        one.search("zebra top", principal=SOMEBODY, k=9) for one in (Searcher(index), glossed(index, folder))
    )
    assert read.hits == plain.hits


class SpeaksEnglish(HashingEmbeddings):
    """Instant, and good at English alone."""

    instant = True
    languages = frozenset({"en"})


def test_an_embedder_says_nothing_of_texts_in_a_language_that_it_does_not_speak(tmp_path: Path) -> None:
    with closing(Index(tmp_path, SpeaksEnglish(64))) as index:
        with writing(index.engine) as connection:
            authority.put_source(connection, "docs", "/docs", ALL)
        index.put(1, [prepared("leave.md", "年休は十五日です。")])
        found = glossed(index, tmp_path).search("How much is the paid leave?", principal=SOMEBODY, k=1)
    assert found.likeness
    said = found.likeness(["年休は十五日です。", "How much is the paid leave?"])
    assert said == [UNDECIDED, pytest.approx(1.0)]


def test_a_misspelt_word_finds_what_it_was_meant_to_find_and_says_so(put: Put, searcher: Searcher) -> None:
    put(travel="Hotels cost at most 180 EUR a night.", it="The printer is on floor 2.", food="Lunch is at noon.")
    found = searcher.search("what does a hotle cost", principal=SOMEBODY, k=1)
    assert found.hits[0].title == "travel"
    assert found.corrected == {"hotle": "hotels"}
    assert "hotl" in found.read(terms(found.hits[0].text))
    assert searcher.search("what does a hotel cost", principal=SOMEBODY, k=1).corrected == {}


def test_no_word_is_taken_for_one_that_may_not_be_read(put: Put, searcher: Searcher) -> None:
    put(it="The printer is on floor 2.")
    before = searcher.search("sallaries printer", principal=SOMEBODY, k=9)
    put(HR, pay="Salaries are reviewed in April.")
    after = searcher.search("sallaries printer", principal=SOMEBODY, k=9)
    assert after.corrected == {}
    assert after.hits == before.hits
    assert searcher.search("sallaries printer", principal=IN_HR, k=9).corrected == {"sallaries": "salaries"}


def test_no_word_is_taken_for_one_in_a_document_that_is_left_out(put: Put, searcher: Searcher) -> None:
    put(it="The printer is on floor 2.")
    before = searcher.search("hotle printer", principal=SOMEBODY, k=9)
    put(travel="Hotels cost at most 180 EUR a night.")
    (travel,) = {hit.document_id for hit in searcher.search("hotels", principal=SOMEBODY, k=9).hits if hit.words}
    without = searcher.search("hotle printer", principal=SOMEBODY, k=9, without={travel})
    assert (without.hits, without.corrected) == (before.hits, {})


LIMIT = "Employees book hotels in the portal. The hotel limit is 180 EUR a night."


def test_copies_take_no_place_of_others_and_are_told_to_whoever_may_read_them(put: Put, searcher: Searcher) -> None:
    put(a=LIMIT, b=LIMIT, other="Hotel staff are friendly.")
    put(HR, secret=LIMIT)
    for principal, copies in ((SOMEBODY, 1), (IN_HR, 2)):
        first, second = searcher.search("hotel limit", principal=principal, k=2).hits
        titles = {first.title, *(copy.title for copy in first.also)}
        assert (len(first.also), second.title) == (copies, "other")
        assert ("secret" in titles) == (principal is IN_HR)


def test_many_copies_hide_nothing_else(put: Put, searcher: Searcher) -> None:
    put(**{f"copy{number}": LIMIT for number in range(70)}, other="The hotel limit is 210 EUR in Osaka.")
    hits = searcher.search("hotel limit", principal=SOMEBODY, k=5).hits
    assert sorted(hit.text for hit in hits) == sorted({LIMIT, "The hotel limit is 210 EUR in Osaka."})


def test_a_list_that_was_cut_is_found_whole_at_its_exact_place(put: Put, searcher: Searcher) -> None:
    put(vault="The vault has rules.\n\nBring to the vault:\n\n- a badge\n\n- a green key\n\nThe canteen opens at noon.")
    hit = searcher.search("green key", principal=SOMEBODY, k=1).hits[0]
    document = searcher.document(hit.document_id, principal=SOMEBODY)
    assert hit.text == "Bring to the vault:\n\n- a badge\n\n- a green key" == document.text[hit.start : hit.end]
    assert hit.line == 3


class PrefersShort:
    """A reranker with a taste of its own."""

    fingerprint = "short"

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        if query == "stop":
            raise EngineFailed("The reranker stopped.")
        return [1.0 / len(passage) for passage in passages]


def test_a_reranker_has_a_say_in_the_order_and_none_in_what_is_found(put: Put, index: Index) -> None:
    put(long="The hotel limit is 180 EUR and breakfast is included.", short="Hotel limit: 180.", it="A printer.")
    reranking = Reranking(PrefersShort(), candidates=20, deadline_s=30.0)
    searcher = Searcher(index, reranking=reranking)
    found = searcher.search("hotel limit breakfast", principal=SOMEBODY, k=2)
    assert [(hit.title, hit.rerank is not None) for hit in found.hits] == [("short", True), ("long", True)]
    assert found.rerank_fault == ""
    failing = searcher.search("stop", principal=SOMEBODY, k=2)
    assert failing.hits == Searcher(index).search("stop", principal=SOMEBODY, k=2).hits
    assert failing.rerank_fault == "The reranker stopped."
    reranking.close()
