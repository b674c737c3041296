import pytest

from ingest.errors import EmptyDocument, UndecodableText, UnknownFormat
from ingest.loaders import SUFFIXES, parse


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownFormat, match=r"sheet\.numbers: .*\.docx .*\.md .*\.pdf"):
        parse("sheet.numbers", b"PK")
    with pytest.raises(UnknownFormat):
        parse("Makefile", b"all:")


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_an_empty_file_is_refused(suffix: str) -> None:
    with pytest.raises(EmptyDocument, match="empty"):
        parse("a" + suffix, b"")


@pytest.mark.parametrize("name", ["a.md", "a.TXT", "a.html"])
def test_files_without_a_word_and_binary_junk_are_refused(name: str) -> None:
    with pytest.raises(EmptyDocument, match="no text"):
        parse(name, b" \n --- \n\n")
    with pytest.raises(UndecodableText, match=name):
        parse(name, b"\x7fELF\0\0\0\1\2\3" * 50)
