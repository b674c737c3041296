from __future__ import annotations

from pathlib import Path

from bot.trusting import told, trust_in
from retrieval.trust import Trust


def test_it_says_in_which_language_the_embedder_is_trusted_and_in_which_not() -> None:
    measured = [Trust("en", 1.4, 900, 120), Trust("ja", 0.0, 900, 117), Trust("fr", None, 60, 1)]
    assert told(measured) == (
        "in English (1.4, measured on 120 sentences); not in Japanese (0, measured on 117 sentences);"
        " in fr as it says that it speaks it (only 1 sentence to measure it on)"
    )


def test_where_nothing_was_measured_it_says_so(tmp_path: Path) -> None:
    assert told([]).startswith("as it says which languages it speaks")
    assert trust_in(tmp_path) == "once something is ingested"
