from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.runs import Run
from models.sequences import LEAST_PARKED, Owner, Sequences, Slot, common
from tests.models.scripted import ScriptedContext

ANN, BOB, NOBODY = Owner("ann", ""), Owner("bob", ""), Owner("", "")
LONG = list(range(1, 1 + 2 * LEAST_PARKED))


def served(context: ScriptedContext, sequences: Sequences, prompt: list[int], owner: Owner) -> int:
    """Run a prompt and give its sequence back; returns how many tokens were there already."""
    slot = run(context, sequences, prompt, owner)
    sequences.release(slot)
    return len(prompt) - len(context.steps[-1][0].tokens)


def run(context: ScriptedContext, sequences: Sequences, prompt: list[int], owner: Owner) -> Slot:
    slot = sequences.take(prompt, owner)
    assert context.held[slot.sequence] == slot.tokens == prompt[: len(slot.tokens)]
    while left := prompt[len(slot.tokens) :]:
        tokens = left[: sequences.until_pinned(slot, prompt) or len(left)]
        context.decode([Run(slot.sequence, len(slot.tokens), tokens, 1)])
        slot.tokens += tokens
        sequences.pin(slot)
    return slot


def test_a_follow_up_of_the_same_person_finds_what_was_computed() -> None:
    context = ScriptedContext(sequences=2)
    sequences = Sequences(context)
    assert served(context, sequences, [1, 2, 3], ANN) == 0

    assert served(context, sequences, [1, 2, 3, 4], ANN) == 3
    assert served(context, sequences, [1, 2, 3, 4], ANN) == 3  # the last token must run to be continued


@pytest.mark.parametrize("stranger", [BOB, NOBODY, Owner("ann", "tuned")])
def test_nobody_else_does(stranger: Owner) -> None:
    context = ScriptedContext(sequences=1)
    sequences = Sequences(context, parked_bytes=10**6)
    served(context, sequences, LONG, ANN)

    assert served(context, sequences, LONG, stranger) == 0


def test_without_a_key_nothing_is_used_again() -> None:
    context = ScriptedContext(sequences=1)
    sequences = Sequences(context, parked_bytes=10**6)
    served(context, sequences, LONG, NOBODY)

    assert context.held == [[]]
    assert served(context, sequences, LONG, NOBODY) == 0


def test_a_conversation_that_had_to_leave_is_parked_and_taken_back() -> None:
    context = ScriptedContext(sequences=1)
    sequences = Sequences(context, parked_bytes=10**6)
    served(context, sequences, LONG, ANN)
    served(context, sequences, [9, *LONG], BOB)
    assert sequences.parked_bytes == 4 * len(LONG)

    assert served(context, sequences, [*LONG, 7], ANN) == len(LONG)
    assert context.restored == 1
    assert served(context, sequences, [9, *LONG, 7], BOB) == len(LONG) + 1


def test_another_question_of_the_same_person_does_not_destroy_a_conversation() -> None:
    context = ScriptedContext(sequences=1)
    sequences = Sequences(context, parked_bytes=10**6)
    served(context, sequences, LONG, ANN)
    assert served(context, sequences, [*LONG[:5], 99, 99], ANN) == 5

    assert served(context, sequences, [*LONG, 7], ANN) == len(LONG)


def test_a_parked_conversation_survives_a_short_question_of_the_same_person() -> None:
    context = ScriptedContext(sequences=1)
    sequences = Sequences(context, parked_bytes=10**6, pinned=[1, 2])
    served(context, sequences, LONG, ANN)
    served(context, sequences, [9, *LONG], BOB)
    assert served(context, sequences, [*LONG[:5], 99, 99], ANN) == 2  # so few are not worth fetching

    assert served(context, sequences, [*LONG, 7], ANN) == len(LONG)


def test_a_memory_that_cannot_be_cut_is_used_whole_or_not_at_all() -> None:
    context = ScriptedContext(sequences=2)
    context.cuttable = False
    sequences = Sequences(context, parked_bytes=10**6, pinned=[1, 2])
    served(context, sequences, LONG, ANN)

    assert served(context, sequences, [*LONG[:50], 99, 99], ANN) == 2  # the pinned prefix, whole
    assert served(context, sequences, [*LONG, 7], ANN) == len(LONG)


def test_parking_stays_within_its_bytes_and_drops_the_longest_unused() -> None:
    context = ScriptedContext(sequences=1)
    sequences = Sequences(context, parked_bytes=8 * len(LONG))
    for first in (201, 202, 203, 204):
        served(context, sequences, [first, *LONG[1:]], ANN)
        assert sequences.parked_bytes <= 8 * len(LONG)

    assert served(context, sequences, [201, *LONG[1:]], ANN) == 0
    assert served(context, sequences, [204, *LONG[1:], 1], ANN) == len(LONG)


def test_without_room_for_parking_nothing_is_kept() -> None:
    context = ScriptedContext(sequences=1)
    sequences = Sequences(context, parked_bytes=0)
    served(context, sequences, LONG, ANN)
    served(context, sequences, LONG, BOB)

    assert sequences.parked_bytes == 0
    assert served(context, sequences, LONG, ANN) == 0


def test_the_pinned_prefix_is_computed_once_and_shared_by_everybody() -> None:
    context = ScriptedContext(sequences=2)
    sequences = Sequences(context, pinned=[1, 2, 3])
    assert served(context, sequences, [1, 2, 3, 4, 5], ANN) == 3  # of its own: it stopped there for a moment
    assert [len(step[0].tokens) for step in context.steps] == [3, 2]

    assert served(context, sequences, [1, 2, 3, 6], BOB) == 3
    assert served(context, sequences, [1, 2, 3, 6], NOBODY) == 3
    assert served(context, sequences, [1, 2, 9, 9], NOBODY) == 0


def test_each_adapter_has_a_pinned_prefix_of_its_own() -> None:
    context = ScriptedContext(sequences=2)
    sequences = Sequences(context, pinned=[1, 2, 3])
    served(context, sequences, [1, 2, 3, 4], ANN)
    slot = sequences.take([1, 2, 3, 4], Owner("ann", "tuned"))

    assert slot.tokens == []


def test_a_memory_that_cannot_be_cut_is_computed_again() -> None:
    context = ScriptedContext(sequences=1)
    context.cuttable = False
    sequences = Sequences(context, parked_bytes=10**6)
    served(context, sequences, LONG, ANN)

    assert served(context, sequences, [*LONG[:50], 99, 99], ANN) == 0


def test_what_a_fault_left_behind_is_forgotten() -> None:
    context = ScriptedContext(sequences=1)
    sequences = Sequences(context, parked_bytes=10**6)
    sequences.release(run(context, sequences, LONG, ANN), forget=True)

    assert context.held == [[]]
    assert served(context, sequences, [*LONG, 1], ANN) == 0


@given(st.lists(st.integers(0, 2), max_size=40), st.lists(st.integers(0, 2), max_size=40))
def test_the_common_beginning_is_found(a: list[int], b: list[int]) -> None:
    shared = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))

    assert common(a, b) == shared
