"""What parser and caller hand each other, and its form on the pipes between two processes: data only, never code.

A frame is the sizes of its parts, then the parts: JSON for what has a structure, and plain bytes for what is long. The
reading side of a request trusts its writer. The reading side of an answer does not: a file may have taken over the parser.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any, BinaryIO

from ingest import errors
from ingest.errors import DocumentError
from retrieval.documents import Chunk, Document, Mark
from retrieval.terms import ChunkWords

HEAD_BYTES = 16 * 2**20
"""An answer's structure at most (the text is no part of it). Reading JSON costs some twenty times its size in memory."""
_SENTENCE = 1_000
"""Characters of a refusal at most."""
_REQUEST, _ANSWER = struct.Struct("!II"), struct.Struct("!III")
_SURROGATES = re.compile("[\ud800-\udfff]")
_REFUSALS = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, DocumentError)
}


@dataclass(frozen=True, slots=True)
class ParseRequest:
    """A document to be parsed. `item` names it for people; the ending of `name` says how to parse it.

    `title` and `language` are what the source says of it; "" leaves that to the document.
    """

    item: str
    name: str
    data: bytes
    title: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document with its chunks, the words of each, and how long it took to make them."""

    document: Document
    chunks: tuple[Chunk, ...]
    words: tuple[ChunkWords, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Order:
    """A request as the child gets it: nothing of it that parsing does not need."""

    number: int
    name: str
    title: str
    language: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """The child is up; `sealed` says that the filter of system calls stands."""

    sealed: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of order `number`; None when memory ran out. `used_bytes` is the memory the child had then."""

    number: int
    outcome: Parsed | DocumentError | None
    used_bytes: int


class Malformed(Exception):
    """What arrived is no frame, or says nonsense."""


class TooLarge(Exception):
    """More was made of a document than may be handed over."""


def write_order(number: int, request: ParseRequest) -> tuple[bytes, bytes]:
    """The two pieces of a frame; the second is the request's own bytes, uncopied."""
    head = _json([number, request.name, request.title, request.language])
    return _REQUEST.pack(len(head), len(request.data)) + head, request.data


def read_order(stream: BinaryIO) -> Order | None:
    """The next order; None at the end."""
    sizes = stream.read(_REQUEST.size)
    if len(sizes) < _REQUEST.size:
        return None
    head_size, data_size = _REQUEST.unpack(sizes)
    number, name, title, language = json.loads(stream.read(head_size))
    data = stream.read(data_size)
    return Order(number, name, title, language, data) if len(data) == data_size else None


def without_surrogates(document: Document) -> Document:
    """The same document, with U+FFFD for what is no character and has no form in UTF-8; offsets stay."""

    def clean(text: str) -> str:
        return text if text.isascii() else _SURROGATES.sub("\ufffd", text)

    marks = tuple(Mark(mark.start, tuple(map(clean, mark.heading)), mark.page, mark.whole) for mark in document.marks)
    return replace(
        document,
        title=clean(document.title),
        text=clean(document.text),
        language=clean(document.language),
        marks=marks,
    )


def write_answer(message: Ready | Answer, most_bytes: int) -> bytes:
    """A frame. Raises TooLarge."""
    text = words = b""
    if isinstance(message, Ready):
        head = _json(["ready", message.sealed])
    else:
        value: Any = None
        if isinstance(message.outcome, Parsed):
            value, text, words = _parsed_parts(message.outcome)
        elif message.outcome is not None:
            sentence = _SURROGATES.sub("\ufffd", str(message.outcome))[:_SENTENCE]
            value = [type(message.outcome).__name__, sentence]
        head = _json(["answer", message.number, message.used_bytes, value])
    if len(head) > HEAD_BYTES or len(text) + len(words) > most_bytes:
        raise TooLarge
    return b"".join((_ANSWER.pack(len(head), len(text), len(words)), head, text, words))


def read_answer(buffer: bytearray, most_bytes: int) -> Ready | Answer | None:
    """Take one frame from the front of `buffer`; None while it is not whole. Raises Malformed, TooLarge."""
    if len(buffer) < _ANSWER.size:
        return None
    head_size, text_size, words_size = _ANSWER.unpack_from(buffer)
    if head_size > HEAD_BYTES or text_size + words_size > most_bytes:
        raise TooLarge
    text_at = _ANSWER.size + head_size
    words_at, end = text_at + text_size, text_at + text_size + words_size
    if len(buffer) < end:
        return None
    try:
        with memoryview(buffer) as view:
            head = json.loads(bytes(view[_ANSWER.size : text_at]), parse_constant=_no_number)
            message = _message(head, str(view[text_at:words_at], "utf-8"), str(view[words_at:end], "utf-8"))
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError) as error:
        raise Malformed(f"{type(error).__name__} in an answer") from error
    del buffer[:end]
    return message


def _parsed_parts(parsed: Parsed) -> tuple[Any, bytes, bytes]:
    document = parsed.document
    head = [
        document.title,
        document.language,
        [[mark.start, mark.heading, mark.page, mark.whole] for mark in document.marks],
        [[chunk.start, chunk.end, chunk.heading, chunk.line, chunk.page] for chunk in parsed.chunks],
        parsed.seconds,
        document.dated and document.dated.isoformat(),
    ]
    # terms hold no line breaks: a line for the title, then two for each chunk
    lines = [parsed.words[0].title if parsed.words else ""]
    for words in parsed.words:
        lines += (words.heading, words.body)
    return head, document.text.encode(), "\n".join(lines).encode()


def _message(head: Any, text: str, words: str) -> Ready | Answer:
    match head:
        case ["ready", bool() as sealed]:
            return Ready(sealed)
        case ["answer", number, used_bytes, None]:
            return Answer(_count(number), None, _count(used_bytes))
        case ["answer", number, used_bytes, [str() as kind, str() as sentence]]:
            return Answer(_count(number), _REFUSALS[kind](sentence[:_SENTENCE]), _count(used_bytes))
        case ["answer", number, used_bytes, [title, language, marks, chunks, float() as seconds, dated]]:
            if not math.isfinite(seconds) or seconds < 0:
                raise ValueError("no duration")
            length = len(text)
            document = Document(_text(title), text, _text(language), _ascending(marks, _mark, length), _day(dated))
            pieces = _ascending(chunks, _chunk, length)
            if any(before.end > after.start for before, after in pairwise(pieces)):
                raise ValueError("chunks overlap")
            return Answer(
                _count(number), Parsed(document, pieces, _words(words, len(pieces)), seconds), _count(used_bytes)
            )
    raise ValueError("no message")


def _ascending(values: Any, read: Callable[[Any, int], Any], length: int) -> tuple[Any, ...]:
    if type(values) is not list:
        raise TypeError("no list")
    made = tuple(read(value, length) for value in values)
    if any(before.start > after.start for before, after in pairwise(made)):
        raise ValueError("not ascending")
    return made


def _mark(value: Any, length: int) -> Mark:
    start, heading, page, whole = value
    if type(whole) is not bool:
        raise TypeError("neither true nor false")
    return Mark(_count(start, length), _heading(heading), _page(page), whole)


def _chunk(value: Any, length: int) -> Chunk:
    start, end, heading, line, page = value
    if _count(start, length) >= _count(end, length):
        raise ValueError("an empty chunk")
    return Chunk(start, end, _heading(heading), _positive(line), _page(page))


def _words(joined: str, chunks: int) -> tuple[ChunkWords, ...]:
    lines = joined.split("\n", 2 * chunks + 1)
    if len(lines) != 2 * chunks + 1:
        raise ValueError("not the words of these chunks")
    return tuple(ChunkWords(lines[0], lines[at], lines[at + 1]) for at in range(1, len(lines), 2))


def _heading(value: Any) -> tuple[str, ...]:
    if type(value) is not list:
        raise TypeError("no list")
    return tuple(map(_text, value))


def _day(value: Any) -> date | None:
    return None if value is None else date.fromisoformat(value)


def _page(value: Any) -> int | None:
    return None if value is None else _positive(value)


_MOST = 2**63 - 1
"""What the database can hold."""


def _positive(value: Any) -> int:
    if _count(value) < 1:
        raise ValueError("not counted from 1")
    return int(value)


def _count(value: Any, most: int = _MOST) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("no number, or out of range")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("no text")
    value.encode()  # JSON can say half a character, which nothing else can store
    return value


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _json(value: Sequence[Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
