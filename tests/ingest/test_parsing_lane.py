"""What becomes of a child: crashes, floods, limits, lies, old age. One document pays, those around it are parsed."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ingest import parsing_lane
from ingest.errors import DocumentError, ParserStopped
from ingest.parsing import ChildParser, Parsed, ParseLimits, ParseRequest
from tests.ingest.hostile_loader import LOADER, order

GOOD = b"# Good\n\nA good document.\n"
WAIT_S = 20.0


@pytest.fixture(scope="module")
def parser() -> Iterator[ChildParser]:
    made = ChildParser(limits=ParseLimits(seconds=2, memory_bytes=2**29), loader=LOADER)
    yield made
    made.close()


def request(what: str | bytes, number: int = 0) -> ParseRequest:
    data = what if isinstance(what, bytes) else order(what)
    return ParseRequest(f"docs/{number}.md", f"{number}.md", data)


def texts(parser: ChildParser, *wanted: str | bytes) -> list[str]:
    """The text of each document, or the sentence of its error."""
    return [
        outcome.document.text if isinstance(outcome, Parsed) else str(outcome)
        for _, outcome in parser.parse_all(request(what, number) for number, what in enumerate(wanted))
    ]


def between(parser: ChildParser, bad: str) -> DocumentError:
    """The outcome of `bad`, with good documents before and behind it, which must be parsed."""
    wanted = [request(GOOD, 0), request(GOOD, 1), request(bad, 2), request(GOOD, 3), request(GOOD, 4), request(GOOD, 5)]
    outcomes = [outcome for _, outcome in parser.parse_all(wanted)]
    assert [isinstance(outcome, Parsed) for outcome in outcomes] == [True, True, False, True, True, True]
    bad_one = outcomes[2]
    assert isinstance(bad_one, DocumentError)
    return bad_one


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("crash", "docs/2.md: the process that read it was ended by SIGSEGV; save the file anew"),
        ("abort", "docs/2.md: the process that read it was ended by SIG"),
        ("exit 0", "docs/2.md: the process that read it ended with status 0; save the file anew"),
        ("exit 3", "docs/2.md: the process that read it ended with status 3; save the file anew"),
        ("loop", "docs/2.md: reading it took more than 2 seconds and was stopped; split the file"),
        ("silence", "docs/2.md: reading it took more than 2 seconds and was stopped; split the file"),
        ("allocate", "docs/2.md: reading it takes more than 512 MiB of memory; split the file"),
        ("raise memory", "docs/2.md: reading it takes more than 512 MiB of memory; split the file"),
        ("raise exit", "2.md: reading it failed (SystemExit); save the file anew."),
        ("raise interrupt", "2.md: reading it failed (KeyboardInterrupt); save the file anew."),
        ("raise bug", "2.md: reading it failed (ZeroDivisionError); save the file anew."),
        ("garbage", "docs/2.md: "),
        ("close", "docs/2.md: the process that read it stopped answering; save the file anew"),
    ],
)
def test_a_document_that_ends_its_parser_fails_alone(
    parser: ChildParser, bad: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.parsing_process.END_S", 0.3)
    failed = between(parser, bad)
    assert str(failed).startswith(sentence)
    assert isinstance(failed, ParserStopped) or bad == "garbage"


@pytest.mark.parametrize(
    "head",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '["ready", true]',
        '["answer", 1, 0, ["t", "en", [], [], 0.1]]',  # another order's
        '["answer", -1, 0, ["t", "en", [], [], 0.1]]',
        '["answer", 0, "0", ["t", "en", [], [], 0.1]]',
        '["answer", 0, 0, ["t", "en", [[9, [], null, false]], [], 0.1]]',  # a mark past the end
        '["answer", 0, 0, ["IngestError", "stop everything"]]',
    ],
)
def test_an_answer_that_makes_no_sense_fails_one_document(head: str) -> None:
    parser = ChildParser(limits=ParseLimits(seconds=10), loader=LOADER)
    forged, good = parser.parse_all([request("forge " + head, 0), request(GOOD, 1)])
    parser.close()
    assert isinstance(forged[1], ParserStopped)
    assert str(forged[1]).startswith("docs/0.md: its parser answered with what is no document")
    assert isinstance(good[1], Parsed)


def test_what_parsers_print_goes_nowhere_and_blocks_nobody(
    parser: ChildParser, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert texts(parser, "flood", GOOD, "flood") == ["flooded", GOOD.decode(), "flooded"]
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


def test_a_crash_is_logged_with_its_place_and_without_the_document(
    parser: ChildParser, caplog: pytest.LogCaptureFixture
) -> None:
    between(parser, "crash")
    between(parser, "raise bug")
    assert "hostile_loader.py" in caplog.text
    assert "Segmentation fault" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_each_document_has_its_own_time(parser: ChildParser) -> None:
    assert texts(parser, *["sleep 0.4"] * 6) == ["None"] * 6


def test_a_document_that_waits_behind_a_slow_one_is_not_charged_for_it(parser: ChildParser) -> None:
    first, *others = texts(parser, "loop", "sleep 0.5", "loop", "sleep 0.5", GOOD)
    assert "took more than" in first
    assert others[0] == others[2] == "None"
    assert others[3] == GOOD.decode()


def test_a_caller_that_is_slow_to_come_back_costs_the_documents_nothing(parser: ChildParser) -> None:
    results = parser.parse_all(request("large 100000", number) for number in range(4))
    for _, outcome in results:
        time.sleep(0.6)
        assert isinstance(outcome, Parsed)


def until(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.005)


def test_a_child_killed_from_outside_while_idle_costs_no_document() -> None:
    parser = ChildParser(loader=LOADER)
    assert texts(parser, GOOD) == [GOOD.decode()]
    [killed] = parser.pids
    os.kill(killed, signal.SIGKILL)
    until(lambda: killed not in parser.pids)
    assert texts(parser, GOOD) == [GOOD.decode()]
    parser.close()


def test_a_child_killed_from_outside_at_work_costs_the_document_it_worked_on() -> None:
    parser = ChildParser(loader=LOADER)
    assert texts(parser, GOOD) == [GOOD.decode()]
    [killed] = parser.pids
    killing = threading.Timer(0.3, os.kill, (killed, signal.SIGKILL))
    killing.start()
    said, *others = texts(parser, "sleep 30", GOOD, GOOD)
    assert said.startswith("docs/0.md: the process that read it was killed (SIGKILL), probably because memory ran out")
    assert others == [GOOD.decode()] * 2
    parser.close()


def test_a_child_is_replaced_after_so_many_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing_lane, "DOCUMENTS", 3)
    parser = ChildParser(loader=LOADER)
    pids = texts(parser, *["pid"] * 8)
    parser.close()
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 2]


def test_a_child_that_holds_much_memory_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing_lane, "WORN", 0.0)
    monkeypatch.setattr(parsing_lane, "SENT", 1)
    parser = ChildParser(loader=LOADER)
    pids = texts(parser, *["pid"] * 3)
    parser.close()
    assert len(set(pids)) == 3


def test_the_memory_of_the_parent_is_not_the_child_s(parser: ChildParser) -> None:
    held = b"x" * 2**29
    assert len(set(texts(parser, "exit 0", *["pid"] * 30)[1:])) == 1
    del held


def test_large_documents_go_through_both_pipes() -> None:
    parser = ChildParser()
    large = b"word " * 200_000
    assert texts(parser, large, large, GOOD, large) == [large.decode(), large.decode(), GOOD.decode(), large.decode()]
    parser.close()


def test_what_was_half_sent_when_the_child_ended_is_sent_again(parser: ChildParser) -> None:
    wide = b"word " * 40_000  # more than a pipe takes at once
    first, *others = texts(parser, "exit 3", wide, GOOD)
    assert first.startswith("docs/0.md: the process that read it ended with status 3")
    assert others == [wide.decode(), GOOD.decode()]
