from __future__ import annotations

from bot.finding import merged
from retrieval.documents import Hit


def hit(name: str, score: float) -> Hit:
    return Hit(
        document_id="d", chunk_id=name, title="T", heading=(), address="t.md", language="en", line=1, page=None,
        start=0, end=1, text="x", score=score, words=1.0, similarity=None,
    )  # fmt: skip


def test_hits_of_several_searches_are_merged_by_their_ranks() -> None:
    first = [hit("a", 1.5), hit("b", 1.0), hit("c", 0.5)]
    second = [hit("d", 1.7), hit("b", 1.2)]
    assert [(one.chunk_id, one.score) for one in merged([first, second])] == [
        ("b", 1.2),
        ("a", 1.5),
        ("d", 1.7),
        ("c", 0.5),
    ]


def test_one_search_stays_as_it_is() -> None:
    hits = (hit("a", 1.0), hit("b", 2.0))
    assert merged([hits]) == hits
