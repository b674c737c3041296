import json
from typing import Any

import nbformat
import pytest
from nbformat import v3, v4

from ingest.errors import DocumentError, EmptyDocument
from ingest.loaders import parse
from ingest.loaders.ipynb import OUTPUT_LINES
from ingest.splitting import split


def saved(*cells: Any, **metadata: Any) -> bytes:
    notebook = v4.new_notebook(cells=list(cells), metadata=metadata or {"language_info": {"name": "python"}})
    return nbformat.writes(notebook).encode()


def printed(*outputs: Any, source: str = "run()") -> bytes:
    return saved(v4.new_code_cell(source, outputs=list(outputs)))


def test_cells_become_markdown_with_code_and_output_under_the_headings() -> None:
    document = parse(
        "a.ipynb",
        saved(
            v4.new_markdown_cell("# 売上分析\n\nWhere it *stands*."),
            v4.new_code_cell("# no heading\nprint(1)", outputs=[v4.new_output("stream", text="1\n")]),
            v4.new_markdown_cell("## Next"),
            v4.new_code_cell("total", outputs=[v4.new_output("execute_result", {"text/plain": "180"})]),
        ),
    )
    assert document.title == "売上分析"
    assert document.text == (
        "# 売上分析\n\nWhere it *stands*.\n\n```python\n# no heading\nprint(1)\n```\n\nOutput:\n\n```\n1\n```\n\n"
        "## Next\n\n```python\ntotal\n```\n\nOutput:\n\n```\n180\n```"
    )
    assert [mark.heading for mark in document.marks] == [("売上分析",), ("売上分析", "Next")]
    assert split(document)[-1].heading == ("売上分析", "Next")


def test_pictures_html_and_mere_names_of_objects_are_left_out() -> None:
    text = parse(
        "a.ipynb",
        printed(
            v4.new_output("display_data", {"image/png": "iVBORw0", "text/plain": "<Figure size 640x480 with 1 Axes>"}),
            v4.new_output("execute_result", {"text/html": "<table>hidden</table>", "text/plain": "   a\n0  1"}),
            v4.new_output("stream", name="stderr", text="FutureWarning: old"),
            v4.new_output("error", ename="KeyError", evalue="'b'", traceback=["\x1b[0;31mlong\x1b[0m"]),
        ),
    ).text
    assert text == "```python\nrun()\n```\n\nOutput:\n\n```\n   a\n0  1\nKeyError: 'b'\n```"
    inline = saved(v4.new_markdown_cell("See ![plot](data:image/png;base64,iVBORw0KGgo=) here"))
    assert parse("a.ipynb", inline).text == "See ![plot]() here"


def test_long_outputs_are_shortened_and_say_so() -> None:
    log = "".join(f"epoch {i}\n" for i in range(1000))
    text = parse("a.ipynb", printed(v4.new_output("stream", text=log))).text
    assert f"epoch {OUTPUT_LINES - 1}\n... ({1000 - OUTPUT_LINES} more lines)\n```" in text
    assert parse("a.ipynb", printed(v4.new_output("stream", text="x" * 100_000))).text.endswith("xxx ...\n```")


def test_what_a_bar_of_progress_overwrote_and_colours_are_gone() -> None:
    text = parse("a.ipynb", printed(v4.new_output("stream", text="10%\r50%\r\x1b[32mdone\x1b[0m\nnext\r\n"))).text
    assert text.endswith("Output:\n\n```\ndone\nnext\n```")


def test_fences_inside_and_left_open_do_not_swallow_what_follows() -> None:
    document = parse(
        "a.ipynb",
        saved(
            v4.new_code_cell('"""\n```\n"""'),
            v4.new_markdown_cell("```text\nleft open"),
            v4.new_markdown_cell("# Heading"),
        ),
    )
    assert [mark.heading for mark in document.marks] == [("Heading",)]


def test_notebooks_of_version_3_are_read() -> None:
    sheet = v3.new_worksheet(cells=[v3.new_heading_cell("Old", level=2), v3.new_code_cell(input="1 + 1")])
    text = parse("a.ipynb", nbformat.writes(v3.new_notebook(worksheets=[sheet])).encode()).text
    assert text == "## Old\n\n```\n1 + 1\n```"


def test_missing_details_and_lone_surrogates_are_no_fault() -> None:
    cells = [
        {"cell_type": kind, "metadata": {}, "source": source}
        for kind, source in (("code", ["print(1)\n", "2"]), ("markdown", "a \ud800 b"))
    ]
    text = parse("a.ipynb", json.dumps({"nbformat": 4, "metadata": {}, "cells": cells}).encode()).text
    assert text == "```\nprint(1)\n2\n```\n\na  b"


@pytest.mark.parametrize(
    "data",
    [b"{", b"[]", b"null", b'{"nbformat": 9}', b'{"nbformat": 4}', b'{"cells": 5, "nbformat": 4}', b"\xff\xfe\0"],
)
def test_damaged_files_are_refused(data: bytes) -> None:
    with pytest.raises(DocumentError):
        parse("a.ipynb", data)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(DocumentError, match="nested"):
        parse("a.ipynb", b'{"nbformat": 4, "cells": ' + b"[" * 100_000)


def test_a_notebook_without_cells_is_empty() -> None:
    with pytest.raises(EmptyDocument):
        parse("a.ipynb", saved())
