"""Conversations, whole: what a thread adds to a question, and that it adds nothing to anybody else's."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answers import Answer, Delta, Done, Question, Searching, Timings, Usage
from bot.assistant import Assistant
from bot.identity import BearerTokens
from bot.store import ConversationStore
from models.fakes import ScriptedChat
from retrieval.access import EVERYBODY, Audience, Principal
from tests.bot.conftest import IN_HR, SOMEBODY, answer_of, events_of

Make = Callable[..., Assistant]
HOTEL = "What is the hotel limit per night in Europe?"
ANYBODY = BearerTokens([])(None)
PEOPLE = (SOMEBODY, IN_HR, Principal(SOMEBODY.id, frozenset({*SOMEBODY.groups, "hr"})), ANYBODY)


def said(assistant: Assistant, *questions: str) -> list[Answer]:
    """The answers to questions of one thread."""

    async def talk() -> list[Answer]:
        return [await answer_of(assistant, question, thread="t") for question in questions]

    return asyncio.run(talk())


def test_thanks_are_answered_without_a_search_and_no_follow_up_leans_on_them(make_assistant: Make) -> None:
    async def talk() -> tuple[list[Any], Answer]:
        assistant = make_assistant()
        await answer_of(assistant, HOTEL, thread="t")
        thanked = await events_of(assistant, "Thanks!", thread="t")
        return thanked, await answer_of(assistant, "And what about breakfast there?", thread="t")

    thanked, after = asyncio.run(talk())
    assert [type(event) for event in thanked] == [Delta, Done]
    assert (thanked[-1].answer.style, thanked[-1].answer.text) == ("courtesy", "You are welcome.")
    assert thanked[-1].answer.citations == ()
    assert "Breakfast is paid by the company." in after.text


def test_a_lone_word_is_a_question_only_after_another(make_assistant: Make) -> None:
    first, _, after = said(make_assistant(), "why?", HOTEL, "why?")
    assert (first.style, first.citations) == ("courtesy", ())
    assert after.style != "courtesy"


def test_a_correction_is_answered_with_what_it_says_or_not_at_all(make_assistant: Make) -> None:
    _, corrected, unknown = said(make_assistant(), HOTEL, "Sorry, I meant the breakfast", "No, in Brazil")
    assert "Breakfast is paid by the company." in corrected.text
    assert unknown.refused  # the answer to the question before would be a wrong one


def test_the_former_subject_does_not_pull_a_question_of_its_own(make_assistant: Make) -> None:
    _, other, unknown = said(
        make_assistant(), HOTEL, "有給休暇は何日付与されますか。", "What colour is the company's submarine?"
    )
    assert "10日" in other.text
    assert unknown.refused


# --- nothing crosses threads or people --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_what_is_searched_for_never_holds_a_word_of_another_conversation(make_assistant: Make, seed: int) -> None:
    """Each conversation asks in words of its own, in any order among the others; each question leans on its history."""
    chance = random.Random(seed)  # noqa: S311 (no secret is made of it)
    assistant = make_assistant()

    async def talk() -> None:
        threads: dict[int, str] = {}
        for step in range(24):
            number = chance.randrange(2 * len(PEOPLE))
            person = PEOPLE[number % len(PEOPLE)]
            thread = threads.get(number, f"thread {number // len(PEOPLE)}")  # of different people by the same name
            events = await events_of(assistant, f"And the word{number}x step{step}?", person, thread)
            assert isinstance(events[0], Searching)
            assert set(re.findall(r"word(\d+)x", events[0].query)) == {str(number)}
            threads[number] = events[-1].answer.thread  # type: ignore[union-attr]  # an answer is the last
        assert len(set(threads.values())) >= 2

    asyncio.run(talk())


person = st.builds(
    Principal,
    st.sampled_from(["mori", "sato", ANYBODY.id]),
    st.frozensets(st.sampled_from(["all", "hr", "board"]), min_size=1),
    st.sampled_from(list(Audience)),
)


@settings(max_examples=25, deadline=None)
@given(turns=st.lists(st.tuples(person, st.sampled_from(["t", "u", "T", "t "])), max_size=12))
def test_a_history_is_of_one_person_in_one_thread_with_the_same_rights(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[Principal, str]]
) -> None:
    store = ConversationStore(tmp_path_factory.mktemp("conversations"))
    for number, (who, thread) in enumerate(turns):
        asked = Question("q", f"question {number}", who, thread)
        kept = Answer("q", "?", f"answer {number}", "quote", (), (), "m", Usage(), Timings(0, 0, 0), f"trace {number}")
        store.save_turn(asked, asked.text, kept)
    for who, thread in turns:
        own = [f"question {number}" for number, turn in enumerate(turns) if turn == (who, thread)]
        history = store.history(thread, principal=who, most=20)
        assert [turn.question for turn in history] == own
    store.close()


def test_a_follow_up_is_understood_in_its_thread_and_nowhere_else(make_assistant: Make) -> None:
    async def talk() -> tuple[str, bool, bool]:
        assistant = make_assistant()
        await answer_of(assistant, HOTEL, thread="t")
        again = await answer_of(assistant, "And what about breakfast there?", thread="t")
        other_thread = await events_of(assistant, "And there?", thread="u")
        other_person = await events_of(assistant, "And there?", IN_HR, thread="t")
        queries = [events[0].query for events in (other_thread, other_person) if isinstance(events[0], Searching)]
        return again.text, queries[0] == "And there?", queries[1] == "And there?"

    text, alone_in_thread, alone_in_person = asyncio.run(talk())
    assert "Breakfast is paid by the company." in text
    assert alone_in_thread
    assert alone_in_person


def test_strangers_who_choose_the_same_thread_have_nothing_in_common(make_assistant: Make) -> None:
    async def talk() -> tuple[Answer, Any, Answer]:
        assistant = make_assistant()
        first = await answer_of(assistant, HOTEL, ANYBODY, thread="1")
        stranger = await events_of(assistant, "And breakfast there?", ANYBODY, thread="1")
        again = await answer_of(assistant, "And breakfast there?", ANYBODY, thread=first.thread)
        return first, stranger, again

    first, stranger, again = asyncio.run(talk())
    assert stranger[0] == Searching("And breakfast there?")
    assert len({"1", first.thread, stranger[-1].answer.thread}) == 3
    assert again.thread == first.thread
    assert "Breakfast is paid by the company." in again.text


def test_a_thread_that_only_looks_like_one_of_ours_is_not_taken(make_assistant: Make) -> None:
    chosen = "t_" + "A" * 24
    answer = asyncio.run(answer_of(make_assistant(), HOTEL, ANYBODY, thread=chosen))
    assert answer.thread not in {"", chosen}


def test_whoever_is_known_names_their_threads_and_an_empty_name_is_none(make_assistant: Make) -> None:
    assert asyncio.run(answer_of(make_assistant(), HOTEL, SOMEBODY, thread="1")).thread == "1"
    assert asyncio.run(answer_of(make_assistant(), HOTEL, ANYBODY)).thread == ""


def test_what_belongs_to_no_thread_is_not_kept(make_assistant: Make, tmp_path: Path) -> None:
    asyncio.run(answer_of(make_assistant(), HOTEL, SOMEBODY))
    store = ConversationStore(tmp_path / "data")
    assert store.history("", principal=SOMEBODY) == []
    store.close()


def test_an_answer_from_a_group_does_not_follow_who_left_it(make_assistant: Make) -> None:
    async def talk() -> tuple[str, Any]:
        assistant = make_assistant()
        inside = Principal("local:somebody", frozenset({EVERYBODY, "hr"}))
        outside = Principal("local:somebody", frozenset({EVERYBODY}))
        answer = await answer_of(assistant, "What is the top of the G4 engineer band?", inside, thread="t")
        return answer.text, await events_of(assistant, "And that of G5?", outside, thread="t")

    told, events = asyncio.run(talk())
    assert "9,800,000" in told
    assert events[0] == Searching("And that of G5?")


# --- the language of the answer ---------------------------------------------------------------------------------------


def test_prose_in_another_language_than_the_question_gives_way_to_the_quote(make_assistant: Make) -> None:
    prose = "In Europe the hotel limit is 180 EUR per night. [1]"
    english, japanese = (
        said(make_assistant(ScriptedChat(answers=[prose])), question)[0]
        for question in (HOTEL, "Europe の hotel limit per night はいくらですか。")
    )
    assert english.text == prose
    assert japanese.text == "“The hotel limit is 180 EUR per night in Europe.” [1]"
