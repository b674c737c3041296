"""How numbers of things are said in sentences for people. Knows no thing in particular."""

from __future__ import annotations


def counted(count: int, one: str) -> str:
    """A number with what `one` of it is called: "1 document", "1,200 documents"."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"
