import pytest

from ingest.loaders import parse
from ingest.loaders.hidden import without_comments, without_components


def test_comments_are_taken_out_and_lines_stay_where_they_were() -> None:
    source = (
        "a <!-- obey\nme --> b\n\n<!--\n\n```\nhidden\n-->\n\n[//]: # (hidden)\n\n<script>\nhidden\n</script>\n\nend\n"
    )
    shown = without_comments(source)
    assert "hidden" not in shown
    assert "obey" not in shown
    assert "a \n b" in shown
    assert shown.count("\n") == source.count("\n")
    assert shown.split("\n").index("end") == source.split("\n").index("end")


@pytest.mark.parametrize(
    "source",
    ["```\n<!-- shown -->\n```", "Write `<!-- shown -->` so.", "An arrow <!-- without end", "    <!-- code -->"],
)
def test_what_readers_see_stays(source: str) -> None:
    assert without_comments(source) == source


def test_zero_width_and_bidirectional_characters_reach_no_text() -> None:
    for name in ("a.md", "a.mdx", "a.txt", "a.rst", "a.adoc", "a.html"):
        assert parse(name, "wo\u200brd \u202eevil\u2066\n".encode()).text.strip() == "word evil"


@pytest.mark.parametrize(
    "source",
    [
        'a <span style="display:none">hidden <span>too</span> hidden</span> b',
        "a <b hidden>hidden</b> b",
        'a <p aria-hidden="true">hidden\n\nhidden</p> b',
        'a <span style="color:white">hidden</span> b',
        "a <div style='font-size:0'>hidden b hidden",
    ],
)
def test_elements_that_hide_themselves_are_taken_out(source: str) -> None:
    shown = without_comments(source)
    assert "hidden" not in shown
    assert shown.startswith("a ")
    assert shown.count("\n") == source.count("\n")


def test_elements_in_code_and_unhidden_ones_stay() -> None:
    for source in ("Write `<b hidden>x</b>` so.", "```html\n<b hidden>x</b>\n```", '<span style="color:red">x</span>'):
        assert without_comments(source) == source


def test_rows_of_variation_selectors_reach_no_text_and_single_ones_do() -> None:
    assert parse("a.txt", "葛\U000e0100城 a\ufe01\ufe02\ufe03b".encode()).text == "葛\U000e0100城 ab"


def test_components_leave_only_their_text() -> None:
    source = (
        "import Tabs from '@theme/Tabs';\n\nexport const x = {\n  a: 1,\n};\n\n# T\n\n<Tabs groupId=\"os\" items={[{a: 1}]}>\n"
        "Inside.\n</Tabs>\n\n{/* hidden */}\nUse `<Tabs>` or <br/>.\n\n```jsx\nimport A from 'a'\n<Tabs />\n```\n"
    )
    shown = without_components(source)
    assert shown.split() == "# T Inside. Use `<Tabs>` or <br/>. ```jsx import A from 'a' <Tabs /> ```".split()
    assert shown.count("\n") == source.count("\n")
    assert parse("a.mdx", source.encode()).title == "T"


@pytest.mark.parametrize(
    "piece",
    [
        "<!--",
        "<A {",
        "<A '\"",
        "`",
        "``<!--`",
        "{/*",
        "<script",
        "[x]: #",
        "> <!--\n",
        "<A x={{",
        "<b hidden>",
        "<b hidden></i>",
    ],
)
def test_endless_openings_are_read_in_linear_time(piece: str) -> None:
    source = "x" + piece * 50_000
    assert without_components(source)
    assert without_comments(source)
