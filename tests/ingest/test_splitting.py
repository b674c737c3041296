import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cutting import weight
from ingest.loaders import parse
from ingest.loaders.front_matter import front_matter_end
from ingest.splitting import PASSAGE, split
from retrieval.documents import Chunk, Document, Mark

PROSE = "The hotel cap is one hundred and eighty euros for each night. Breakfast is not part of it. "


def markdown(text: str) -> Document:
    return parse("page.md", text.encode())


def texts(document: Document, size: int = 800) -> list[str]:
    return [document.text[chunk.start : chunk.end] for chunk in split(document, size=size)]


def check(document: Document, chunks: list[Chunk]) -> None:
    """Offsets ascend without overlap, ranges are trimmed, lines are right, and no text is lost."""
    position = 0
    for chunk in chunks:
        assert position <= chunk.start < chunk.end <= len(document.text)
        piece = document.text[chunk.start : chunk.end]
        assert piece == piece.strip()
        assert chunk.line == document.text.count("\n", 0, chunk.start) + 1
        above = [mark for mark in document.marks if mark.start <= chunk.start]
        assert chunk.heading == (above[-1].heading if above else ())
        position = chunk.end


blocks = st.one_of(
    st.builds(lambda n: PROSE * n, st.integers(1, 15)),
    st.builds(lambda n: "これは規程の本文です。" * n, st.integers(1, 60)),
    st.builds(lambda n: "\n".join(f"- item {i} " + "x" * n for i in range(n)), st.integers(1, 60)),
    st.builds(lambda n: "| a | b |\n| --- | --- |\n" + "| 1 | 2 |\n" * n, st.integers(1, 500)),
    st.builds(lambda n: "```\n# not a heading\n\n" + "run --now\n" * n + "```", st.integers(1, 500)),
    st.sampled_from(
        ["Intro:", "手順：", "See below.", "---", "> quoted", "か\u3099" * 900, "e\u0301" * 900, "👩\u200d💻" * 300]
    ),
    st.text(alphabet="ab。. \n|-`:*1あ\u0301\u3099", max_size=80),
)


@given(
    parts=st.lists(st.tuples(st.sampled_from(["", "# One\n\n", "## Two\n\n", "### Three\n\n"]), blocks), max_size=12),
    size=st.sampled_from([40, 200, 800]),
)
def test_every_character_below_the_headings_is_in_exactly_one_chunk(parts: list[tuple[str, str]], size: int) -> None:
    source = "---\ntitle: T\n---\n" + "\n\n".join(heading + block for heading, block in parts)
    document = Document("T", source, "", _marks(source))
    chunks = split(document, size=size)
    check(document, chunks)
    covered = "".join(source[chunk.start : chunk.end] for chunk in chunks)
    body = source[front_matter_end(source) :]
    for line in {line for line in body.split("\n") if re.search(r"[^\W\d]", line) and not line.startswith("#")}:
        for word in set(line.split()):
            assert covered.count(word[:20]) > 0
    if not document.marks and re.search(r"\w", body):
        assert "".join(covered.split()) == "".join(body.split())


def _marks(source: str) -> tuple[Mark, ...]:
    return tuple(
        Mark(match.start(), (match[2],)) for match in re.finditer(r"^(#+) (One|Two|Three)$", source, re.MULTILINE)
    )


@given(st.text(alphabet="か\u3099がe\u0301👩\u200d💻🏽ａ", min_size=50, max_size=400))
def test_no_cut_falls_inside_a_visible_character(text: str) -> None:
    for piece in texts(Document("", text, ""), size=20)[1:]:
        assert not unicodedata.category(piece[0]).startswith("M")
        assert piece[0] != "\u200d"


def test_each_paragraph_of_prose_is_a_chunk_and_small_ones_go_together() -> None:
    document = markdown(
        f"{PROSE * 3}\n\n{PROSE * 4}\n\n"
        "One short remark that stands by itself, and then some more words on it, and a few more.\n\nAnother."
    )
    assert [len(text) > 200 for text in texts(document)] == [True, True, False]


def test_no_chunk_crosses_a_heading_and_each_knows_its_path() -> None:
    document = markdown("Before.\n\n# A\n\nOne.\n\n## B\n\nTwo.\n\nSetext\n===\n\nThree.\n")
    chunks = split(document)
    assert [(document.text[c.start : c.end], c.heading, c.line) for c in chunks] == [
        ("Before.", (), 1),
        ("One.", ("A",), 5),
        ("Two.", ("A", "B"), 9),
        ("Three.", ("Setext",), 14),
    ]


def test_a_heading_with_nothing_below_is_kept_as_text() -> None:
    assert texts(markdown("# Contacts\n\n## Helpdesk: 4711\n\n## Reception\n\nGround floor.\n")) == [
        "## Helpdesk: 4711",
        "Ground floor.",
    ]


def test_lists_tables_and_code_stay_whole_with_the_line_that_leads_in() -> None:
    rows = "".join(f"| city {i} | {i} EUR |\n" for i in range(60))
    table = f"| City | Cap |\n| --- | --- |\n{rows}".strip()
    document = markdown(
        f"{PROSE * 3}\n\nThe caps are:\n\n{table}\n\n{PROSE * 3}\n\n"
        "手順：\n\n1. ポータルで申請の画面を開く\n2. 金額を入れて送信を押す\n\n   詳しくは経理部の手引きを見る\n"
    )
    found = texts(document)
    assert "The caps are:\n\n" + table in found
    assert (
        found[-1]
        == "手順：\n\n1. ポータルで申請の画面を開く\n2. 金額を入れて送信を押す\n\n   詳しくは経理部の手引きを見る"
    )


def test_a_table_larger_than_three_sizes_is_cut_between_rows() -> None:
    table = "\n".join(["| a | b |", "| --- | --- |", *(f"| row {i} | value {i} |" for i in range(400))])
    found = texts(markdown(table))
    assert len(found) > 3
    assert all(text.startswith("|") and text.endswith("|") for text in found)


def test_long_prose_is_cut_at_sentence_ends() -> None:
    assert all(text.endswith(".") for text in texts(markdown(PROSE * 40)))
    japanese = texts(markdown("出張の前日までに申請する。領収書は必ず保管する！" * 100))
    assert all(text.endswith(("。", "！")) for text in japanese)
    assert all(weight(text) <= PASSAGE for text in japanese)


def test_a_whole_section_is_one_chunk_up_to_three_sizes_and_keeps_what_it_begins_with() -> None:
    function = "# adds\n\ndef add(a, b):\n" + "    a += b\n\n" * 30
    text = function + "# end\n"
    marks = (Mark(0, ("add",), whole=True), Mark(len(function), ()))
    assert texts(Document("", text, "", marks), 200) == [function.strip(), "# end"]
    cut = texts(Document("", text, "", marks), 50)
    assert cut[0].startswith("# adds")
    assert all(weight(piece) <= 50 for piece in cut)


def test_whole_sections_of_one_name_stay_apart_and_lose_only_their_heading_line() -> None:
    operation = "## GET /pets\n\nLists pets.\n\n| a | b |\n"
    text = operation + operation
    marks = tuple(Mark(start, ("API", "GET /pets"), whole=True) for start in (0, len(operation)))
    assert texts(Document("", text, "", marks)) == ["Lists pets.\n\n| a | b |"] * 2


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "あ" * 500_000, "- x\n" * 100_000, "a b. " * 200_000, "---\n\n" * 100_000]
)
def test_monotonous_giants_are_split_within_the_size(text: str) -> None:
    document = Document("", text, "")
    chunks = split(document)
    check(document, chunks)
    assert all(weight(text[chunk.start : chunk.end]) <= PASSAGE for chunk in chunks)
    assert bool(chunks) is (re.search(r"\w", text) is not None)


def test_pages_come_from_the_marks_without_cutting_a_paragraph() -> None:
    text = "A sentence that begins on one page and ends on another.\n\n" + PROSE * 3
    marks = (Mark(0, (), 1), Mark(20, (), 2))
    chunks = split(Document("", text, "", marks))
    assert chunks[0].page == 1
    assert chunks[0].end > 20


def test_front_matter_is_in_no_chunk() -> None:
    assert texts(markdown("---\ntitle: Secret title\ntags:\n  - x\n---\n\nBody text.\n")) == ["Body text."]


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="size"):
        split(Document("", "x", ""), size=0)


@pytest.mark.parametrize(
    "text",
    [
        "x" + "." * 200_000,
        "1 Scope\n" + ("word " * 2_000 + "\n") * 6,
        "a | b\n---" + " " * 100_000 + "x|\nend",
        "---\na: b\n" + "    deep: value\n" * 20_000,
    ],
)
def test_odd_texts_take_no_longer_than_others(text: str) -> None:
    document = Document("", text, "", (Mark(0, ("Another heading",)),))
    covered = "".join(document.text[chunk.start : chunk.end] for chunk in split(document))
    assert "".join(covered.split()) == "".join(text.split())
