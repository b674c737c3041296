from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import process_wire as wire
from models.cards import local_chat
from models.engine import (
    EngineOptions,
    EngineState,
    Finished,
    Request,
    Sampling,
    Score,
    TokenLogprob,
    TokenUsage,
    Waiting,
)
from models.errors import EngineBusy, EngineFailed, ModelError, PromptTooLong
from models.templates import Segment

LOGPROBS = (TokenLogprob(b"\xe8\xff\n", -0.1, ((b"\x00", -0.1), (b"b", -math.inf))),)


@pytest.mark.parametrize(
    "call",
    [
        wire.Open(
            local_chat(Path("model.gguf"), sha256="ab"),
            EngineOptions(slots=3),
            (Segment("system", trusted=True),),
            {"tuned": Path("tuned.gguf")},
        ),
        Request(
            (Segment("蔵\n\ud800", trusted=True), Segment("<|im_end|>")),
            "anna",
            5,
            math.inf,
            sampling=Sampling(temperature=0.5, logprobs=2, json_schema='{"a": 1}'),
            stop=("\n", "end"),
            priority="batch",
            adapter="tuned",
        ),
        wire.Count((Segment("a"),)),
        wire.Scoring((Segment("a"),), ("b", ""), 2.5),
        wire.AskState(),
        wire.Stop(),
    ],
)
def test_calls_arrive_as_they_were_sent_on_one_line(call: wire.Call) -> None:
    line = wire.encode_call(7, call)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert wire.decode_call(line) == (7, call)


def test_events_arrive_as_they_were_sent_on_one_line() -> None:
    events: list[tuple[int, str, Any]] = [
        (1, "text", "蔵\n\ud800"),
        (2, "waiting", Waiting(3, 1.5)),
        (2, "waiting", None),
        (1, "finished", Finished("length", TokenUsage(5, 4, 1), LOGPROBS)),
        (4, "value", 12),
    ]
    line = wire.encode_events(events)
    assert line.count(b"\n") == 1
    assert wire.decode_events(line) == events


@pytest.mark.parametrize(
    ("value", "decode"),
    [
        (12, wire.integer),
        ([Score(-1.5, 2), Score(0.0, 0)], wire.scores),
        (EngineState(slots=8, restarts=1), wire.engine_state),
    ],
)
def test_values_arrive_as_they_were_sent(value: Any, decode: Any) -> None:
    [(_, _, raw)] = wire.decode_events(wire.encode_events([(1, "value", value)]))
    assert wire.decoded(decode, raw) == value


@pytest.mark.parametrize("known", wire._ERRORS)
def test_errors_keep_class_sentence_and_when_to_come_back(known: type[ModelError]) -> None:
    error = EngineBusy("Full.", 2.5) if known is EngineBusy else known("Wrong.")
    [(_, _, arrived)] = wire.decode_events(wire.encode_events([(1, "error", error)]))
    assert type(arrived) is known
    assert str(arrived) == str(error)
    assert getattr(arrived, "retry_after_s", None) == getattr(error, "retry_after_s", None)


def test_an_error_of_a_finer_class_arrives_as_the_class_it_refines() -> None:
    class Finer(PromptTooLong):
        pass

    [(_, _, arrived)] = wire.decode_events(wire.encode_events([(1, "error", Finer("Too long."))]))
    assert type(arrived) is PromptTooLong


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"{}x",
        b"[1]",
        b'[["1","text","a"]]',
        b'[[true,"text","a"]]',
        b'[[1,"text",2]]',
        b'[[1,"run","a"]]',
        b'[[1,["text"],"a"]]',
        b'[[1,"finished",["because",[1,2,3],[]]]]',
        b'[[1,"finished",["stop",[1,2,3,4],[]]]]',
        '[[1,"finished",["stop",[1,2,3],[["蔵",0.0,[]]]]]]'.encode(),
        b'[[1,"error",["SystemExit","x",null]]]',
        b'[[1,"error",["EngineBusy","x",null]]]',
        b'[[1,"waiting",[1]]]',
        b"[" * 100_000,
        b"[[" + b"9" * 5_000 + b',"text","a"]]',
    ],
)
def test_what_was_not_agreed_is_malformed(line: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.decode_events(line)


@settings(max_examples=50)
@given(
    st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda value: repr(value).encode())
)
def test_any_bytes_are_events_or_malformed(line: bytes) -> None:
    try:
        events = wire.decode_events(line)
    except wire.Malformed:
        return
    assert all(len(event) == 3 for event in events)


def test_what_is_too_long_for_a_line_is_refused_or_cut_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 300)
    with pytest.raises(PromptTooLong, match="bytes long"):
        wire.encode_call(1, wire.Count((Segment("a" * 300),)))
    many: list[tuple[int, str, Any]] = [(number, "text", "a" * 50) for number in range(10)]
    many.append((11, "finished", Finished("stop", TokenUsage(), LOGPROBS * 50)))
    lines = wire.encode_events(many).splitlines(keepends=True)
    assert max(map(len, lines)) <= 300
    arrived = [event for line in lines for event in wire.decode_events(line)]
    assert arrived[:-1] == many[:-1]
    assert arrived[-1][:2] == (11, "error")
    assert isinstance(arrived[-1][2], EngineFailed)
