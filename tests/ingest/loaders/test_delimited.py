import pytest

from ingest.errors import DocumentError, EmptyDocument, UndecodableText
from ingest.loaders import parse
from ingest.splitting import split

PRICES = '品名,価格,備考\r\nりんご,120,"青森産, 大玉"\r\nみかん,80,\r\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "euc-jp", "utf-16"])
def test_japanese_files_are_read_in_every_encoding_spreadsheets_write(encoding: str) -> None:
    document = parse("価格.csv", PRICES.encode(encoding))
    assert document.text == "品名: りんご; 価格: 120; 備考: 青森産, 大玉\n\n品名: みかん; 価格: 80"
    assert document.title == "価格"


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("name;x;y\na;1,5;2,5\nb;2,5;3,5\n", "name: b; x: 2,5; y: 3,5"),
        ("name\tx, y\na\t1, 2\nb\t3, 4\n", "name: b; x, y: 3, 4"),
        ("name|x\na|1\nb|2\n", "name: b; x: 2"),
        ("name,said\nO'Hara,it's\nO'Neil,that's\n", "name: O'Neil; said: that's"),
        ("sep=;\nname;x\nb;1,2,3\n", "name: b; x: 1,2,3"),
        ('name,note\nb,"two\nlines, ""quoted"""\n', 'name: b; note: two lines, "quoted"'),
        ("only one\ncolumn here\n", "column here"),
    ],
)
def test_the_delimiter_is_told_by_the_rows(text: str, last: str) -> None:
    assert parse("a.csv", text.encode()).text.split("\n\n")[-1] == last


def test_every_chunk_of_a_long_table_names_its_columns() -> None:
    rows = "".join(f"Hotel {i},Oslo {i},{100 + i}\n" for i in range(500))
    document = parse("hotels.tsv", ("Name,City,Price\n" + rows).encode())
    chunks = split(document)
    assert len(chunks) > 5
    for chunk in chunks:
        for line in document.text[chunk.start : chunk.end].split("\n\n"):
            assert line.startswith("Name: Hotel ")
            assert "; Price: " in line


def test_a_quotation_mark_never_closed_is_told() -> None:
    with pytest.raises(DocumentError, match="quotation mark"):
        parse("a.csv", b'a,b\n1,"' + b"x\n" * 100_000)


def test_no_table_at_all_is_refused_or_read_as_it_is() -> None:
    with pytest.raises(UndecodableText):
        parse("a.csv", b"PK\x03\x04\0\0\0\0" * 20)
    with pytest.raises(EmptyDocument):
        parse("a.csv", b",,,\n;;;\n\n")
    assert parse("a.csv", b"Just a sentence.\nAnd one more.\n").text == "Just a sentence.\n\nAnd one more."
