from __future__ import annotations

from dataclasses import replace

import pytest

from bot.evidence import Span
from bot.quoting import cite, compose, nearest
from retrieval.documents import Hit

TEXT = "One line.\nThe second line. And more.\n| a | b |"


def hit(document: str = "d", text: str = TEXT, start: int = 100) -> Hit:
    return Hit(document, "c", "T", ("H",), "/t.md", "en", 7, None, start, start + len(text), text, 1.0, 1.0, None)


def test_a_citation_is_the_span_with_its_line() -> None:
    citation = cite(1, hit(), 110, 126)
    assert (citation.quote, citation.line, citation.start, citation.end) == ("The second line.", 8, 110, 126)


@pytest.mark.parametrize(("start", "end"), [(99, 110), (110, 500), (110, 110), (120, 110)])
def test_a_span_outside_its_passage_is_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="not within"):
        cite(1, hit(), start, end)


def test_pieces_join_to_the_answer_and_each_is_marked() -> None:
    spans = [Span(hit(), 100, 109, 1.0), Span(hit(), 110, 126, 1.0)]
    pieces, citations = compose(spans)
    assert "".join(pieces) == "One line. [1]\nThe second line. [2]"
    assert [citation.n for citation in citations] == [1, 2]


def test_a_repeated_quote_is_said_once() -> None:
    pieces, citations = compose([Span(hit("d"), 100, 109, 1.0), Span(hit("e"), 100, 109, 1.0)])
    assert (len(pieces), len(citations)) == (1, 1)


def test_a_mark_does_not_spoil_a_table_or_a_fence() -> None:
    assert compose([Span(hit(), 137, 146, 1.0)])[0] == ["| a | b |\n[1]"]
    code = "```\nrun\n```"
    assert compose([Span(hit(text=code), 100, 111, 1.0)])[0] == [f"{code}\n[1]"]


def test_a_tables_header_and_rows_stand_together() -> None:
    table = hit(text="| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |")
    pieces, citations = compose([Span(table, 100, 109, 1.0), Span(table, 120, 129, 1.0)])
    assert pieces == ["| a | b |\n| 1 | 2 |\n[1][2]"]
    assert [citation.quote for citation in citations] == ["| a | b |", "| 1 | 2 |"]


def test_the_nearest_documents_are_named_once_each() -> None:
    assert [one.document_id for one in nearest([hit("a"), hit("b"), hit("a"), hit("c"), hit("d")])] == ["a", "b", "c"]


def test_the_nearest_documents_name_the_owner_of_their_source() -> None:
    hits = [replace(hit("a"), source="wiki"), replace(hit("b"), source="other"), hit("c")]
    assert [one.owner for one in nearest(hits, {"wiki": "IT team"})] == ["IT team", "", ""]
