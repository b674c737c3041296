import io
import zipfile

import pptx
import pytest
from pptx.util import Inches

from ingest.errors import DocumentError, EmptyDocument
from ingest.loaders import parse
from ingest.loaders.pptx import NOTES
from ingest.splitting import split


def saved(deck: "pptx.presentation.Presentation") -> bytes:
    file = io.BytesIO()
    deck.save(file)
    return file.getvalue()


def box(shapes: "pptx.shapes.shapetree.SlideShapes", text: str, left: float, top: float) -> None:
    shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(1)).text_frame.text = text


def deck_of(*titles: str) -> "pptx.presentation.Presentation":
    """A slide for each title, with a list below it; "" for a blank slide."""
    deck = pptx.Presentation()
    for title in titles:
        slide = deck.slides.add_slide(deck.slide_layouts[1 if title else 6])
        if title:
            slide.shapes.title.text = title
            slide.placeholders[1].text = f"About {title}\nmore"
    return deck


def test_each_slide_is_a_section_on_its_page() -> None:
    deck = deck_of("旅費規程", "Hotels", "")
    box(deck.slides[2].shapes, "Thank you", 1, 1)
    document = parse("a.pptx", saved(deck))
    assert document.title == "旅費規程"
    assert document.text == (
        "# 旅費規程\n\n- About 旅費規程\n- more\n\n# Hotels\n\n- About Hotels\n- more\n\n# Slide 3\n\nThank you"
    )
    assert [(mark.heading, mark.page) for mark in document.marks] == [
        (("旅費規程",), 1),
        (("Hotels",), 2),
        (("Slide 3",), 3),
    ]
    assert [chunk.page for chunk in split(document)] == [1, 2, 3]


def test_boxes_are_read_from_top_to_bottom_and_left_to_right_groups_together() -> None:
    deck = deck_of("")
    shapes = deck.slides[0].shapes
    box(shapes, "last", 1, 6)
    box(shapes, "right", 5, 2.1)
    box(shapes, "left", 1, 2.15)
    group = shapes.add_group_shape()
    inner = group.shapes.add_group_shape()
    box(inner.shapes, "deep", 2, 4.5)
    box(group.shapes, "shallow", 2, 4)
    assert parse("a.pptx", saved(deck)).text == "# Slide 1\n\nleft\n\nright\n\nshallow\n\ndeep\n\nlast"


def test_tables_nested_items_and_line_breaks_keep_their_look() -> None:
    deck = deck_of("Caps")
    slide = deck.slides[0]
    frame = slide.placeholders[1].text_frame
    frame.text = "one\vgoes on\ntwo\nthree"
    frame.paragraphs[1].level = 1
    grid = slide.shapes.add_table(2, 2, Inches(1), Inches(6), Inches(4), Inches(1)).table
    for i, text in enumerate(("City", "Cap", "Oslo", "1|80")):
        grid.cell(i // 2, i % 2).text = text
    assert parse("a.pptx", saved(deck)).text == (
        "# Caps\n\n- one\n  goes on\n  - two\n- three\n\n| City | Cap |\n| --- | --- |\n| Oslo | 1\\|80 |"
    )


def test_notes_are_marked_as_such() -> None:
    deck = deck_of("Caps", "Next")
    deck.slides[0].notes_slide.notes_text_frame.text = "Say why.\n\nThen stop."
    document = parse("a.pptx", saved(deck))
    assert f"## {NOTES}\n\nSay why.\nThen stop.\n\n# Next" in document.text
    noted = next(chunk for chunk in split(document) if "Say why" in document.text[chunk.start : chunk.end])
    assert (noted.heading, noted.page) == (("Caps", NOTES), 1)


def test_hidden_slides_are_left_out_but_counted() -> None:
    deck = deck_of("Caps", "Secret", "Next")
    deck.slides[1]._element.set("show", "0")
    document = parse("a.pptx", saved(deck))
    assert "Secret" not in document.text
    assert [mark.page for mark in document.marks] == [1, 3]


def test_footers_and_slide_numbers_are_no_text_of_the_slide() -> None:
    deck = deck_of("Caps")
    slide = deck.slides[0]
    for furniture in slide.slide_layout.placeholders:
        if furniture.placeholder_format.idx in (10, 11, 12):
            copy = slide.shapes.clone_placeholder(furniture) or slide.placeholders[furniture.placeholder_format.idx]
            copy.text = "Page 7"
    assert len(list(slide.placeholders)) == 5
    assert "Page 7" not in parse("a.pptx", saved(deck)).text


def test_the_title_of_the_properties_wins_unless_a_program_made_it_up() -> None:
    deck = deck_of("Caps")
    deck.core_properties.title = "PowerPoint プレゼンテーション"
    assert parse("a.pptx", saved(deck)).title == "Caps"
    deck.core_properties.title = "Travel 2024"
    assert parse("a.pptx", saved(deck)).title == "Travel 2024"
    deck = deck_of("")
    box(deck.slides[0].shapes, "untitled", 1, 1)
    assert parse("travel.pptx", saved(deck)).title == "travel"


@pytest.mark.parametrize("titles", [(), ("", "")])
def test_a_deck_without_text_is_empty(titles: tuple[str, ...]) -> None:
    with pytest.raises(EmptyDocument):
        parse("a.pptx", saved(deck_of(*titles)))


def test_damaged_and_hostile_files_are_refused_or_harmless() -> None:
    data = saved(deck_of("Caps"))
    with pytest.raises(DocumentError, match="damaged"):
        parse("a.pptx", data[:9000])
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "ppt/slides/slide1.xml":
                outside = f"<!DOCTYPE x [<!ENTITY a SYSTEM 'file://{__file__}'>]><p:sld".encode()
                part = part.replace(b"<p:sld", outside, 1).replace(b"About", b"About &a;")
            new.writestr(name, part)
    assert "zipfile" not in parse("a.pptx", file.getvalue()).text
