import io
import zipfile
from datetime import UTC, date, datetime

import docx
import openpyxl
import pptx
import pytest

from ingest.errors import DocumentError
from ingest.loaders import office, parse

SUFFIXES = pytest.mark.parametrize("suffix", [".docx", ".pptx", ".xlsx"])


def archive(**parts: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as writing:
        for name, text in parts.items():
            writing.writestr(name, text)
    return file.getvalue()


@SUFFIXES
def test_a_password_is_told(suffix: str) -> None:
    with pytest.raises(DocumentError, match=rf"protected by a password .*save it as \{suffix}"):
        parse("a" + suffix, b"\xd0\xcf\x11\xe0" + b"\0" * 600)
    encrypted = bytearray(archive(a="x"))
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1  # the flags in the central directory
    with pytest.raises(DocumentError, match="protected by a password"):
        parse("a" + suffix, bytes(encrypted))


@SUFFIXES
@pytest.mark.parametrize(
    "data", [b"junk", b"PK\x03\x04junk", archive(hello="hello"), archive(), archive(a="x")[:-9]], ids=range(5)
)
def test_what_is_no_office_file_is_refused(suffix: str, data: bytes) -> None:
    with pytest.raises(DocumentError, match="damaged"):
        parse("a" + suffix, data)


@SUFFIXES
def test_an_archive_that_unpacks_to_too_much_is_refused_unopened(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office, "UNPACKED_LIMIT", 1_000_000)
    with pytest.raises(DocumentError, match="unpacks to more than 1 MB"):
        parse("a" + suffix, archive(one="0" * 600_000, two="0" * 600_000))


@SUFFIXES
def test_an_archive_of_too_many_parts_is_refused(suffix: str) -> None:
    with pytest.raises(DocumentError, match="more than 20,000 parts"):
        parse("a" + suffix, archive(**dict.fromkeys(map(str, range(20_001)), "")))


def test_the_properties_say_the_day_of_the_last_change() -> None:
    said = '<x><dcterms:modified xsi:type="dcterms:W3CDTF">2025-02-01T10:00:00Z</dcterms:modified></x>'
    assert office.modified(archive(**{"docProps/core.xml": said})) == date(2025, 2, 1)
    assert office.modified(archive(**{"docProps/core.xml": "<x/>"})) is None
    assert office.modified(archive(a="x")) is None


@SUFFIXES
def test_an_office_file_is_of_the_day_of_its_properties(suffix: str) -> None:
    file = io.BytesIO()
    if suffix == ".docx":
        word = docx.Document()
        word.add_paragraph("The cap is 180 EUR.")
        word.core_properties.modified = datetime(2025, 2, 1)
        word.save(file)
    elif suffix == ".pptx":
        slides = pptx.Presentation()
        slides.slides.add_slide(slides.slide_layouts[0]).shapes.title.text = "The cap is 180 EUR."  # type: ignore[union-attr]
        slides.core_properties.modified = datetime(2025, 2, 1)
        slides.save(file)
    else:
        book = openpyxl.Workbook()
        book.active["A1"] = "The cap is 180 EUR."  # type: ignore[index]
        book.save(file)  # which says the present moment
    today = datetime.now(UTC).date()
    assert parse("a" + suffix, file.getvalue()).dated in ({today} if suffix == ".xlsx" else {date(2025, 2, 1)})
