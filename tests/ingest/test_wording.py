from __future__ import annotations

from ingest.wording import counted


def test_one_of_a_thing_is_not_many_of_it() -> None:
    said = [counted(count, "document") for count in (0, 1, 2, 1200)]
    assert said == ["0 documents", "1 document", "2 documents", "1,200 documents"]
