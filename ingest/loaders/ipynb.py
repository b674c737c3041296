"""Jupyter notebooks into a `Document`: the Markdown of the cells, code fenced, and what the code printed, shortened.

The text is Markdown, and its headings are found by the loader of Markdown. Left out: pictures, HTML and widgets among
the outputs (nearly all come with a text beside them), objects that only name their type, and warnings.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any

from ingest.decoding import decode
from ingest.errors import DocumentError
from ingest.loaders import markdown
from ingest.loaders.writer import TEXT_LIMIT, visible
from retrieval.documents import Document

OUTPUT_LINES = 40
"""Lines of one cell's output that are kept: a table's head or a result; logs of training go on for thousands."""
_OUTPUT_LENGTH = 4_000
"""Characters of it; a chunk of code may have 4,800."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NAMED_ONLY = re.compile(r"<[^\n]*>")
"""What Python shows of an object without a text of its own: `<Figure size 640x480 with 1 Axes>`."""
_DATA = re.compile(r"data:[\w.+/-]{1,80};base64,[A-Za-z0-9+/=]*")
_FENCE_LINE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_LANGUAGE = re.compile(r"[\w+#.-]{1,30}")
_BACKTICKS = re.compile(r"`{3,}")


def load(stem: str, data: bytes) -> Document:
    """Parse an .ipynb file of any version. Title: the first heading of level 1, else `stem`."""
    notebook = _read(decode(data))
    kernel = notebook.metadata.get("language_info") or notebook.metadata.get("kernelspec") or {}
    language = str(kernel.get("name" if "language_info" in notebook.metadata else "language", ""))
    blocks = [block for cell in notebook.cells for block in _cell(cell, language)]
    text = "\n\n".join(block for block in blocks if block)
    if len(text) > TEXT_LIMIT:
        raise DocumentError(f"It holds more than {TEXT_LIMIT:,} characters: split it into several files.")
    # the mark says that it is UTF-8, so that nothing has to be guessed
    return markdown.load(stem, codecs.BOM_UTF8 + text.encode())


def _read(text: str) -> Any:
    from nbformat import ValidationError, convert, reader

    try:
        # not nbformat.reads: a notebook with a wrong or missing detail reads as well as one without
        notebook = convert(reader.reads(text), 4)  # type: ignore[no-untyped-call]
        list(notebook.cells)
    except RecursionError as error:
        raise DocumentError("Too many things are nested in each other in it: save it anew from Jupyter.") from error
    except (ValueError, AttributeError, KeyError, TypeError, ValidationError) as error:
        raise DocumentError("The file is damaged or no notebook: save it anew from Jupyter.") from error
    return notebook


def _cell(cell: Any, language: str) -> Iterator[str]:
    source = visible(_DATA.sub("", str(cell.get("source", "")))).strip("\n").rstrip()
    if cell.cell_type == "code":
        yield _fenced(source, language if _LANGUAGE.fullmatch(language) else "")
        output = "\n".join(filter(None, map(_output, cell.get("outputs", []))))
        yield f"Output:\n\n{_fenced(_shortened(output))}" if output.strip() else ""
        return
    yield source
    yield from _open_fence(source)


def _open_fence(source: str) -> list[str]:
    """The line that ends a fence left open, which would make code of all cells below."""
    opened = ""
    for line in _FENCE_LINE.findall(source):
        if not opened:
            opened = line
        elif line.startswith(opened):
            opened = ""
    return [opened] if opened else []


def _output(output: Any) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        return "" if output.get("name") == "stderr" else _plain(output.get("text", ""))
    if kind == "error":
        return _plain(f"{output.get('ename', '')}: {output.get('evalue', '')}")
    text = _plain(output.get("data", {}).get("text/plain", ""))
    return "" if _NAMED_ONLY.fullmatch(text) else text


def _plain(text: Any) -> str:
    # what a carriage return overwrote, as bars of progress do, was not to be seen in the end
    printed = _ESCAPES.sub("", str(text)).replace("\r\n", "\n").split("\n")
    return visible("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in printed)).strip("\n").rstrip()


def _shortened(output: str) -> str:
    lines = output.split("\n")
    kept = "\n".join(lines[:OUTPUT_LINES])[:_OUTPUT_LENGTH]
    left = len(lines) - kept.count("\n") - 1
    if left:
        return f"{kept}\n... ({left} more lines)"
    return kept if len(kept) == len(output) else kept + " ..."


def _fenced(code: str, language: str = "") -> str:
    if not code:
        return ""
    longest = max((len(run) for run in _BACKTICKS.findall(code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"
