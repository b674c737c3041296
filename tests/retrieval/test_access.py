from __future__ import annotations

import pytest

from retrieval.access import Audience, Principal, Readers


def test_one_shared_group_is_enough() -> None:
    assert Principal("a", frozenset({"all", "hr"})).may_read(Readers(frozenset({"hr", "legal"})))
    assert not Principal("a", frozenset({"all"})).may_read(Readers(frozenset({"hr", "legal"})))


def test_on_discord_only_what_is_marked() -> None:
    somebody = Principal("a", frozenset({"all"}), Audience.DISCORD)
    assert somebody.may_read(Readers(frozenset({"all"}), discord=True))
    assert not somebody.may_read(Readers(frozenset({"all"})))


def test_equal_readers_have_equal_keys_and_others_have_others() -> None:
    assert Readers(frozenset({"b", "a"})).key == Readers(frozenset({"a", "b"})).key
    assert Readers(frozenset({"a"})).key != Readers(frozenset({"a"}), discord=True).key


@pytest.mark.parametrize("groups", [frozenset[str](), frozenset({""})])
def test_readers_without_a_group_are_refused(groups: frozenset[str]) -> None:
    with pytest.raises(ValueError, match="group"):
        Readers(groups)


def test_no_group_name_can_pass_for_other_readers() -> None:
    assert Readers(frozenset({"hr+discord"})).key != Readers(frozenset({"hr"}), discord=True).key
    assert Readers(frozenset({"hr,legal"})).key != Readers(frozenset({"hr", "legal"})).key
