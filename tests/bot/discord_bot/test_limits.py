from __future__ import annotations

from bot.discord_bot.limits import MOST_KNOWN, Limits


def test_the_limit_of_a_person_and_of_a_channel_hold_for_a_minute() -> None:
    now = 0.0
    limits = Limits(2, 3, clock=lambda: now)
    assert [limits.wait(1, 9), limits.wait(1, 9)] == [None, None]
    assert limits.wait(1, 9) == ("person", 60.0)
    assert limits.wait(2, 9) is None
    assert limits.wait(3, 9) == ("channel", 60.0)
    assert limits.wait(3, 8) is None
    now = 20.0
    assert limits.wait(1, 7) == ("person", 40.0)
    now = 60.0
    assert limits.wait(1, 9) is None


def test_what_was_refused_is_not_counted() -> None:
    now = 0.0
    limits = Limits(1, 100, clock=lambda: now)
    limits.wait(1, 9)
    now = 59.0
    assert limits.wait(1, 9) == ("person", 1.0)
    now = 60.0
    assert limits.wait(1, 9) is None


def test_no_more_people_are_remembered_than_fit() -> None:
    limits = Limits(1, 10**9, clock=lambda: 0.0)
    for person in range(MOST_KNOWN + 5):
        limits.wait(person, 0)
    assert limits.wait(0, 0) is None
    assert limits.wait(MOST_KNOWN + 4, 0) is not None
