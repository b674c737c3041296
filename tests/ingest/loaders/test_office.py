import io
import zipfile

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
