from datetime import date

import pytest

from ingest.errors import DocumentError, EmptyDocument
from ingest.loaders import parse
from ingest.splitting import split

Line = tuple[int, int, str]


def pdf(*pages: list[Line], title: str = "", trailer: str = "") -> bytes:
    """A minimal PDF; each line is (font size, height on the page, text)."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for i, lines in enumerate(pages):
        content = "".join(f"BT /F1 {size} Tf 72 {y} Td ({text}) Tj ET\n" for size, y, text in lines)
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {5 + 2 * i} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>",
            f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        ]
    objects.append(f"<< /Title ({title}) >>")
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    out += (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R "
        f"/Info {len(objects)} 0 R {trailer} >>\nstartxref\n{len(out)}\n%%EOF\n"
    )
    return out.encode("latin-1")


PAGES: tuple[list[Line], ...] = (
    [
        (20, 740, "Travel policy"),
        (12, 700, "The hotel cap is 180 EUR for each"),
        (12, 686, "night, and reim-"),
        (12, 672, "bursement takes ten days."),
        (12, 640, "A second paragraph that"),
        (9, 40, "1"),
    ],
    [
        (12, 740, "goes on over the page."),
        (16, 700, "Meals"),
        (12, 680, "\\225 Lunch is 20 EUR."),
        (12, 666, "\\225 Dinner is 40 EUR."),
        (9, 40, "2"),
    ],
)


def test_lines_become_paragraphs_and_larger_lines_headings() -> None:
    document = parse("a.pdf", pdf(*PAGES))
    assert document.text == (
        "# Travel policy\n\nThe hotel cap is 180 EUR for each night, and reimbursement takes ten days.\n\n"
        "A second paragraph that goes on over the page.\n\n## Meals\n\n- Lunch is 20 EUR.\n- Dinner is 40 EUR."
    )
    assert (document.title, document.language) == ("Travel policy", "en")
    assert [mark.heading for mark in document.marks][-1] == ("Travel policy", "Meals")


def test_chunks_know_their_page() -> None:
    assert [chunk.page for chunk in split(parse("a.pdf", pdf(*PAGES)))] == [1, 2]


def test_the_title_of_the_metadata_counts_unless_it_is_a_program_s() -> None:
    assert parse("a.pdf", pdf(*PAGES, title="Rules of travel")).title == "Rules of travel"
    assert parse("a.pdf", pdf(*PAGES, title="Microsoft Word - x.doc")).title == "Travel policy"


def test_lines_at_the_edge_that_all_pages_share_are_left_out() -> None:
    words = ("apples", "pears", "plums", "figs")
    pages = [[(9, 780, "Kumo Ltd. confidential"), (12, 700, f"We buy {w}."), (12, 686, f"We sell {w}.")] for w in words]
    text = parse("a.pdf", pdf(*pages)).text
    assert "confidential" not in text
    assert all(f"We buy {word}. We sell {word}." in text for word in words)


def test_a_pdf_without_text_says_that_it_needs_ocr() -> None:
    with pytest.raises(EmptyDocument, match="OCR"):
        parse("scan.pdf", pdf([]))


@pytest.mark.parametrize("data", [b"junk", b"%PDF-1.7 truncated", pdf(*PAGES)[:300]])
def test_a_damaged_pdf_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"a\.pdf: .*damaged"):
        parse("a.pdf", data)


def test_an_encrypted_pdf_is_refused_in_words() -> None:
    key = "00" * 32
    encrypted = pdf(
        *PAGES,
        trailer=f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{key}> /U <{key}> >> /ID [<{key}> <{key}>]",
    )
    with pytest.raises(DocumentError, match="password"):
        parse("a.pdf", encrypted)


def test_the_metadata_say_what_day_it_is_of() -> None:
    dated = pdf(*PAGES, title="Travel) /CreationDate (D:20240131090000Z) /ModDate (D:20250201120000+09'00'")
    assert parse("a.pdf", dated).dated == date(2025, 2, 1)
    assert parse("a.pdf", pdf(*PAGES)).dated is None
