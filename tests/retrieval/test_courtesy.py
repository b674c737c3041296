from __future__ import annotations

import threading
import time

import pytest

from retrieval import courtesy
from retrieval.courtesy import Courtesy


def test_a_writer_waits_until_the_last_search_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "LONGEST_S", 30.0)
    shared, steps = Courtesy(), list[str]()

    def write() -> None:
        shared.give_way()
        steps.append("written")

    with shared.searching():
        with shared.searching():
            writer = threading.Thread(target=write)
            writer.start()
        time.sleep(0.05)
        steps.append("searched")
    writer.join()
    assert steps == ["searched", "written"]


def test_a_writer_goes_on_beside_a_search_without_end() -> None:
    shared = Courtesy()
    with shared.searching():
        shared.give_way()  # returns


def test_a_search_that_fails_is_over_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "LONGEST_S", float("inf"))
    shared = Courtesy()
    with pytest.raises(ValueError, match="no search"), shared.searching():
        raise ValueError("no search")
    shared.give_way()  # returns


def test_after_a_search_another_one_is_expected_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Courtesy()
    assert not shared.expected
    with shared.searching():
        assert shared.expected
    assert shared.expected
    monkeypatch.setattr(courtesy, "RECENT_S", 0.0)
    assert not shared.expected
