from datetime import date

import pytest

from ingest.loaders import parse

SOURCE = """= Travel
:cap: 180

// hidden
////
hidden too
////
Up to {cap} EUR, see <<caps,the caps>> and https://a.example[the site].

[[caps]]
== Caps

[cols="1,2"]
|===
|City |Cap

|Osaka
|{cap}
2+|all
|===

NOTE: Ask first.

[WARNING]
====
Never.
====

[source,java]
----
class A {} // kept
----

* one
** deep
* two
+
more

include::/etc/passwd[]
++++
<b>orders</b>
++++

Term:: meaning

Old
---

. first
. second
"""


def test_text_lists_tables_and_listings_are_read_and_machinery_is_not() -> None:
    document = parse("travel.adoc", SOURCE.encode())
    assert document.title == "Travel"
    assert document.text == (
        "# Travel\n\nUp to 180 EUR, see the caps and the site.\n\n## Caps\n\n| City | Cap |\n| --- | --- |\n"
        "| Osaka | 180 |\n| all |  |\n\nNote: Ask first.\n\nWarning: Never.\n\n```\nclass A {} // kept\n```\n\n"
        "- one\n  - deep\n- two\n  more\n\n- Term\n  meaning\n\n## Old\n\n1. first\n2. second"
    )
    assert [mark.heading for mark in document.marks] == [("Travel",), ("Travel", "Caps"), ("Travel", "Old")]


def test_attributes_do_not_grow_without_end() -> None:
    source = ":a: 0123456789\n" + ":a: {a}{a}\n" * 60 + "\n" + "{a}" * 100
    assert len(parse("a.adoc", source.encode()).text) < 100_000


@pytest.mark.parametrize(
    "source",
    [
        "word " * 400_000,
        "* x\n" * 20_000,
        "a" * 100 + "::" * 50_000,
        "<<a" * 50_000,
        "|===\n" + "|a " * 50_000,
        "link:a[" * 50_000,
        "x\n----\n\n" * 5_001,
        "((( x" * 50_000,
        "x\n====\n\n" * 20_000,
    ],
)
def test_odd_texts_are_read(source: str) -> None:
    assert parse("a.adoc", source.encode()).text


def test_the_day_of_its_revision_is_the_documents() -> None:
    assert parse("a.adoc", b"= Guide\n:revdate: 2025-02-01\n\nText.\n").dated == date(2025, 2, 1)
    assert parse("a.adoc", b"= Guide\n\nText.\n").dated is None
