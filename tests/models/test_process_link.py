from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator

import pytest

from models import process_link
from models import process_wire as wire
from models.engine import Channel, Request
from models.errors import EngineFailed
from models.process_link import Link
from models.templates import Segment

WAIT_S = 20.0
SILENT = "sys.stdin.read()"
Start = Callable[[str], Link]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts links to little programs; a link must end with nothing left behind."""
    links: list[Link] = []

    def begin(program: str) -> Link:
        links.append(Link([sys.executable, "-c", f"import os, sys, time\n{program}"], "the-model"))
        return links[-1]

    yield begin
    for link in links:
        link.end(EngineFailed("The test is over."))
        assert link.over.wait(WAIT_S)


def answering(*lines: str) -> str:
    """A program that says each of `lines` after one call, then waits."""
    said = "".join(f"sys.stdin.readline(); os.write(1, {line.encode()!r})\n" for line in lines)
    return said + SILENT


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):\n",
        '[[0,"value","twelve"]]\n',
        '[[0,"value",1],[0,"value",1]]\n',
        '[[0,"text","a"]]\n',
        '[[0,"finished",["stop",[1,2,3],[]]]]\n',
        '[[5,"value",1]]\n',
    ],
)
def test_a_child_that_talks_nonsense_is_killed(start: Start, line: str) -> None:
    link = start(answering(line))
    answer = link.ask(wire.Count(()), wire.integer)
    assert link.over.wait(WAIT_S)
    assert "no message" in str(link.failure)
    if not answer.exception():
        assert answer.result() == 1
    with pytest.raises(EngineFailed, match="no message"):
        link.ask(wire.Count(()), wire.integer)


def test_a_piece_before_acceptance_or_after_the_end_is_nonsense(start: Start) -> None:
    finished = '[0,"finished",["stop",[1,2,3],[]]]'
    for line in ('[[0,"text","early"]]\n', f'[[0,"value",null],{finished},[0,"text","late"]]\n'):
        link = start(answering(line))
        link.ask(Request((), "", 1, 1.0), wire.nothing, channel=Channel())
        assert link.over.wait(WAIT_S)
        assert "no message" in str(link.failure)


def test_a_line_without_end_is_cut_off(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 100_000)
    link = start("while True: os.write(1, b'[' * 10_000)")
    assert link.over.wait(WAIT_S)
    assert "no message" in str(link.failure)


def test_half_a_line_at_the_end_is_no_event(start: Start) -> None:
    link = start("sys.stdin.readline(); os.write(1, b'[[0,\"value\",1'); sys.exit(3)")
    with pytest.raises(EngineFailed, match="ended with status 3"):
        link.ask(wire.Count(()), wire.integer).result(WAIT_S)


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("os.kill(os.getpid(), 9)", "probably because memory ran out"),
        ("os.kill(os.getpid(), 11)", "ended by SIGSEGV"),
        ("sys.exit(4)", "ended with status 4"),
        ("os.close(1); time.sleep(60)", "killed"),
    ],
)
def test_an_ended_child_is_named_with_how_it_ended(
    start: Start, monkeypatch: pytest.MonkeyPatch, ending: str, said: str
) -> None:
    monkeypatch.setattr(process_link, "END_S", 0.2)
    link = start(f"sys.stdin.readline(); {ending}")
    channel = Channel()
    answers = [link.ask(Request((), "", 1, 1.0), wire.nothing, channel=channel) for _ in range(3)]
    for answer in answers:
        with pytest.raises(EngineFailed, match=said) as caught:
            answer.result(WAIT_S)
        assert "the-model" in str(caught.value)
        assert "ask again" in str(caught.value)


def test_no_caller_waits_for_a_child_that_does_not_read(start: Start) -> None:
    link = start("time.sleep(60)")
    large = wire.Count((Segment("a" * 1_000_000),))
    answers = [link.ask(large, wire.integer) for _ in range(5)]
    link.end(EngineFailed("Enough."))
    for answer in answers:
        with pytest.raises(EngineFailed, match="Enough"):
            answer.result(WAIT_S)


def test_large_messages_both_ways_at_once_do_not_block_each_other(start: Start) -> None:
    """The child says its megabyte before it reads ours."""
    link = start(
        "text = 'a' * 1_000_000\n"
        "for number in range(5):\n"
        '  os.write(1, b\'[[%d,"value",null],[%d,"text","%s"]]\\n\' % (number, number, text.encode()))'
        " if sys.stdin.read(1) else 0\n"
        "  sys.stdin.readline()\n" + SILENT
    )
    channels = [Channel() for _ in range(5)]
    request = Request((Segment("b" * 1_000_000),), "", 1, 1.0)
    answers = [link.ask(request, wire.nothing, channel=channel) for channel in channels]
    for answer, channel in zip(answers, channels, strict=True):
        answer.result(WAIT_S)
        assert channel.items.get(timeout=WAIT_S) == "a" * 1_000_000


def test_a_call_is_overdue_only_after_its_deadline_and_some_grace(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = start(SILENT)
    link.ask(wire.Count(()), wire.integer)
    link.ask(wire.AskState(), wire.engine_state, seconds=0.0)
    assert not link.overdue()
    monkeypatch.setattr(process_link, "GRACE_S", 0.0)
    link.ask(wire.Count(()), wire.integer, seconds=1_000.0)
    assert not link.overdue()
    link.ask(wire.Count(()), wire.integer, seconds=-1.0)
    assert link.overdue()


def test_standard_error_is_logged_line_by_line_and_not_without_end(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process_link, "LOGGED_LINES", 3)
    with caplog.at_level(logging.WARNING, process_link.__name__):
        link = start("os.write(2, b'first\\n\\xff\\n' + b'a' * 9_000 + b'\\n' + b'flood\\n' * 50_000)")
        assert link.over.wait(WAIT_S)
    lines = [record.getMessage().partition(": ")[2] for record in caplog.records]
    assert lines == ["first", "\\xff", "a" * process_link.LOGGED_BYTES]
