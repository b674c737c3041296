"""What the child process runs: a parser behind two pipes. `python -m ingest.parsing_child SETUP`; its parent is
`ingest.parsing_process`. Knows nothing of restarts, and of files only the bytes it is handed.

First everything is imported and locked up, then the first document is looked at. The process ends with its standard
input, whatever it is doing by then.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import mimetypes
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import BinaryIO, NoReturn, TextIO

from ingest import parsing_limits
from ingest.errors import DocumentError, ParserStopped
from ingest.parsing_frames import (
    Answer,
    Order,
    Parsed,
    Ready,
    TooLarge,
    read_order,
    without_surrogates,
    write_answer,
)
from ingest.parsing_limits import ParseLimits
from ingest.splitting import split
from retrieval.documents import Document
from retrieval.terms import chunk_words, terms

NICENESS = 10
"""Parsing waits for whoever answers questions."""
NO_MEMORY = 71
"""Exit status when memory ran out so far that not even an answer could be made."""

Load = Callable[[str, bytes], Document]


@dataclass(frozen=True, slots=True)
class Setup:
    """What the parent tells a child at its start. `loader` is what parses, as `module:function`."""

    answers: int
    """The descriptor to write to."""
    parent: int
    limits: ParseLimits
    passage: int
    loader: str

    def encode(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Setup:
        fields = json.loads(text)
        return cls(**{**fields, "limits": ParseLimits(**fields["limits"])})


def main() -> NoReturn:
    """Answer orders until standard input ends."""
    setup = Setup.decode(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parsing_limits.die_with_parent(setup.parent, signal.SIGKILL)
    os.nice(NICENESS)
    # What parsers read from standard input must not be orders.
    orders = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    module, _, function = setup.loader.partition(":")
    load: Load = getattr(importlib.import_module(module), function)
    # What they print goes where standard output goes, nowhere: it may hold a document's text.
    said = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(1, 2)
    faulthandler.enable(said)  # a crash says where
    status = 1
    try:
        with os.fdopen(setup.answers, "wb") as answers:
            _serve(setup, load, orders, answers, said)
        status = 0
    except MemoryError:
        status = NO_MEMORY
    except BrokenPipeError:  # the parent is gone
        status = 0
    except BaseException as error:  # noqa: BLE001 - said on standard error, and the process ends
        _tell(error, said)
    finally:
        os._exit(status)


def _serve(setup: Setup, load: Load, orders: BinaryIO, answers: BinaryIO, said: TextIO) -> None:
    terms("warm")  # the stemmer
    mimetypes.init()  # reads files of the system, which parsers of office formats would do later, in vain
    used_bytes = parsing_limits.memory_gauge()
    parsing_limits.limit_resources(setup.limits)
    parsing_limits.watch_python()
    sealed = parsing_limits.filter_system_calls()
    threading.Thread(target=_end_with, args=(orders.fileno(),), daemon=True).start()

    def answer(message: Ready | Answer) -> None:
        answers.write(write_answer(message, setup.limits.output_bytes))
        answers.flush()

    answer(Ready(sealed))
    while (order := read_order(orders)) is not None:
        parsing_limits.limit_processor(setup.limits.seconds)
        outcome = _outcome(order, load, setup.passage, said)
        try:
            answer(Answer(order.number, outcome, used_bytes()))
        except TooLarge:
            outcome = DocumentError(f"{order.name}: it holds more text than one document may; split it.")
            answer(Answer(order.number, outcome, used_bytes()))


def _outcome(order: Order, load: Load, passage: int, said: TextIO) -> Parsed | DocumentError | None:
    """What there is to say of an order; None when memory ran out."""
    try:
        return _parsed(order, load, passage)
    except DocumentError as error:
        return None if _ran_out(error) else error
    except MemoryError:
        return None
    except BaseException as error:  # noqa: BLE001 - parsers fail in ways no list names, and `sys.exit` is one of them
        _tell(error, said)
        return ParserStopped(f"{order.name}: reading it failed ({type(error).__name__}); save the file anew.")


def _parsed(order: Order, load: Load, passage: int) -> Parsed:
    began_at = time.perf_counter()
    document = load(order.name, order.data)
    document = replace(document, title=order.title or document.title, language=order.language or document.language)
    document = without_surrogates(document)
    chunks = tuple(split(document, size=passage))
    return Parsed(document, chunks, chunk_words(document, chunks), time.perf_counter() - began_at)


def _ran_out(error: BaseException) -> bool:
    """Whether memory is what a loader's error comes from."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return True
        cause = cause.__cause__
    return False


def _tell(error: BaseException, said: TextIO) -> None:
    """Where it happened, without what it says: that may hold a document's text."""
    traceback.print_tb(error.__traceback__, file=said)
    said.write(f"{type(error).__name__}\n")
    said.flush()


def _end_with(orders: int) -> None:
    poll = select.poll()
    poll.register(orders, 0)  # nothing but its end
    poll.poll()
    os._exit(0)


if __name__ == "__main__":
    main()
