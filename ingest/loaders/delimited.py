"""CSV and TSV files into a `Document`: a line for each row that names its columns. Knows encodings only by `decode`.

`csv.Sniffer` is not used: it takes apostrophes for quotes and letters for delimiters. Which of the delimiters parts
the first rows most evenly is measured instead.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from ingest.decoding import decode
from ingest.errors import DocumentError
from ingest.loaders.records import Row, write_rows
from ingest.loaders.writer import Writer
from retrieval.documents import Document
from retrieval.language import language

_DELIMITERS = "\t;,|"
"""Rarest in text first: of two that part the rows evenly, the rarer one was meant."""
_LOOKED_AT = 50
"""Rows that tell the delimiter."""
_DECLARED = re.compile(r"\"?sep=(.)\"?\n", re.IGNORECASE)
"""The line by which Excel lets a file name its delimiter."""


def load(stem: str, data: bytes) -> Document:
    """Parse a .csv or .tsv file; its title is `stem`."""
    text = decode(data)
    declared = _DECLARED.match(text)
    text = text[declared.end() :] if declared else text
    writer = Writer()
    try:
        delimiter = declared[1] if declared else _delimiter(text)
        write_rows(writer, _rows(text, delimiter))
    except csv.Error as error:
        raise DocumentError(
            f"It cannot be read as a table ({error}): look for a quotation mark that is never closed."
        ) from error
    text, marks = writer.finish()
    return Document(stem, text, language(text), marks)


def _rows(text: str, delimiter: str) -> Iterator[Row]:
    for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        yield Row(cells)


def _delimiter(text: str) -> str:
    """The delimiter that gives most of the first rows one and the same number of cells, above 1."""

    def evenness(delimiter: str) -> int:
        widths = Counter(len(row.cells) for row in islice(_rows(text, delimiter), _LOOKED_AT) if row.cells)
        return max((rows for width, rows in widths.items() if width > 1), default=0)

    best = max(_DELIMITERS, key=evenness)
    return best if evenness(best) else ","
