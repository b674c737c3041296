from datetime import date

import pytest

from ingest.errors import DocumentError
from ingest.loaders import parse
from retrieval.documents import Document

PAGE = """<!doctype html><html><head><meta charset="utf-8"><title> Travel
 policy </title><style>p{}</style></head><body><header><p>Banner</p></header><nav>Menu</nav>
<h1>Hotels</h1><p>The cap is <b>180</b>
EUR.<br>Per night.</p><ul><li>one<ul><li>two</li></ul></li><li><p>three</p></li></ul><ol><li>a<li>b</ol>
<table><tr><th>City<th>A|B</tr><tr><td>Oslo<td>180</table>
<pre>run
  --now</pre><h2>Pets <i>allowed</i></h2><p>No\u200b pe\u00adts.</p>
<p hidden>secret1</p><div style="display : none">secret2</div><p aria-hidden="true">secret3</p>
<script>secret4()</script><template>secret5</template><noscript>secret6</noscript><!-- secret7 --><footer>Foot</footer>
</body></html>"""


def page(source: str, codec: str = "utf-8") -> Document:
    return parse("a.html", source.encode(codec))


def test_blocks_become_clean_text_and_headings_marks() -> None:
    document = page(PAGE)
    assert document.title == "Travel policy"
    assert document.text == (
        "# Hotels\n\nThe cap is 180 EUR.\nPer night.\n\n- one\n  - two\n- three\n\n1. a\n2. b\n\n"
        "| City | A\\|B |\n| --- | --- |\n| Oslo | 180 |\n\n```\nrun\n  --now\n```\n\n## Pets allowed\n\nNo pets."
    )
    assert [(mark.heading, document.text[mark.start]) for mark in document.marks] == [
        (("Hotels",), "#"),
        (("Hotels", "Pets allowed"), "#"),
    ]


def test_only_the_main_content_is_read_where_a_page_names_it() -> None:
    around = "<div>Around</div><{0}><header>Head</header><p>Inside</p></{0}><p>After</p>"
    assert page(around.format("main")).text == "Head\n\nInside"
    assert page(around.format("article")).text == "Head\n\nInside"
    assert page("<main></main><p>Body text</p>").text == "Body text"


def test_a_layout_table_is_looked_through() -> None:
    assert page("<table><tr><td><h2>News</h2><td><p>Text</table>").text == "## News\n\nText"


@pytest.mark.parametrize("codec", ["shift_jis", "euc-jp", "utf-8"])
@pytest.mark.parametrize(
    "meta", ['<meta charset="{}">', '<meta http-equiv="Content-Type" content="text/html; charset={}">']
)
def test_the_declared_charset_is_used(codec: str, meta: str) -> None:
    document = page(meta.format(codec) + "<p>経費規程</p>", codec)
    assert document.text == "経費規程"


def test_deep_nesting_is_read_or_refused_but_never_a_crash() -> None:
    assert page("<div>" * 10_000 + "deep").text == "deep"
    assert "deep" in page("<ul><li>" * 5_000 + "deep").text
    assert "deep" in page("<table><tr><td>" * 3_000 + "deep").text
    with pytest.raises(DocumentError, match="nested"):
        page("<div>" * 50_000 + "deep")


def test_the_head_of_a_page_says_what_day_it_is_of() -> None:
    told = (
        '<meta property="article:published_time" content="2024-01-31T09:00:00Z">'
        '<meta name="Last-Modified" content="2025-02-01"><meta name="viewport" content="2030-01-01">'
    )
    assert page(f"<head>{told}</head><p>Text</p>").dated == date(2025, 2, 1)
    assert page("<p>Text of 2025-02-01</p>").dated is None
