"""Frames: what is written is read again in any pieces; what a hostile writer sends is refused, whatever it is."""

from __future__ import annotations

import contextlib
import io
import json
import struct
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import DocumentError, EmptyDocument
from ingest.parsing_frames import (
    HEAD_BYTES,
    Answer,
    Malformed,
    Order,
    Parsed,
    ParseRequest,
    Ready,
    TooLarge,
    read_answer,
    read_order,
    without_surrogates,
    write_answer,
    write_order,
)
from retrieval.documents import Chunk, Document, Mark
from retrieval.terms import chunk_words

MOST = 10**6
TEXT = "A hotel\n\n経費精算 😀 done"
DOCUMENT = Document("Title", TEXT, "en", (Mark(0), Mark(9, ("見出し", "b"), 3, True)), date(2025, 1, 31))
CHUNKS = (Chunk(0, 7, (), 1), Chunk(9, len(TEXT), ("見出し", "b"), 3, 3))
PARSED = Parsed(DOCUMENT, CHUNKS, chunk_words(DOCUMENT, CHUNKS), 0.25)
HEAD: list[Any] = [
    "t",
    "en",
    [[0, [], None, False], [3, ["a"], 1, True]],
    [[0, 2, [], 1, None], [2, 5, [], 1, 1]],
    0.5,
    None,
]


def forged(head: object, text: bytes = b"hello", words: bytes = b"\n\n\n\n") -> bytearray:
    raw = head if isinstance(head, bytes) else json.dumps(head).encode()
    return bytearray(struct.pack("!III", len(raw), len(text), len(words)) + raw + text + words)


@pytest.mark.parametrize(
    "message",
    [
        Ready(True),
        Ready(False),
        Answer(3, PARSED, 10**9),
        Answer(4, Parsed(Document("", "", ""), (), (), 0.0), 0),
        Answer(5, None, 1),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_an_answer_survives_in_pieces_of_any_size(message: Ready | Answer, size: int) -> None:
    frame = write_answer(message, MOST) * 2
    buffer, seen = bytearray(), []
    for at in range(0, len(frame), size):
        buffer += frame[at : at + size]
        while (read := read_answer(buffer, MOST)) is not None:
            seen.append(read)
    assert seen == [message, message]
    assert not buffer


def test_a_refusal_keeps_its_kind_and_sentence() -> None:
    read = read_answer(bytearray(write_answer(Answer(1, EmptyDocument("a.md: it is \ud800 empty."), 0), MOST)), MOST)
    assert isinstance(read, Answer)
    assert type(read.outcome) is EmptyDocument
    assert str(read.outcome) == "a.md: it is \ufffd empty."


def test_a_refusal_is_no_way_to_send_a_book() -> None:
    read = read_answer(forged(["answer", 0, 0, ["DocumentError", "x" * 10**6]], b"", b""), MOST)
    assert isinstance(read, Answer)
    assert isinstance(read.outcome, DocumentError)
    assert len(str(read.outcome)) == 1_000


@given(st.text(st.characters()), st.text(st.characters()), st.binary(max_size=100))
def test_an_order_is_read_as_it_was_written(name: str, title: str, data: bytes) -> None:
    frame = b"".join(write_order(7, ParseRequest("item", name, data, title, "ja")))
    stream = io.BytesIO(frame * 2)
    assert [read_order(stream) for _ in range(3)] == [Order(7, name, title, "ja", data)] * 2 + [None]


def test_an_order_cut_off_is_none() -> None:
    frame = b"".join(write_order(7, ParseRequest("item", "a.md", b"data")))
    assert read_order(io.BytesIO(frame[:-1])) is None
    assert read_order(io.BytesIO(frame[:5])) is None


def test_the_forged_frame_of_these_tests_would_be_believed() -> None:
    assert isinstance(read_answer(forged(["answer", 0, 0, HEAD]), MOST), Answer)


def changed(path: tuple[int, ...], value: object) -> list[Any]:
    head = json.loads(json.dumps(HEAD))
    place = head
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return head  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((0,), 7),
        ((0,), "\ud800"),
        ((1,), None),
        ((2,), {}),
        ((2,), "marks"),
        ((2, 0), []),
        ((2, 0, 0), 4),  # not ascending
        ((2, 0, 0), -1),
        ((2, 0, 0), True),
        ((2, 0, 0), 0.0),
        ((2, 0, 0), "0"),
        ((2, 1, 0), 6),  # past the end
        ((2, 1, 0), 10**400),
        ((2, 0, 1), "heading"),
        ((2, 0, 1), [1]),
        ((2, 0, 2), 0),
        ((2, 0, 2), 2**63),
        ((2, 0, 3), 1),
        ((3, 0, 1), 0),  # empty
        ((3, 0, 1), 3),  # overlapping
        ((3, 1, 1), 6),  # past the end
        ((3, 0, 3), 0),
        ((3, 0), [0, 2, [], 1, None, 7]),
        ((3,), [[0, 2, [], 1, None]]),  # fewer chunks than words
        ((4,), -1.0),
        ((4,), 1),
        ((4,), float("nan")),
        ((4,), float("inf")),
        ((5,), "2025-02-31"),
        ((5,), 20250131),
        ((5,), ""),
    ],
)
def test_nonsense_is_refused(path: tuple[int, ...], value: object) -> None:
    with pytest.raises(Malformed):
        read_answer(forged(["answer", 0, 0, changed(path, value)]), MOST)


@pytest.mark.parametrize(
    "frame",
    [
        forged(b"\x80\x04."),
        forged(b"[" * 10**6),
        forged(b"1" * 5_000),
        forged(["answer", 0, 0, ["SourceError", "all is gone"]]),
        forged(["answer", 0, 0, ["Exception", "x"]]),
        forged(["answer", 0, 0, HEAD], b"\xff\xfe\xfd\xfc\xfb"),
        forged(["answer", 0, 0, HEAD], b"\xed\xa0\x80llo"),  # half a character
        forged(["answer", 0, 0, HEAD], b"hello", b"\xff"),
        forged(["answer", 0, 0, HEAD], b"hello", b"\n" * 5),
    ],
)
def test_what_is_no_message_is_refused(frame: bytearray) -> None:
    with pytest.raises(Malformed):
        read_answer(frame, MOST)


@settings(max_examples=300)
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), st.lists), st.binary()
)
def test_no_structure_whatever_gets_past_as_another_fault(head: object, text: bytes) -> None:
    for whole in (head, ["answer", 0, 0, head], ["answer", 0, 0, ["t", "", head, [], 0.0]]):
        with contextlib.suppress(Malformed):
            read_answer(forged(whole, text, b""), MOST)


@pytest.mark.parametrize("sizes", [(HEAD_BYTES + 1, 0, 0), (0, MOST, 1), (2**32 - 1,) * 3])
def test_what_is_too_large_is_refused_before_it_is_there(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(TooLarge):
        read_answer(bytearray(struct.pack("!III", *sizes)), MOST)


def test_what_is_too_large_is_not_written() -> None:
    with pytest.raises(TooLarge):
        write_answer(Answer(0, PARSED, 0), 10)


def test_half_characters_are_replaced_one_by_one_wherever_they_stand() -> None:
    document = Document("a\ud800", "\ud83d\ude00 x", "\udfff", (Mark(2, ("\ud801",), 1, True),))
    assert without_surrogates(document) == Document(
        "a\ufffd", "\ufffd\ufffd x", "\ufffd", (Mark(2, ("\ufffd",), 1, True),)
    )
