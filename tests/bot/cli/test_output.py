from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from bot.answers import Citation, Copy
from bot.cli.output import out, place, print_citations, print_hits, printable
from retrieval.documents import Hit


def test_text_of_documents_is_printed_letter_by_letter(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Mix it 1:100:3, press :key:, and read [bold]this[/bold]."
    out().print(text)
    assert capsys.readouterr().out == text + "\n"


def test_control_characters_go_and_every_kind_of_space_stays() -> None:
    assert printable("10\u00a0000\u202f¥　円\tok\n") == "10\u00a0000\u202f¥　円\tok\n"
    assert printable("\x1b[31mred\x07\u202e\ud800") == "[31mred"


def test_a_citation_of_a_file_that_has_changed_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    fresh = Citation(1, "d", "c", "Travel", (), "/x/travel.md", 3, None, "Text.", 0, 5)
    print_citations(out(), [fresh, replace(fresh, n=2, changed=True)], "How much?")
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("travel.md:3")
    assert second.endswith("travel.md:3  (the file has changed since it was read)")


def test_a_citation_tells_the_day_of_its_document(capsys: pytest.CaptureFixture[str]) -> None:
    dated = Citation(1, "d", "c", "Travel", (), "/x/travel.md", 3, None, "Text.", 0, 5, dated=date(2025, 3, 1))
    print_citations(out(), [dated], "How much?")
    assert capsys.readouterr().out.endswith("travel.md:3  2025-03-01\n")


def test_copies_are_named_below_a_citation_and_a_hit(capsys: pytest.CaptureFixture[str]) -> None:
    copy = Hit("e", "c", "Old [b]travel[/b]", (), "/x/old.md", "en", 9, None, 0, 5, "Text.", 1.0, 1.0, None)
    told = Copy(copy.document_id, copy.title, copy.address)
    print_citations(out(), [Citation(1, "d", "c", "Travel", (), "/x/travel.md", 3, None, "Text.", 0, 5, also=(told,))])
    print_hits(out(), [replace(copy, title="Travel", also=(copy,))], "いくら？")
    cited, found = capsys.readouterr().out.split("\n", 2)[1:]
    assert cited.strip() == f"also in: Old [b]travel[/b] ({place('/x/old.md', 1, None)})"
    assert f"ほかに: Old [b]travel[/b] ({place('/x/old.md', 1, None)})" in found
