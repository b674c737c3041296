from __future__ import annotations

import re

import pytest
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from bot.evaluation.comparing import compare
from bot.evaluation.outcomes import Verdict
from bot.evaluation.report import MOST_OPENED, PAGE_STYLE, comparison_page, run_page
from bot.evaluation.runs import JudgePin, Run
from bot.evaluation.suite import Case
from bot.report_page import policy
from tests.bot.evaluation.conftest import HOTEL, NO_ANSWER, answer, citation, hit, record, refusal, run_of, trial

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;</style></details><b style=color:red>x"
PIN = JudgePin(model="judge", model_sha256="ab" * 32, prompt="judge-1")


def some_run(said: str = "180 EUR. [1]", **subject: object) -> Run:
    return run_of(
        record(HOTEL, trial(answer(said), verdict=Verdict(score=0.5, said="Partly so.")), hits=[hit()]),
        record(NO_ANSWER, trial(refusal(), ms=30.0)),
        record(Case(id="broken", question="Broken?"), trial("The model server did not answer."), error="No index."),
        judge=PIN,
        **subject,
    )


def hostile_run() -> Run:
    case = Case(id=HOSTILE[:150], question=HOSTILE, accepted=(HOSTILE,), source=(HOSTILE,), tags=(HOSTILE,))
    said = answer(HOSTILE, model=HOSTILE).model_copy(
        update={"citations": (citation(HOSTILE, title=HOSTILE, heading=(HOSTILE,), address=HOSTILE),)}
    )
    records = (
        record(case, trial(said, verdict=Verdict(score=None, said=HOSTILE)), hits=[hit(HOSTILE, title=HOSTILE)]),
        record(Case(id="2", question="q"), trial(HOSTILE), error=HOSTILE),
    )
    judge = PIN.model_copy(update={"model": HOSTILE, "prompt": HOSTILE})
    hostile = {"model": HOSTILE, "prompt": HOSTILE, "embedder": HOSTILE, "settings": {HOSTILE: HOSTILE}}
    return run_of(*records, name=HOSTILE, judge=judge, **hostile)


def test_a_run_shows_scores_with_intervals_cases_and_what_was_measured() -> None:
    tree = HTMLParser(run_page(some_run()))
    text = tree.text()
    for part in (
        "hit@1",
        "every sentence stands",
        "What is the hotel limit?",
        "180 EUR. [1]",
        "1 case with a fault",
        "answer@1",
    ):
        assert part in text
    assert "Apart from the scores: 0.500" in text
    assert len(tree.css("rect.track")) == 9  # a bar for each share that applies
    assert len(tree.css("svg text")) == 4  # the distribution's


def test_cases_that_fell_short_come_first_and_open() -> None:
    tree = HTMLParser(run_page(some_run()))
    opened = [one.text() for one in tree.css("details[open] > summary")]
    assert opened == ["Broken?"]
    assert "No index." in tree.text()


def test_of_thousands_that_fell_short_the_first_are_open_and_good_ones_have_no_passages() -> None:
    short = [record(Case(id=f"s{n}", question=f"Short {n}?"), trial("No answer.")) for n in range(MOST_OPENED + 9)]
    good = [record(Case(id=f"g{n}", question=f"Good {n}?"), trial(answer()), hits=[hit()]) for n in range(9)]
    tree = HTMLParser(run_page(run_of(*short, *good)))
    assert len(tree.css("details.case")) == MOST_OPENED + 18
    assert len(tree.css("details[open]")) == MOST_OPENED
    assert "passage found" not in tree.text()


def test_tables_name_their_columns_and_rows_and_plots_say_what_they_show() -> None:
    for page in (run_page(some_run()), comparison_page(compare(some_run(), some_run("No.", prompt="answer@2")))):
        tree = HTMLParser(page)
        assert all(cell.attributes.get("scope") in ("col", "row") and cell.text().strip() for cell in tree.css("th"))
        plots = [one.attributes for one in tree.css("svg")]
        assert plots
        assert all("aria-hidden" in one or one.get("aria-label") for one in plots)
    assert "2 answers: half within 10 ms, 95 % within 30 ms" in HTMLParser(run_page(some_run())).text()


def test_a_question_is_marked_with_its_language() -> None:
    asked = run_of(record(Case(question="有給休暇は何日付与されますか。"), trial(answer())))
    assert HTMLParser(run_page(asked)).css_first("summary bdi").attributes["lang"] == "ja"


def test_what_changed_in_the_prompt_is_shown() -> None:
    one = some_run(prompt_text="Be brief.\nCite <all>.")
    other = some_run(prompt="answer@2", prompt_text="Be brief.\nCite each.")
    tree = HTMLParser(comparison_page(compare(one, other)))
    assert tree.css_first(".diff").text().splitlines()[-2:] == ["-Cite <all>.", "+Cite each."]
    assert HTMLParser(comparison_page(compare(some_run(), other))).css(".diff") == []
    assert "Cite <all>." in HTMLParser(run_page(one)).text()


def test_a_sentence_that_nothing_supports_is_pointed_at() -> None:
    assert (
        "Submarines are yellow and free."
        in HTMLParser(run_page(some_run("180 EUR. [1] Submarines are yellow and free."))).css_first("p.bad + ul").text()
    )


def test_a_comparison_shows_both_answers_and_what_differs() -> None:
    text = HTMLParser(comparison_page(compare(some_run(), some_run("At most 180 EUR. [1]", prompt="answer@2")))).text()
    for part in ("180 EUR. [1]", "At most 180 EUR. [1]", "another answer", "answer@2", "1 came out differently"):
        assert part in text


def test_cases_that_one_suite_lacks_are_named() -> None:
    a = run_of(record(HOTEL, trial(answer())), record(NO_ANSWER, trial(refusal())))
    b = run_of(record(HOTEL, trial(answer())))
    assert f"Only in the first run: {NO_ANSWER.id}" in HTMLParser(comparison_page(compare(a, b, force=True))).text()


@pytest.mark.parametrize("which", ["run", "comparison"])
def test_hostile_text_stays_text_and_the_page_needs_nothing_else(which: str) -> None:
    run, other = hostile_run(), hostile_run()
    other = other.model_copy(
        update={
            "cases": (other.cases[0].model_copy(update={"trials": (trial(refusal(HOSTILE)),)}), *other.cases[1:]),
            "subject": other.subject.model_copy(update={"model": HOSTILE * 2}),
        }
    )
    page = run_page(run) if which == "run" else comparison_page(compare(run, other))
    tree = HTMLParser(page)
    assert tree.css("script, img, [onerror], [style], b, link, iframe, object, [src], [href]") == []
    assert HOSTILE in tree.text()
    assert len(tree.css("style")) == 1
    assert not re.search(r"url\(|@import|https?://", page)
    assert policy(PAGE_STYLE) in str(tree.css_first("meta[http-equiv]").attributes["content"])


def test_dark_and_light_are_the_readers_choice() -> None:
    assert "color-scheme: light dark" in PAGE_STYLE
    assert PAGE_STYLE.count("prefers-color-scheme: dark") == 2


def test_marks_that_turn_text_around_are_spelled_out() -> None:
    page = run_page(some_run("180 EUR \u202egnp.exe\u202c [1]"))
    assert "\u202e" not in page
    assert "\\u202e" in page
