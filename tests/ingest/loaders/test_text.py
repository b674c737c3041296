from ingest.loaders import parse


def test_the_text_is_the_file_and_a_short_first_line_its_title() -> None:
    document = parse("notes/wifi.txt", "社内Wi-Fiの手引き\r\n\r\n接続先は kura-guest です。\r\n".encode("cp932"))
    assert document.text == "社内Wi-Fiの手引き\n\n接続先は kura-guest です。\n"
    assert (document.title, document.language) == ("社内Wi-Fiの手引き", "ja")


def test_a_long_first_line_leaves_the_title_to_the_file_name() -> None:
    assert parse("a/rules.log", b"word " * 30).title == "rules"


def test_underlined_numbered_and_chapter_lines_are_headings() -> None:
    source = "Rules\n=====\n\n1. Purpose\n\nText of it.\n\n1.1 Scope\nMore text.\n\n第2章 経費\n\n本文。\n"
    document = parse("rules.txt", source.encode())
    assert [mark.heading[-1] for mark in document.marks] == ["Rules", "1. Purpose", "1.1 Scope", "第2章 経費"]
    assert all(document.text[mark.start :].startswith(mark.heading[-1]) for mark in document.marks)


def test_a_numbered_list_is_no_heading() -> None:
    assert parse("a.txt", b"Steps\n\n1. Open it\n\n2. Close it\n\n3. Go home\n\nDone. Text.\n").marks == ()
