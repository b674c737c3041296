from __future__ import annotations

from dataclasses import replace

import pytest

from bot.evidence import Span
from bot.headings import Heading
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
    pieces, citations = compose(spans, {})
    assert "".join(pieces) == "One line. [1]\nThe second line. [2]"
    assert [citation.n for citation in citations] == [1, 2]


def test_a_repeated_quote_is_said_once() -> None:
    pieces, citations = compose([Span(hit("d"), 100, 109, 1.0), Span(hit("e"), 100, 109, 1.0)], {})
    assert (len(pieces), len(citations)) == (1, 1)


def test_a_mark_does_not_spoil_a_table_or_a_fence() -> None:
    assert compose([Span(hit(), 137, 146, 1.0)], {})[0] == ["| a | b |\n[1]"]
    code = "```\nrun\n```"
    assert compose([Span(hit(text=code), 100, 111, 1.0)], {})[0] == [f"{code}\n[1]"]


def test_a_tables_header_and_rows_stand_together() -> None:
    table = hit(text="| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |")
    pieces, citations = compose([Span(table, 100, 109, 1.0), Span(table, 120, 129, 1.0)], {})
    assert pieces == ["| a | b |\n|---|---|\n| 1 | 2 |\n[1][2]"]
    assert [citation.quote for citation in citations] == ["| a | b |", "| 1 | 2 |"]


def test_a_header_row_alone_has_no_line_of_dashes_and_one_that_is_quoted_is_not_doubled() -> None:
    table = hit(text="| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |")
    assert compose([Span(table, 100, 109, 1.0)], {})[0] == ["| a | b |\n[1]"]
    whole = [Span(table, 100, 129, 1.0), Span(table, 130, 139, 1.0)]
    assert compose(whole, {})[0] == ["| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n[1][2]"]


def test_two_tables_are_two_blocks() -> None:
    tables = hit(text="| a | b |\n| 1 | 2 |\n\n| c | d |\n| 3 | 4 |")
    pieces, _ = compose([Span(tables, 110, 119, 1.0), Span(tables, 131, 140, 1.0)], {})
    assert pieces == ["| 1 | 2 |\n[1]", "\n| 3 | 4 |\n[2]"]


# --- headings --------------------------------------------------------------------------------------------------------

TRAVEL = Heading((), "Travel policy", 2, 15, 1)
HOTELS = Heading(("Travel policy",), "Hotels", 20, 26, 3)
TRAINS = Heading(("Travel policy",), "Trains", 60, 66, 9)


def test_a_heading_stands_before_the_first_quote_below_it_and_is_cited() -> None:
    cap, night = hit(text="The cap is 180."), replace(hit(text="Per night.", start=120), chunk_id="c2")
    spans = [Span(cap, 100, 115, 1.0), Span(night, 120, 130, 1.0)]
    pieces, citations = compose(spans, {"c": (TRAVEL, HOTELS), "c2": (TRAVEL, HOTELS)})
    assert "".join(pieces) == "Travel policy [1]\nHotels [2]\nThe cap is 180. [3]\nPer night. [4]"
    title, heading, *_ = citations
    assert (title.quote, title.start, title.end, title.line, title.heading) == ("Travel policy", 2, 15, 1, ())
    assert (heading.quote, heading.start, heading.end, heading.line) == ("Hotels", 20, 26, 3)
    assert (heading.heading, heading.document_id, heading.page) == (("Travel policy",), "d", None)


def test_what_stands_under_another_heading_is_set_apart() -> None:
    cap, train = hit(text="The cap is 180."), replace(hit(text="Second class.", start=170), chunk_id="c2")
    spans = [Span(cap, 100, 115, 1.0), Span(train, 170, 183, 1.0)]
    pieces, _ = compose(spans, {"c": (TRAVEL, HOTELS), "c2": (TRAVEL, TRAINS)})
    assert "".join(pieces) == ("Travel policy [1]\nHotels [2]\nThe cap is 180. [3]\n\nTrains [4]\nSecond class. [5]")


@pytest.mark.parametrize(
    ("quote", "shown"),
    [
        ("The hotel is paid.", ["Travel policy"]),
        ("Our policy for travels to hotels.", []),
        ("It is paid.", ["Travel policy", "Hotels"]),
    ],
)
def test_a_heading_whose_words_the_quotes_hold_is_not_repeated(quote: str, shown: list[str]) -> None:
    span = Span(hit(text=quote), 100, 100 + len(quote), 1.0)
    _, citations = compose([span], {"c": (TRAVEL, HOTELS)})
    assert [one.quote for one in citations] == [*shown, quote]


def test_a_heading_that_a_deeper_one_repeats_is_not_shown() -> None:
    deeper = Heading(("Hotels",), "Hotels in Bergen", 40, 56, 5)
    _, citations = compose([Span(hit(text="180 EUR."), 100, 108, 1.0)], {"c": (HOTELS, deeper)})
    assert [one.quote for one in citations] == ["Hotels in Bergen", "180 EUR."]


def test_two_documents_of_one_title_both_show_it() -> None:
    old, new = hit("d", "The cap is 180."), replace(hit("e", "The cap is 200."), chunk_id="c2")
    spans = [Span(old, 100, 115, 1.0), Span(new, 100, 115, 1.0)]
    pieces, citations = compose(spans, {"c": (TRAVEL,), "c2": (TRAVEL,)})
    assert "".join(pieces).count("Travel policy") == 2
    assert [one.document_id for one in citations] == ["d", "d", "e", "e"]


def test_what_is_said_already_brings_no_heading() -> None:
    again = replace(hit("e", "The cap is 180."), chunk_id="c2")
    spans = [Span(hit(text="The cap is 180."), 100, 115, 1.0), Span(again, 100, 115, 1.0)]
    pieces, _ = compose(spans, {"c": (TRAVEL,), "c2": (HOTELS,)})
    assert "Hotels" not in "".join(pieces)


def test_the_nearest_documents_are_named_once_each() -> None:
    assert [one.document_id for one in nearest([hit("a"), hit("b"), hit("a"), hit("c"), hit("d")])] == ["a", "b", "c"]


def test_the_nearest_documents_name_the_owner_of_their_source() -> None:
    hits = [replace(hit("a"), source="wiki"), replace(hit("b"), source="other"), hit("c")]
    assert [one.owner for one in nearest(hits, {"wiki": "IT team"})] == ["IT team", "", ""]


def test_a_citation_names_the_copies_that_hold_its_quote() -> None:
    whole, part = hit("copy"), hit("part", text="One  line.")
    also = {
        quote: [copy.document_id for copy in cite(1, replace(hit(), also=(whole, part)), *span).also]
        for quote, span in {"One line.": (100, 109), "The second line.": (110, 126)}.items()
    }
    assert also == {"One line.": ["copy", "part"], "The second line.": ["copy"]}
