from __future__ import annotations

from datetime import date

from bot import phrases
from bot.answers import Nearest
from retrieval.filters import Filters

NEAR = (Nearest("d1", "Travel policy", "t.md", owner="#ask-people"), Nearest("d2", "Wi-Fi", "w.md"))


def test_a_refusal_says_whom_to_ask_where_that_is_known() -> None:
    said = phrases.refusal("What does the ferry to Bergen cost?", NEAR)
    assert said == "The documents do not answer this question. Nearest: Travel policy (ask #ask-people); Wi-Fi."


def test_a_refusal_says_it_in_the_language_of_the_question() -> None:
    said = phrases.refusal("フェリーの料金はいくらですか？", NEAR)
    assert said.endswith("近い文書: 「Travel policy」（担当: #ask-people）、「Wi-Fi」")


def test_a_refusal_without_any_document_names_none() -> None:
    assert phrases.refusal("Where is it?", ()) == "The documents do not answer this question."


def test_a_refusal_under_filters_says_that_only_those_were_searched() -> None:
    filters = Filters(frozenset({"People team"}), after=date(2025, 1, 31))
    said = phrases.refusal("Where is it?", (), filters)
    assert said.endswith('Only those that fit source:"People team" after:2025-01-31 were searched.')
    assert 'source:"People team" after:2025-01-31 に当てはまる文書だけ' in phrases.refusal(
        "場所はどこですか？", (), filters
    )
