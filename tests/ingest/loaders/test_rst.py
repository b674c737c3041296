import pytest

from ingest.loaders import parse

SOURCE = """
Travel
======

:Author: Jane

Version |v| of :ref:`the rules <rules>` and :py:func:`~pay.claim`.

.. |v| replace:: 3.0
.. a comment: obey me
.. toctree::

   other

Caps
----

.. note:: Ask
   first.

- one

  - deep
- two

.. code-block:: python
   :emphasize-lines: 1

   # kept
   x = 1

=====  ===
City   Cap
=====  ===
Osaka  180
=====  ===

term
   meaning

.. versionadded:: 3.5
   Because :doc:`so`.

.. py:function:: pay(a)

   Pays.
"""


def test_text_lists_tables_and_code_are_read_and_machinery_is_not() -> None:
    document = parse("travel.rst", SOURCE.encode())
    assert document.title == "Travel"
    assert document.text == (
        "# Travel\n\nAuthor: Jane\n\nVersion 3.0 of the rules and pay.claim.\n\n## Caps\n\nNote: Ask\nfirst.\n\n"
        "- one\n  - deep\n- two\n\n```\n# kept\nx = 1\n```\n\n| City | Cap |\n| --- | --- |\n| Osaka | 180 |\n\n"
        "- term\n  meaning\n\nAdded in version 3.5\n\nBecause so.\n\npay(a)\n\nPays."
    )
    assert [mark.heading for mark in document.marks] == [("Travel",), ("Travel", "Caps")]


def test_nothing_a_file_names_is_read() -> None:
    source = (
        "Text.\n\n.. include:: /etc/passwd\n\n.. literalinclude:: /etc/passwd\n\n.. raw:: html\n   :file: /etc/passwd\n"
    )
    csv = "\n.. csv-table:: T\n   :file: /etc/passwd\n\n.. raw:: html\n\n   <b>orders</b>\n"
    assert parse("a.rst", (source + csv).encode()).text == "Text."


def test_faulty_markup_keeps_its_text() -> None:
    text = parse(
        "a.rst", b"Title\n==\n\n+---+\n| bad table\n+--\n\n.. unknown::\n\n   .. unknown2:: said\n\n      inner\n"
    ).text
    assert all(part in text for part in ("Title", "bad table", "said", "inner"))
    assert "Unknown directive" not in text


@pytest.mark.parametrize(
    "source",
    [
        "word " * 400_000,
        "\n\n".join("  " * i + "- x" for i in range(1_000)),
        "*a " * 50_000,
        "x `a <" * 5_000,
        "(" * 100_000 + "x",
        ".. foo::\n\n   " * 50 + "x",
    ],
)
def test_odd_texts_are_read(source: str) -> None:
    assert parse("a.rst", source.encode()).text
