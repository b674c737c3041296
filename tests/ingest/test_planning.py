"""What is to be done to a source, decided without doing it; the plan as a whole is tested in `test_sync.py`."""

from __future__ import annotations

import pytest

from ingest.errors import TooMuchGone
from ingest.planning import check_share, plan, repointed
from ingest.sources import SourceItem
from retrieval.access import EVERYBODY, Readers
from retrieval.authority import Known

ALL = Readers(frozenset({EVERYBODY}))
HR = Readers(frozenset({"hr"}))


def known(digest: str, *, readers: Readers = ALL, recipe: str = "1", address: str = "") -> Known:
    return Known(f"id of {digest}", digest, recipe, readers, 1, "", address)


def test_a_document_is_replaced_for_other_bytes_or_another_recipe() -> None:
    stored = {"same.md": known("s"), "bytes.md": known("b"), "recipe.md": known("r", recipe="0")}
    made = plan({"same.md": "s", "bytes.md": "other", "recipe.md": "r"}, stored, ALL, ["1"])
    assert (made.replace, made.unchanged) == (("bytes.md", "recipe.md"), ("same.md",))


def test_each_document_that_went_is_moved_to_one_new_item_at_most() -> None:
    stored = {"old-1.md": known("s"), "old-2.md": known("s"), "gone.md": known("g")}
    made = plan({"new-1.md": "s", "new-2.md": "s", "new-3.md": "s"}, stored, ALL, ["1"])
    assert made.move == {"new-1.md": "old-1.md", "new-2.md": "old-2.md"}
    assert (made.add, made.remove) == (("new-3.md",), ("gone.md",))


def test_a_copy_of_a_document_that_stays_is_new() -> None:
    made = plan({"a.md": "s", "copy.md": "s"}, {"a.md": known("s")}, ALL, ["1"])
    assert (made.add, made.move) == (("copy.md",), {})


def test_readers_change_for_what_stays_and_for_what_cannot_be_read() -> None:
    stored = {"a.md": known("a", readers=HR), "locked.md": known("l", readers=HR), "gone.md": known("g", readers=HR)}
    assert plan({"a.md": "a", "locked.md": ""}, stored, ALL, ["1"]).repermit == ("a.md", "locked.md")


def test_an_address_changes_without_the_text_and_otherwise_with_it() -> None:
    stored = {one: known(one, address=f"/old/{one}") for one in ("moved.md", "there.md", "replaced.md")}
    items = [
        SourceItem("moved.md", "", "/new/moved.md", "moved.md"),
        SourceItem("there.md", "", "/old/there.md", "there.md"),
        SourceItem("replaced.md", "", "/new/replaced.md", "replaced.md"),
        SourceItem("added.md", "", "/new/added.md", "added.md"),
    ]
    assert repointed(items, stored, {"replaced.md"}) == {"id of moved.md": "/new/moved.md"}


@pytest.mark.parametrize(("going", "of", "before"), [(9, 9, 0), (3, 10, 0), (0, 10, 9), (1, 17, 5)])
def test_a_small_source_or_a_small_share_may_go(going: int, of: int, before: int) -> None:
    check_share("docs", going, of, 0.3, before)


@pytest.mark.parametrize(("going", "of", "before"), [(4, 10, 0), (10, 10, 0), (2, 16, 5)])
def test_a_large_share_does_not_go_though_it_comes_in_slices(going: int, of: int, before: int) -> None:
    with pytest.raises(TooMuchGone, match=f"{going + before} of {of + before} documents"):
        check_share("docs", going, of, 0.3, before)
