from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.streaming import StopCutter


def run(pieces: list[bytes], stop: list[str]) -> list[str]:
    cutter = StopCutter(stop)
    return [*map(cutter.feed, pieces), cutter.finish()]


def cut_up(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, place = [], 0
    for size in sizes:
        pieces.append(data[place : place + size])
        place += size
    return [*pieces, data[place:]]


@given(st.text(), st.lists(st.integers(1, 4)))
def test_however_the_bytes_are_cut_the_text_is_whole_and_no_piece_is_broken(text: str, sizes: list[int]) -> None:
    pieces = run(cut_up(text.encode(), sizes), [])

    assert "".join(pieces) == text


@given(st.text("ab\n経"), st.lists(st.text("ab\n経", min_size=1, max_size=4), max_size=3), st.lists(st.integers(1, 4)))
def test_text_ends_before_the_first_stop_string_wherever_the_tokens_end(
    text: str, stop: list[str], sizes: list[int]
) -> None:
    places = [place for place in (text.find(each) for each in stop) if place >= 0]
    # cut character by character: the stop that is whole first wins, and it may begin after another one's beginning
    got = "".join(run(cut_up(text.encode(), sizes), stop))

    assert text.startswith(got)
    assert not any(each in got for each in stop)
    if places:
        assert min(places) <= len(got) < min(place + len(each) for each in stop if (place := text.find(each)) >= 0)
    else:
        assert got == text


def test_a_stop_string_across_three_tokens_is_never_shown_in_part() -> None:
    assert run([b"yes\nUs", b"er", b": no"], ["\nUser:"]) == ["yes", "", "", ""]


def test_what_only_looked_like_a_stop_string_is_shown_after_all() -> None:
    assert run([b"a\nUs", b"a"], ["\nUser:"]) == ["a", "\nUsa", ""]


def test_a_character_that_never_ends_becomes_a_replacement_at_the_end_only() -> None:
    assert run([b"ok", "経".encode()[:2]], []) == ["ok", "", "\N{REPLACEMENT CHARACTER}"]


def test_nothing_comes_after_a_stop() -> None:
    cutter = StopCutter(["."])

    assert (cutter.feed(b"one. two"), cutter.stopped) == ("one", True)
    assert (cutter.feed(b"three"), cutter.finish()) == ("", "")
