from __future__ import annotations

from collections.abc import Sequence

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import RR, Qrel, ScoredDoc, Success, nDCG

from bot.evaluation.outcomes import RecordedAnswer, RecordedHit, Trial
from bot.evaluation.scorers import SCORERS, holds, names, score, unsupported
from bot.evaluation.suite import Case
from tests.bot.evaluation.conftest import HOTEL, NO_ANSWER, QUOTE, answer, hit, refusal, trial


def scored(case: Case, said: Trial, hits: Sequence[RecordedHit] = ()) -> dict[str, float | None]:
    return dict(score(case, hits, said))


# --- retrieval -------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    expected=st.integers(1, 12),
    ranking=st.lists(st.one_of(st.integers(0, 11), st.just(-1)), max_size=10),
)
def test_retrieval_figures_are_those_of_ir_measures(expected: int, ranking: list[int]) -> None:
    """The ranking names at each place the document found there; -1 and what is not expected is another."""
    case = Case(question="q", source=tuple(f"{n}.md" for n in range(expected)))
    hits = [
        hit(f"/docs/{n}.md" if n >= 0 else f"/docs/other{place}.txt", start=place) for place, n in enumerate(ranking)
    ]
    ids = [str(n) if 0 <= n < expected and n not in ranking[:at] else f"not {at}" for at, n in enumerate(ranking)]
    theirs = ir_measures.calc_aggregate(
        [Success @ 1, Success @ 5, RR, nDCG @ 10],
        [Qrel("q", str(n), 1) for n in range(expected)],
        [ScoredDoc("q", id_, 100.0 - place) for place, id_ in enumerate(ids)] or [ScoredDoc("q", "not", 1.0)],
    )
    ours = scored(case, trial("no answer"), hits)
    for name, measure in (("hit@1", Success @ 1), ("hit@5", Success @ 5), ("mrr", RR), ("ndcg@10", nDCG @ 10)):
        assert ours[name] == pytest.approx(theirs[measure], abs=1e-4), name


@pytest.mark.parametrize(
    ("source", "address", "title", "same"),
    [
        ("travel.md", "/docs/travel.md", "", True),
        ("docs/travel.md", "/docs/travel.md", "", True),
        ("/docs/travel.md", "/docs/travel.md", "", True),
        ("Travel.MD", "/docs/travel.md", "", True),
        ("/travel.md", "/docs/travel.md", "", True),
        ("travel policy", "/docs/x.md", "Travel Policy", True),
        ("avel.md", "/docs/travel.md", "", False),
        ("travel.md", "/docs/old-travel.md", "", False),
        ("travel", "/docs/travel.md", "Travel policy", False),
        ("#leave", "https://wiki.example.com/hr#leave", "", True),
        ("ガイド.md", "/docs/カ\u3099イト\u3099.md", "", True),  # as macOS writes a name
        ("longer/than/docs/travel.md", "travel.md", "", False),
    ],
)
def test_a_source_is_named_by_title_or_by_whole_parts_at_the_end_of_its_address(
    source: str, address: str, title: str, same: bool
) -> None:
    assert names(source, address, title) is same


# --- accepted strings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "accepted", "found"),
    [
        ("It is 180\n  eur.", "180 EUR", True),
        ("１８０ ＥＵＲ", "180 eur", True),
        ("休暇は 10 日\n付与", "10日", True),
        ("休暇は10\n日付与", "10日付与", True),
        ("上長に 提出", "上長に提出", True),
        ("It is 1,180 EUR", "180 EUR", False),
        ("version 2.18", "18", False),
        ("18 people.", "18", True),
        ("in 1800", "180", False),
        ("180.", "180", True),
        ("180.5", "180", False),
        ("STRASSE", "straße", True),
        ("a+b", "a.b", False),
    ],
)
def test_accepted_strings_are_found_whatever_their_width_case_and_space_but_not_within_other_numbers(
    text: str, accepted: str, found: bool
) -> None:
    assert holds(text, (accepted,)) is found


def test_an_answer_and_its_citation_are_scored_apart() -> None:
    both = scored(HOTEL, trial(answer()))
    uncited = scored(HOTEL, trial(answer(f"{QUOTE} [1]", "Trains are booked in second class.")))
    assert (both["answer"], both["citation"]) == (1.0, 1.0)
    assert (uncited["answer"], uncited["citation"]) == (1.0, 0.0)


def test_a_mark_in_the_middle_does_not_hide_an_accepted_string() -> None:
    case = Case(question="q", accepted=("second class. First class",))
    assert scored(case, trial(answer("Trains: second class. [1] First class is rare.")))["answer"] == 1.0


# --- support ---------------------------------------------------------------------------------------------------------


def test_what_is_quoted_word_for_word_is_supported_whatever_its_form() -> None:
    table = "| City | Limit |\n|---|---|"
    row = "| Bergen | NOK 1,900 |"
    code = "```\ncurl [1] --max 3\n```"
    text = f"Travel policy › Hotels:\n{table}\n{row}\n[1][2]\n{code}\n[3]"
    assert unsupported(answer(text, table, row, code)) == []


def test_a_paraphrase_that_a_quote_says_is_supported_and_one_with_another_number_is_not() -> None:
    assert unsupported(answer("The hotel limit per night is 180 EUR. [1]")) == []
    assert unsupported(answer("The hotel limit per night is 190 EUR. [1]")) == ["The hotel limit per night is 190 EUR."]


def test_a_sentence_that_no_citation_says_is_found_among_those_that_one_says() -> None:
    said = answer(f"{QUOTE} [1] Submarines are yellow and free.")
    assert unsupported(said) == ["Submarines are yellow and free."]
    assert scored(HOTEL, trial(said))["supported"] == 0.0
    assert scored(HOTEL, trial(answer()))["supported"] == 1.0


def test_an_answer_without_citations_is_not_supported() -> None:
    assert unsupported(RecordedAnswer(text=QUOTE, style="generate")) == [QUOTE]


def test_a_quote_within_a_longer_one_leaves_nothing_of_that_one_behind() -> None:
    longer = "The hotel limit is 180 EUR per night in Europe, and 150 EUR elsewhere."
    shorter = "180 EUR per night"
    assert unsupported(answer(f"{shorter} [1]\n\n{longer} [2]", shorter, longer)) == []


# --- refusal, language, cost -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "said", "right"),
    [(HOTEL, answer(), 1.0), (HOTEL, refusal(), 0.0), (NO_ANSWER, answer(), 0.0), (NO_ANSWER, refusal(), 1.0)],
)
def test_refusing_is_right_where_it_must_be_and_only_there(case: Case, said: RecordedAnswer, right: float) -> None:
    assert scored(case, trial(said))["refusal"] == right


def test_the_language_is_that_of_the_question_unless_the_case_names_one() -> None:
    japanese = Case(question="有給休暇は何日ですか。")
    assert scored(japanese, trial(answer("The leave is ten days of the year.")))["language"] == 0.0
    assert scored(japanese, trial(answer("10日です。[1]")))["language"] == 1.0
    assert scored(japanese, trial(answer("F-12")))["language"] is None
    english = Case(question="有給休暇", language="en")
    assert scored(english, trial(answer("The leave is ten days of the year.")))["language"] == 1.0


def test_titles_that_a_refusal_names_are_not_its_language() -> None:
    titles = ("年次有給休暇および特別休暇に関する規程", "就業規則")
    said = RecordedAnswer(
        text=f"The documents do not answer this question. Nearest: {'; '.join(titles)}.",
        style="refusal",
        nearest=titles,
    )
    assert scored(Case(question="What is the weather of the day?"), trial(said))["language"] == 1.0


def test_tokens_are_counted_where_a_model_ran() -> None:
    assert scored(HOTEL, trial(answer()))["tokens"] is None
    assert scored(HOTEL, trial(answer(prompt_tokens=90, completion_tokens=10), ms=5.5))["tokens"] == 100.0
    assert scored(HOTEL, trial(answer(), ms=5.5))["latency_ms"] == 5.5


def test_what_does_not_apply_has_no_score() -> None:
    bare = Case(question="What is new?")
    found = scored(bare, trial(refusal()), [hit()])
    assert {name for name, value in found.items() if value is not None} == {"refusal", "language", "latency_ms"}
    assert scored(NO_ANSWER, trial(refusal()))["answer"] is None
    assert set(found) == {scorer.name for scorer in SCORERS}


def test_a_fault_does_not_make_a_mean_better() -> None:
    found = scored(HOTEL, trial("The model server did not answer."))
    assert [found[name] for name in ("hit@1", "mrr", "answer", "citation", "refusal")] == [0.0] * 5
    assert scored(NO_ANSWER, trial("The model server did not answer."))["refusal"] == 0.0
    assert [found[name] for name in ("supported", "language", "latency_ms", "tokens")] == [None] * 4
