from __future__ import annotations

import pytest

from bot.near_misses import names_another


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("What does E-4012 mean?", "E-4011 means that the token has expired."),
        ("E-4012とは何ですか", "E-4011: トークンの期限切れ。"),
        ("What is new in Tideboard 6.3?", "Tideboard 6.2 adds an export."),
        ("What does --dryrun do?", "--dry-run shows what would be done."),
        ("Where is max_retry set?", "max_retries is set in the file."),
        ("What was the hotel limit in 2023?", "Travel policy 2025. The hotel limit is 180 EUR."),
        ("2024年の上限は？", "令和7年4月改定。上限は180ユーロ。"),
        ("What does the travel policy from 2023 say?", "Travel policy 2025. The hotel limit is 180 EUR."),
        ("What does section 7 say?", "Section 4 says that badges are worn."),
        ("第5条には何とありますか", "第4条 社員証を着用すること。"),
        ("What does a G5 engineer earn?", "The G4 band is 9,800,000 yen."),
    ],
)
def test_another_thing_of_the_same_kind_is_noticed(question: str, passage: str) -> None:
    assert names_another(question, [passage])


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("What does E-4011 mean?", "E-4011 means that the token has expired. E-4021 means more."),
        ("E-4011 or E-9999?", "E-4011 means that the token has expired."),
        ("What is the hotel limit in 2026?", "The hotel limit is 180 EUR."),
        ("Is 200 EUR too much for a hotel?", "The hotel limit is 180 EUR."),
        ("What was decided in 2025?", "令和7年に決定した。"),
        ("What does --force do?", "It is done by force."),
        ("What does weave.op do?", "@weave.op traces a function."),
        ("What is the hotel limit?", "Section 4: The hotel limit is 180 EUR in 2025."),
        ("Who approves 3 days of leave?", "5 days of leave are approved by the head."),
        ("What costs 1.5 EUR?", "Coffee costs 1.2 EUR."),
        ("Who was chairman until 2000?", "Mori was chairman from 1994 to 2001."),
        ("Which plants opened between 1990 and 1995?", "The Sakaide plant opened in 1992."),
        ("What did the 1980s bring?", "The company was listed in 1984."),
        ("2000年以降の社長は誰ですか", "2001年に森が社長になった。"),
    ],
)
def test_what_is_held_or_has_no_rival_is_none(question: str, passage: str) -> None:
    assert not names_another(question, [passage])


def test_any_passage_may_hold_it() -> None:
    assert not names_another("What does E-4012 mean?", ["E-4011: expired", "E-4012: unknown"])


@pytest.mark.parametrize("run", ["1" * 24, "1" * 4000, "a-" * 2000, "a/" * 2000, "a1" * 2000])
def test_long_runs_have_one_reading(run: str) -> None:
    assert not names_another(f"what is a{run}z", [f"E-1 a{run}z"])


def test_a_code_is_told_behind_a_long_run_of_digits() -> None:
    assert names_another("1" * 4000 + " E-4012?", ["E-4011 has expired. " + "1" * 4000])
