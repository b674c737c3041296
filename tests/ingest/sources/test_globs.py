from __future__ import annotations

import pytest

from ingest.errors import SourceError
from ingest.sources.globs import Globs


def test_without_patterns_everything_counts() -> None:
    globs = Globs()
    assert globs.takes("a/b.md")
    assert globs.enters("a")


def test_exclusion_wins_over_inclusion_and_may_be_taken_back() -> None:
    globs = Globs(["*.md"], ["draft*", "!draft-final.md"])
    assert globs.takes("a/b.md")
    assert not globs.takes("a/b.txt")
    assert not globs.takes("a/draft.md")
    assert globs.takes("a/draft-final.md")


def test_nothing_comes_back_from_an_excluded_folder() -> None:
    globs = Globs(exclude=["build/", "!build/keep.md"])
    assert not globs.enters("a/build")
    assert not globs.takes_below("a/build/keep.md")
    assert globs.takes_below("a/built/keep.md")


def test_a_leading_slash_means_the_root() -> None:
    globs = Globs(exclude=["/old"])
    assert not globs.takes_below("old/x.md")
    assert globs.takes_below("a/old/x.md")


def test_a_line_break_in_a_name_does_not_get_round_a_pattern() -> None:
    globs = Globs(exclude=["*.md", "old/"])
    assert not globs.takes("a\nb/x.md")
    assert not globs.takes("x\n.md")
    assert not globs.enters("a\nb/old")
    assert globs.takes("x.md\n")


def test_comments_and_empty_lines_are_no_patterns() -> None:
    assert Globs(["# a comment", "", "  "], []).takes("x.md")


@pytest.mark.parametrize("pattern", ["!", "a\\"])
def test_what_is_no_pattern_is_said(pattern: str) -> None:
    with pytest.raises(SourceError, match="correct or remove it"):
        Globs(exclude=[pattern])
