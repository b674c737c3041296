from __future__ import annotations

import pytest

from ingest.loaders.styles import has_background, hides, hiding_selectors, is_white, writes_white


@pytest.mark.parametrize(
    "style",
    [
        "display : none",
        "color:red; visibility: hidden !important",
        "opacity:0",
        "font-size: 0px",
        "font-size:0.5px",
        "position:absolute; left:-9999px",
        "text-indent: -1000em",
        "clip: rect(0 0 0 0)",
        "color: transparent",
        "color:#fff;background-color:#fff",
        "display:/* x */none",
    ],
)
def test_what_hides_is_known(style: str) -> None:
    assert hides(style)


@pytest.mark.parametrize(
    "style",
    [
        "display:block",
        "opacity:0.5",
        "font-size:0.9em",
        "left:-2px",
        "color:#fff;background:#000",
        "font-size:10px",
        "",
    ],
)
def test_what_shows_is_kept(style: str) -> None:
    assert not hides(style)


def test_white_letters_hide_only_on_white() -> None:
    assert writes_white("color: #FFFFFF")
    assert not writes_white("color:#fff; background:#003366")
    assert has_background("background-color: navy")
    assert not has_background("background: white")
    assert is_white(" White ")
    assert not is_white("#f00")


def test_a_sheet_gives_the_simple_selectors_that_hide() -> None:
    sheet = (
        ".a, p.b { display:none } #c{opacity:0} .d .e {display:none} @media print { .f { display:none } } .g{color:red}"
    )
    assert list(hiding_selectors(sheet)) == [".a", "p.b", "#c"]


@pytest.mark.parametrize("run", ["a", "@", "/*", "opacity:0", "0"])
def test_long_runs_in_styles_are_read(run: str) -> None:
    assert not hides("opacity:" + run * 50_000 + "x")
    assert list(hiding_selectors(".a{opacity:0}" + run * 50_000)) == [".a"]


def test_a_comment_that_is_never_closed_goes_on_to_the_end() -> None:
    assert list(hiding_selectors(".a{opacity:0} /* .b{opacity:0}")) == [".a"]
