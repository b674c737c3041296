from datetime import date

from ingest.loaders import parse
from ingest.splitting import split

SOURCE = """---
title: "Travel *policy*"
tags: [a, b]
---
# Hotels & **more**

```
# not a heading
```

> # nor this

Caps `x`
--------

Text.
"""


def test_headings_are_marked_where_they_stand_in_the_unchanged_file() -> None:
    document = parse("travel.md", SOURCE.encode())
    assert document.text == SOURCE
    assert [mark.heading for mark in document.marks] == [("Hotels & more",), ("Hotels & more", "Caps x")]
    assert document.text[document.marks[1].start :].startswith("Caps `x`\n---")


def test_the_title_is_the_front_matters_then_the_first_heading_then_the_name() -> None:
    assert parse("a.md", SOURCE.encode()).title == "Travel *policy*"
    assert parse("a.md", b"## Sub\n\n# Main\n\ntext").title == "Main"
    assert parse("dir/plain.markdown", b"text only").title == "plain"


def test_a_ruler_at_the_top_is_no_front_matter() -> None:
    document = parse("a.md", b"---\nWe open at nine.\n\n---\n\nWe close at five.\n")
    covered = "".join(document.text[chunk.start : chunk.end] for chunk in split(document))
    assert "nine" in covered
    assert "five" in covered


def test_a_megabyte_on_one_line_is_read() -> None:
    assert len(parse("a.md", b"word " * 200_000).text) == 1_000_000


def test_the_latest_day_of_the_front_matter_is_the_documents() -> None:
    text = "---\ntitle: Leave\ndate: 2024-01-31\nlast_reviewed: '2025/2/1'\nreview_by: 2030-01-01\n---\n# Leave\n\nTen days.\n"
    assert parse("a.md", text.encode()).dated == date(2025, 2, 1)
    assert parse("a.md", b"date: 2024-01-31\n\nTen days.\n").dated is None
    assert parse("a.md", b"---\ndate: soon\n---\nTen days.\n").dated is None
