from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from bot.ingesting import Outcome
from bot.report_page import MOST_LISTED, POLICY, page
from bot.reporting import report_payload
from ingest.reports import Stages
from tests.bot.ingests import sync_report

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;{{7*7}}.md"


def shown(*reports: object, **changes: object) -> str:
    return page(report_payload("j1", Outcome(tuple(reports), **changes), NOON))  # type: ignore[arg-type]


def test_a_page_says_what_happened_by_source() -> None:
    text = HTMLParser(
        shown(
            sync_report(
                removed=("旅費規程.md",),
                failed={"scan.pdf": "scan.pdf has no text."},
                skipped={"https://intranet.example.com/private": "robots.txt does not let it be read"},
            ),
            sync_report("wiki"),
            faults={"code": "The repository cannot be reached."},
            generation="The index was made anew.",
        )
    ).text()
    for part in (
        "handbook",
        "wiki",
        "旅費規程.md",
        "scan.pdf has no text.",
        "The repository",
        "made anew",
        "2 failed",
        "robots.txt does not",
    ):
        assert part in text


@pytest.mark.parametrize("where", ["added", "skipped", "failed", "moved", "source", "faults", "generation", "group"])
def test_hostile_text_stays_text(where: str) -> None:
    from retrieval.access import Readers

    changes = {
        "added": lambda: shown(sync_report(added=(HOSTILE,))),
        "skipped": lambda: shown(sync_report(skipped={HOSTILE: HOSTILE})),
        "failed": lambda: shown(sync_report(failed={HOSTILE: HOSTILE})),
        "moved": lambda: shown(sync_report(moved={HOSTILE: HOSTILE})),
        "source": lambda: shown(sync_report(HOSTILE)),
        "faults": lambda: shown(faults={HOSTILE: HOSTILE}),
        "generation": lambda: shown(generation=HOSTILE),
        "group": lambda: shown(sync_report(readers=Readers(frozenset({HOSTILE})))),
    }
    tree = HTMLParser(changes[where]())
    assert tree.css("script, img, [onerror]") == []
    assert HOSTILE in tree.text()


def test_marks_that_turn_text_around_are_spelled_out() -> None:
    html = shown(sync_report(added=("invoice\u202efdp.exe", "a\nb\x1b[31m.md", "👩‍👩‍👧.md")))
    assert "\u202e" not in html
    assert "invoice\\u202efdp.exe" in html
    assert "a\\u000ab\\u001b[31m.md" in html
    assert "👩‍👩‍👧.md" in html


def test_the_page_needs_nothing_else_and_its_policy_fits_its_style() -> None:
    html = shown(sync_report())
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style
    assert base64.b64encode(sha256(style[1].encode()).digest()).decode() in POLICY
    assert POLICY in html
    assert not re.search(r"https?://|<script|<link| style=|@import|url\(", html)


def test_the_bars_are_as_long_as_the_stages_took() -> None:
    bars = HTMLParser(shown(sync_report(stages=Stages(listing=1, embedding=4)))).css("rect")
    widths = [float(bar.attributes["width"] or "nan") for bar in bars]
    assert widths[0] * 4 == max(widths) == widths[3]
    assert widths[1] == 0.0
    assert HTMLParser(shown(sync_report(stages=Stages()))).css("rect")


def test_long_lists_are_cut_and_say_so() -> None:
    tree = HTMLParser(shown(sync_report(added=tuple(f"{number}.md" for number in range(MOST_LISTED + 7)))))
    assert len(tree.css("li")) == MOST_LISTED
    assert "and 7 more" in tree.text()


def test_a_dry_run_says_that_nothing_was_done() -> None:
    assert "What an ingest would do" in shown(sync_report(dry_run=True))
    assert "What an ingest would do" not in shown(sync_report())
